"""The Braintree adapter: operations made of builders and readers.

Invariant: of all operations only `refund` and `cancel` yield a request that moves
money, and each yields exactly one, after whatever it has to read.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.errors import InvariantBroken, MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.braintree import (
    answers,
    building,
    events,
    facts,
    names,
    objects,
    replies,
    sales,
    settlement,
)
from refundwatch.gateways.contract import (
    Found,
    HttpRequest,
    LookupFailed,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from refundwatch.gateways.braintree.replies import Failed
    from refundwatch.gateways.contract import (
        AccountView,
        CancelResult,
        Capabilities,
        Credentials,
        LookupResult,
        Operation,
        Outcome,
        PaymentRead,
        RawDelivery,
        RefundInstruction,
        Verdict,
    )
    from refundwatch.gateways.reading import JsonObject
    from refundwatch.gateways.settlement import BadLine, SettlementLine

_UNUSABLE = "payment_reference_unusable"


class Braintree(Adapter):
    """Braintree's GraphQL API, at the version the connection pins."""

    def __init__(self, *, with_keys: bool = True) -> None:
        """Serve accounts that may use apiRequestKey, or those that may not."""
        self._capabilities = facts.CAPABILITIES if with_keys else facts.WITHOUT_KEYS

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Braintree can do."""
        return self._capabilities

    def suited(self, settings: Mapping[str, str]) -> Braintree:
        """Rely on keys only where the account may use them."""
        return Braintree(with_keys=settings.get(facts.REQUEST_KEYS) != facts.OFF)

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a static key does not age
    ) -> HttpRequest:
        """Return the request with the key pair as Basic authentication.

        Raises:
            InvariantBroken: a key of the pair is missing.
        """
        pair = [credentials.values.get(name) for name in facts.CAPABILITIES.credentials]
        if not all(pair):
            message = "The connection to Braintree lacks a credential of its key pair."
            raise InvariantBroken(message)
        written = ":".join(key for key in pair if key).encode("utf-8")
        basic = ("Authorization", "Basic " + b64encode(written).decode("ascii"))
        return replace(request, headers=(*request.headers, basic))

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund as its sale allows, or send `stored` again and read it.

        A settled sale is refunded; one that is not is voided as a whole, or waits.

        Raises:
            NotExpressible: Braintree cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return _order(instruction, stored)
        building.check(instruction)
        return _decided(instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read every refund of the sale and keep those with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed(_UNUSABLE))
        return _look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by its legacy id; a void is read as the sale it ended."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        if _is_void(instruction):
            return self.look_up(instruction)
        return _read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Braintree states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what the sale took or holds, and what was given back of it."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable(_UNUSABLE, missing=True)
            return reading.without_request(unusable)
        return _read_payment(account, payment_reference)

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Take back a refund that has not settled; a void cannot be taken back."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            refused = RefusedByGateway("no_gateway_reference")
            return reading.without_request(refused)
        if _is_void(instruction):
            return reading.without_request(RefusedByGateway("sale_voided"))
        return _cancel(instruction, refund_id)

    def receive(
        self,
        account: AccountView,  # noqa: ARG002 - the key pair names the account
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - the signature covers no time
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(delivery, secrets))

    def greet(
        self,
        account: AccountView,  # noqa: ARG002 - the key pair names the account
        query: Mapping[str, str],
        secrets: tuple[str, ...],
    ) -> bytes | None:
        """Answer Braintree's check of a new webhook address."""
        return events.greeting(query, secrets)

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Ask for nothing."""
        data = replies.data_of((yield building.probe_request(account)))
        if isinstance(data, replies.Failed):
            return data.probe()
        pong = reading.text(data, "ping") == "pong"
        return ProbeResult() if pong else ProbeResult("no_pong")

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - a line names its merchant account
        name: str,  # noqa: ARG002 - the header tells whether it is a report
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a payment-level fee report.

        Raises:
            SettlementUnreadable: it is none.
        """
        return settlement.lines(content)


def _is_void(instruction: RefundInstruction) -> bool:
    """A void has no id of its own: the sale's stands for it."""
    theirs, ours = instruction.gateway_reference, instruction.payment_reference
    return theirs is not None and ours in {theirs, names.other_name(theirs)}


# --- asking -----------------------------------------------------------------------


def _identity(
    operation: str, account: AccountView, legacy_id: str, kind: str
) -> Operation[str | Failed]:
    """Ask for the GraphQL id of a legacy id."""
    request = building.identity_request(operation, account, legacy_id, kind)
    data = replies.data_of((yield request))
    if isinstance(data, replies.Failed):
        return data
    return reading.text(data, "idFromLegacyId") or replies.Failed("no_identity")


def _sale(
    operation: str, account: AccountView, reference: str
) -> Operation[JsonObject | Failed]:
    """Read a sale by either of its names."""
    sale_id: str | Failed = reference
    if not names.is_global(reference):
        sale_id = yield from _identity(operation, account, reference, names.TRANSACTION)
    if isinstance(sale_id, replies.Failed):
        return sale_id
    response = yield building.sale_request(operation, account, sale_id)
    node = answers.node_of(response)
    if isinstance(node, replies.Failed) or objects.is_sale(node, sale_id):
        return node
    return replies.Failed("another_node")


def _decided(instruction: RefundInstruction) -> Operation[Outcome]:
    sale = yield from _sale(
        "read_payment", instruction.account, instruction.payment_reference
    )
    if isinstance(sale, replies.Failed):
        if sale.missing:
            return RefusedByGateway("payment_missing")
        return answers.failed_outcome(sale)
    decided = sales.order_for(sale, instruction)
    if not isinstance(decided, HttpRequest):
        return decided
    return (yield from _order(instruction, decided))


def _order(instruction: RefundInstruction, request: HttpRequest) -> Operation[Outcome]:
    response = yield request
    return answers.order_outcome(response, instruction, request.operation)


def _look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    sale = yield from _sale(
        "look_up", instruction.account, instruction.payment_reference
    )
    if isinstance(sale, replies.Failed):
        return sale.lookup()
    return sales.find_refund(sale, instruction)


def _read_refund(
    instruction: RefundInstruction, legacy_id: str
) -> Operation[LookupResult]:
    account = instruction.account
    refund_id = yield from _identity("read_refund", account, legacy_id, names.REFUND)
    if isinstance(refund_id, replies.Failed):
        return refund_id.lookup()
    request = building.read_refund_request("read_refund", account, refund_id)
    node = answers.node_of((yield request))
    if isinstance(node, replies.Failed):
        return node.lookup()
    try:
        found = objects.read_refund(node, "poll", instruction)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if found.evidence.gateway_reference != legacy_id:
        return LookupFailed("another_refund")
    return Found((found,))


def _read_payment(
    account: AccountView, reference: str
) -> Operation[PaymentRead | PaymentUnreadable]:
    sale = yield from _sale("read_payment", account, reference)
    if isinstance(sale, replies.Failed):
        return sale.payment()
    return sales.read_amounts(sale)


def _cancel(instruction: RefundInstruction, legacy_id: str) -> Operation[CancelResult]:
    account = instruction.account
    refund_id = yield from _identity("cancel", account, legacy_id, names.REFUND)
    if isinstance(refund_id, replies.Failed):
        return answers.failed_outcome(refund_id)
    request = building.cancel_request(instruction, refund_id)
    return answers.order_outcome((yield request), instruction, request.operation)
