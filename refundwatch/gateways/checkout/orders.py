"""Giving money back: see how the payment stands, then order a refund or a void.

Invariant: an order leaves only for a payment that was read in our currency; a void
only for the whole of one that is not captured; a part of such a payment waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import MalformedResponse, NotExpressible
from refundwatch.gateways import reading
from refundwatch.gateways.checkout import answers, building, facts
from refundwatch.gateways.checkout.payment import read_payment_object
from refundwatch.gateways.contract import (
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        Operation,
        Outcome,
        RefundInstruction,
    )

READ = "read_payment"


def order(instruction: RefundInstruction) -> Operation[Outcome]:
    """Read the payment, then order what gives the amount back.

    Raises:
        NotExpressible: on the call itself: Checkout.com cannot be told this refund.
    """
    return _order(building.refund_request(instruction), instruction)


def _order(refund: HttpRequest, instruction: RefundInstruction) -> Operation[Outcome]:
    response = yield building.payment_request(READ, instruction.payment_reference)
    if response.status != answers.OK:
        return _unread(response)
    try:
        payment = read_payment_object(response.body, instruction.payment_reference)
    except MalformedResponse as error:
        return Unsure(error.message)
    if payment.currency != instruction.currency:
        # An order names no currency: it would be taken in the payment's.
        return RefusedByGateway("currency_mismatch")
    if payment.is_voided_for(_units(instruction)):
        return (yield from send(building.void_request(instruction), instruction))
    if payment.waits_for_capture:
        return NotProcessed("not_captured_yet", facts.CAPTURE_WAIT_SECONDS, alone=True)
    return (yield from send(refund, instruction))


def _unread(response: HttpResponse) -> Outcome:
    if response.status == answers.NOT_FOUND:
        return RefusedByGateway("payment_not_found")
    why = answers.reason(response)
    if response.status == answers.UNAUTHORIZED:
        return Unauthorized(why, session_expired=True)
    return reading.common_outcome(response, why)


def send(request: HttpRequest, instruction: RefundInstruction) -> Operation[Outcome]:
    """Send an order and read its answer; a 403 is explained by the payment."""
    response = yield request
    outcome = answers.order_outcome(response)
    if answers.may_speak_of_payment(response):
        return (yield from _forbidden(request, instruction, outcome))
    return outcome


def _forbidden(
    request: HttpRequest, instruction: RefundInstruction, outcome: Outcome
) -> Operation[Outcome]:
    """Tell a payment that allows no such order from a permission that is missing.

    Neither was executed; one that was executed before can be why it is not allowed.
    """
    response = yield building.payment_request(READ, instruction.payment_reference)
    if response.status != answers.OK:
        return outcome
    try:
        payment = read_payment_object(response.body, instruction.payment_reference)
        allowed = payment.allows(request.operation, _units(instruction))
    except (MalformedResponse, NotExpressible):
        return outcome
    if allowed:
        return outcome
    return RefusedByGateway(f"{request.operation}_not_allowed", may_be_echo=True)


def _units(instruction: RefundInstruction) -> int:
    return facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
