"""The Klarna adapter: it orders a refund, and reads the order to see what was booked.

Invariant: of all operations only `refund` yields a request that moves money, and it
yields exactly one. A booked refund counts as paid out only when the order shows it
with its amount: under a key that was used before, Klarna answers any body with the
first result.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import (
    Heard,
    LookupFailed,
    PaymentUnreadable,
    Unsure,
)
from refundwatch.gateways.klarna import (
    answers,
    building,
    events,
    facts,
    orders,
    settlement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Capabilities,
        Credentials,
        HttpRequest,
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


class Klarna(Adapter):
    """Klarna's Order Management API v1; the endpoint is that of the region."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Klarna can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a password does not age
    ) -> HttpRequest:
        """Return the request with user name and password."""
        user = credentials.values.get("username")
        password = credentials.values.get("password")
        if not user or not password:
            message = "The connection to Klarna has no credential username or password."
            raise InvariantBroken(message)
        pair = b64encode(f"{user}:{password}".encode()).decode("ascii")
        headers = (*request.headers, ("Authorization", f"Basic {pair}"))
        return replace(request, headers=headers)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Order the refund, or send `stored` again; then read what was booked.

        Raises:
            NotExpressible: Klarna cannot be told this refund; nothing is yielded.
        """
        return _order(stored or building.refund_request(instruction), instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the order and keep the refunds with our reference."""
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return orders.look_up(instruction)

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Read the order and keep the refund with Klarna's id."""
        refund_id = instruction.gateway_reference
        if refund_id is None:
            return reading.without_request(LookupFailed("no_gateway_reference"))
        if not reading.is_plain_id(instruction.payment_reference):
            return reading.without_request(LookupFailed("payment_reference_unusable"))
        return orders.read_refund(instruction, refund_id)

    def read_payment(
        self,
        account: AccountView,  # noqa: ARG002 - nothing of it is in the request
        payment_reference: str,
        currency: str,  # noqa: ARG002 - Klarna states the currency itself
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Read what the order captured and gave back."""
        if not reading.is_plain_id(payment_reference):
            unusable = PaymentUnreadable("payment_reference_unusable", missing=True)
            return reading.without_request(unusable)
        return orders.read_payment(payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - nothing in a delivery is stamped
    ) -> Operation[Verdict]:
        """Verify and read a delivery; nothing has to be asked for it."""
        return reading.without_request(events.verdict(account, delivery, secrets))

    def probe(
        self,
        account: AccountView,  # noqa: ARG002 - nothing of it is in the request
    ) -> Operation[ProbeResult]:
        """Read a payout; where those are hidden, an order that cannot be there."""
        response = yield building.payouts_request()
        if response.status == answers.OK:
            return answers.payouts_read(response)
        if not answers.payouts_hidden(response):
            return answers.probe_failed(response)
        response = yield building.order_request("probe", facts.NO_ORDER)
        return answers.order_unknown(response)

    def read_settlement(
        self,
        account: AccountView,  # noqa: ARG002 - a line names its own currency
        name: str,  # noqa: ARG002 - its content tells what it is
        content: Iterable[bytes],
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a page of transactions, or the report that follows it.

        Raises:
            SettlementUnreadable: neither of them.
        """
        return settlement.read(content)


def _order(request: HttpRequest, instruction: RefundInstruction) -> Operation[Outcome]:
    response = yield request
    if response.status != answers.CREATED:
        return answers.error_outcome(response)
    refund_id = answers.booked_id(response)
    order_id = instruction.payment_reference
    response = yield building.order_request("confirm", order_id)
    listed = orders.listed_refunds(response, order_id, "answer")
    shown = () if isinstance(listed, LookupFailed) else listed
    if refund_id is not None:
        return _of_id(refund_id, shown, order_id)
    ours = instruction.merchant_reference
    matches = [one for one in shown if one.evidence.merchant_reference == ours]
    # Without an id, and with none or several of ours, a look-up has to tell.
    return matches[0] if len(matches) == 1 else Unsure("no_refund_id")


def _of_id(refund_id: str, shown: tuple[Heard, ...], order_id: str) -> Heard:
    for one in shown:
        if one.evidence.gateway_reference == refund_id:
            return one
    # Reads lag behind: it is booked, and its amount is confirmed by the next poll.
    evidence = Evidence(
        source="answer",
        raw_status="booked_unconfirmed",
        gateway_reference=refund_id,
        payment_reference=order_id,
    )
    return Heard(Word.PENDING, evidence)
