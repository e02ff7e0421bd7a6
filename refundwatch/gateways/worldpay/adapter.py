"""The Worldpay adapter: it asks for the order, then refunds it or cancels it whole.

Invariant: of all operations only `refund` yields a request that moves money, one, and
never before the order was seen; a part of what is not captured waits for its capture.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.errors import InvariantBroken, MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.adapter import Adapter
from refundwatch.gateways.contract import (
    Absent,
    HttpRequest,
    LookupResult,
    NotProcessed,
    NotShown,
    Operation,
    Outcome,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
    Verdict,
)
from refundwatch.gateways.worldpay import (
    answers,
    building,
    events,
    facts,
    inquiry,
    payment,
    settlement,
)
from refundwatch.gateways.worldpay.money import units_at
from refundwatch.gateways.worldpay.replies import Refused, error_in, read_reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Capabilities,
        Credentials,
        HttpResponse,
        RawDelivery,
        RefundInstruction,
    )
    from refundwatch.gateways.settlement import BadLine, SettlementLine

_WAIT_FOR_CAPTURE_SECONDS: Final = 60 * 60


class Worldpay(Adapter):
    """Worldpay's XML gateway; one merchant code is one account."""

    @property
    def capabilities(self) -> Capabilities:
        """Declare what Worldpay can do."""
        return facts.CAPABILITIES

    def authorize(
        self,
        request: HttpRequest,
        credentials: Credentials,
        now: datetime,  # noqa: ARG002 - a password does not age
    ) -> HttpRequest:
        """Return the request with the XML user and password."""
        pair = [credentials.values.get(name) for name in ("username", "password")]
        if not all(pair):
            message = "The connection to Worldpay lacks a credential."
            raise InvariantBroken(message)
        packed = b64encode(f"{pair[0]}:{pair[1]}".encode()).decode("ascii")
        header = ("Authorization", f"Basic {packed}")
        return replace(request, headers=(*request.headers, header))

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        """Ask for the order and order what fits it, or send `stored` again.

        An order that is not captured is cancelled (`void`, which has no amount by
        nature), and only whole.

        Raises:
            NotExpressible: Worldpay cannot be told this refund; nothing is yielded.
        """
        if stored is not None:
            return _ordered(stored, instruction)
        facts.CAPABILITIES.gateway_units(instruction.amount_minor, instruction.currency)
        building.check_texts(instruction)
        building.merchant_code(instruction.account)
        return _refund(instruction)

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Ask for the order and look for our reference in its latest event.

        What is not shown was certainly not made where less than its amount has left
        the order; of one that was accepted that is not asked.
        """
        account, order_code = instruction.account, instruction.payment_reference
        response = yield building.order_inquiry(account, order_code, "look_up")
        result = inquiry.look_up_result(response, instruction)
        accepted = instruction.accepted_at is not None
        asks = inquiry.tells_what_is_left(account) and not accepted
        if not (asks and isinstance(result, NotShown)):
            return result
        left = yield building.refundable_inquiry(account, order_code, "look_up")
        excluded = inquiry.left_excludes(response, left, instruction)
        return Absent() if excluded else result

    def read_refund(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        """Look it up: Worldpay's name for a refund is ours."""
        return self.look_up(instruction)

    def read_payment(
        self,
        account: AccountView,
        payment_reference: str,
        currency: str,  # noqa: ARG002 - an order states its own
    ) -> Operation[PaymentRead | PaymentUnreadable]:
        """Ask for the order, and for what is left of it where that is allowed."""
        return payment.read(account, payment_reference)

    def receive(
        self,
        account: AccountView,
        delivery: RawDelivery,
        secrets: tuple[str, ...],
        now: datetime,  # noqa: ARG002 - nothing in a notification is stamped
    ) -> Operation[Verdict]:
        """Check the secret of the address, and read; nothing is asked at the door.

        The copy that inquiries are answered from would not know of it yet.
        """
        return reading.without_request(events.verdict(account, delivery, secrets))

    def read_settlement(
        self, account: AccountView, name: str, content: Iterable[bytes]
    ) -> Iterator[SettlementLine | BadLine]:
        """Read a pushed XML report, or a CSV whose columns the account names.

        Raises:
            SettlementUnreadable: it is neither.
        """
        return settlement.read(account, name, content)

    def probe(self, account: AccountView) -> Operation[ProbeResult]:
        """Ask for an order that does not exist: saying so proves the credentials."""
        response = yield building.order_inquiry(account, facts.PROBE_ORDER, "probe")
        try:
            error = error_in(read_reply(response, account))
        except MalformedResponse as malformed:
            return reading.probe_failed(response, malformed.message)
        if error is None or error.code == facts.UNKNOWN_ORDER:
            return ProbeResult()
        unauthorized = error.code == facts.SECURITY
        return ProbeResult(error.reason, unauthorized=unauthorized)


# --- ordering ---------------------------------------------------------------------


def _refund(instruction: RefundInstruction) -> Operation[Outcome]:
    account, order_code = instruction.account, instruction.payment_reference
    response = yield building.order_inquiry(account, order_code, "look_before")
    found = _order_for(response, instruction)
    if not isinstance(found, HttpRequest):
        return found
    return (yield from _ordered(found, instruction))


def _ordered(
    request: HttpRequest, instruction: RefundInstruction
) -> Operation[Outcome]:
    response = yield request
    return answers.order_outcome(response, instruction, request.operation)


def _order_for(
    response: HttpResponse, wanted: RefundInstruction
) -> HttpRequest | Outcome:
    """Give the order that fits what the inquiry shows, or why there is none."""
    try:
        state = inquiry.read_order(response, wanted.account, wanted.payment_reference)
    except MalformedResponse as error:
        return reading.common_outcome(response, error.message)
    if isinstance(state, Refused):
        return _not_shown(state)
    shown = inquiry.shown_refund(state, wanted)
    if shown is not None:
        return shown
    if state.amount.currency != wanted.currency or state.exponent is None:
        return RefusedByGateway("order_currency")
    event = state.last_event or "untold"
    if event in facts.REFUNDABLE:
        return _refund_at(state.exponent, wanted)
    if event == facts.AUTHORISED and state.amount.amount_minor == wanted.amount_minor:
        return building.void_order(wanted)
    if event in facts.NOT_YET_CAPTURED:
        # A part of it can only be refunded, once it is captured.
        return NotProcessed("not_captured", _WAIT_FOR_CAPTURE_SECONDS, alone=True)
    return RefusedByGateway(f"order_{reading.shown(event, 32).lower()}")


def _not_shown(error: Refused) -> Outcome:
    if error.code == facts.UNKNOWN_ORDER:
        return RefusedByGateway("unknown_order")
    if error.code == facts.SECURITY:
        return Unauthorized(error.reason)
    return Unsure(error.reason)


def _refund_at(digits: int, wanted: RefundInstruction) -> HttpRequest | Outcome:
    """Write the amount with the exponent of the original payment."""
    units = units_at(wanted.amount_minor, wanted.currency, digits)
    if units is None:
        return RefusedByGateway("not_expressible")
    return building.refund_order(wanted, units, digits)
