"""The Cybersource adapter: operations made of builders and readers.

Invariant: of all operations only `refund` and `cancel` yield a request that moves
money, each exactly one; `refund` looks first which of a payment's two faces took it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import (
    HttpRequest,
    LookupFailed,
    NotProcessed,
    PaymentUnreadable,
    RefusedByGateway,
    Unsure,
)
from refundwatch.gateways.cybersource import (
    answers,
    building,
    facts,
    lookup,
    settlement,
    signing,
    transactions,
    webhooks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        CancelResult,
        Capabilities,
        Credentials,
        HttpResponse,
        LookupResult,
        Operation,
        Outcome,
        PaymentRead,
        ProbeResult,
        RawDelivery,
        RefundInstruction,
        Verdict,
    )
    from refundwatch.gateways.settlement import BadLine, SettlementLine

_OPERATION: Final = "read_payment"


class Cybersource(Adapter):
    """Cybersource's REST services; the version is part of every path."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Cybersource can do."""
        return facts.CAPABILITIES

    def authorize(
        self, request: HttpRequest, credentials: Credentials, now: datetime
    ) -> HttpRequest:
        """Return the request with its token or signature, good for this moment.

        Raises:
            InvariantBroken: the connection has no usable key.
        """
        return signing.authorized(request, credentials, now)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Read how the payment was captured and order the refund there.

        With `stored`, exactly that is sent and its answer read.

        Raises:
            NotExpressible: Cybersource cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return _order(stored)
        building.check(instruction)
        return _look_and_order(instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Search by our reference, and read what was found."""
        if not building.is_searchable(instruction.merchant_reference):
            return reading.without_request(LookupFailed("reference_unusable"))
        return lookup.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the refund by Cybersource's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(LookupFailed("no_gateway_reference"))
        return lookup.read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Cybersource states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what was captured and what its refunds add up to."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return lookup.read_payment(account, payment_reference)

    def cancel(self, instruction: RefundInstruction) -> Operation[CancelResult]:
        """Take back all of a refund that is in no batch yet; it must have an id."""
        refund_id = instruction.gateway_reference
        if refund_id is None or not reading.is_plain_id(refund_id):
            return reading.without_request(RefusedByGateway("no_gateway_reference"))
        return _cancel(building.void_request(instruction, refund_id), instruction)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,
    ) -> Operation[Verdict]:
        """Verify a delivery, then read what it speaks of at Cybersource."""
        return webhooks.receive(account, delivery, secrets, now)

    def greet(
        self, account: AccountView, query: Mapping[str, str], secrets: tuple[str, ...]
    ) -> bytes | None:
        """Answer the health check, which asks for nothing but an answer."""
        del account, query, secrets
        return b""

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Search for one transaction."""
        response = yield building.probe_request(account)
        return answers.probe_result(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - the report stands for itself
        name: str,
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read one page of the purchase and refund details.

        Raises:
            SettlementUnreadable: it is no such page.
        """
        return settlement.lines(name, content)


def _look_and_order(instruction: RefundInstruction) -> Operation[Outcome]:
    response = yield building.transaction_request(
        instruction.account, _OPERATION, instruction.payment_reference
    )
    built = _built(instruction, response)
    if not isinstance(built, HttpRequest):
        return built
    return (yield from _order(built))


def _built(
    instruction: RefundInstruction, response: HttpResponse
) -> HttpRequest | Outcome:
    """Build the order for the way in which the payment was captured."""
    if response.status == answers.NOT_FOUND:
        return NotProcessed("payment_not_found_yet", facts.FRESH_SECONDS, alone=True)
    if response.status != answers.OK:
        return reading.common_outcome(response, answers.reason(response))
    reference = instruction.payment_reference
    try:
        payment = transactions.read_transaction(response.body, reference)
    except MalformedResponse as error:
        return Unsure(error.message)
    taken = transactions.captured(payment)
    if taken is None:
        return RefusedByGateway("not_captured")
    currency = transactions.amount_of(payment).currency
    if currency not in {None, instruction.currency}:
        return RefusedByGateway("currency_of_capture")
    return building.refund_request(
        instruction, separately_captured=taken.separately, electronic_check=taken.check
    )


def _order(request: HttpRequest) -> Operation[Outcome]:
    response = yield request
    return answers.refund_outcome(response)


def _cancel(
    request: HttpRequest, instruction: RefundInstruction
) -> Operation[CancelResult]:
    response = yield request
    return answers.cancel_outcome(response, instruction)
