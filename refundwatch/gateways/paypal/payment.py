"""Reading the original payment: what was captured, and what was given back of it.

Invariant: an amount that PayPal does not state exactly is None, never a guess; the
refunded amount is never less than what PayPal's own status says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import PaymentRead, PaymentUnreadable
from refundwatch.gateways.paypal import answers, building, facts, objects
from refundwatch.gateways.paypal.lookup import UNREADABLE_ORDER, of_capture
from refundwatch.gateways.paypal.money import stated_amount

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse, Operation
    from refundwatch.gateways.reading import Json, JsonObject

_READ: Final = "read_payment"
_GIVEN_BACK: Final = frozenset({"COMPLETED", "PENDING"})
_NOT_GIVEN_BACK: Final = frozenset({"FAILED", "CANCELLED"})


def read_payment(reference: str) -> Operation[PaymentRead | PaymentUnreadable]:
    """Read the capture, and its order where something of it was given back."""
    response = yield building.capture_request(_READ, reference)
    if response.status != answers.OK:
        return _unreadable(response)
    try:
        capture = objects.read_capture(response.body, reference)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    payment = _captured(capture)
    if isinstance(payment, PaymentUnreadable) or payment.refunded_minor is not None:
        return payment
    return (yield from _with_refunded(capture, reference, payment))


def _unreadable(response: HttpResponse) -> PaymentUnreadable:
    return reading.payment_unreadable(response, answers.reason(response))


def _captured(capture: JsonObject) -> PaymentRead | PaymentUnreadable:
    status = reading.text(capture, "status")
    stated = stated_amount(capture.get("amount"))
    if stated.doubt is not None:
        return PaymentUnreadable(stated.doubt)
    if stated.amount_minor is None or stated.currency is None:
        return PaymentUnreadable("no_captured_amount")
    if status in facts.NOT_CAPTURED:
        return PaymentRead(0, stated.currency, refunded_minor=0)
    if status not in facts.CAPTURED:
        # Also a pending capture: the money is on its way, and none of it is here.
        return PaymentUnreadable(f"capture_status:{reading.shown(status)}")
    return PaymentRead(
        captured_minor=stated.amount_minor,
        currency=stated.currency,
        refunded_minor=0 if status == facts.COMPLETED else None,
    )


def _with_refunded(
    capture: JsonObject, reference: str, payment: PaymentRead
) -> Operation[PaymentRead | PaymentUnreadable]:
    whole = reading.text(capture, "status") == facts.REFUNDED
    order_id = objects.order_of(capture)
    if order_id is None:
        return _refunded(payment, None, whole=whole)
    response = yield building.order_request(_READ, order_id)
    if response.status in UNREADABLE_ORDER:
        return _refunded(payment, None, whole=whole)
    if response.status != answers.OK:
        return _unreadable(response)
    try:
        listed = objects.refunds_of_order(response.body, order_id)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    total = _sum(of_capture(listed, reference), payment.currency)
    return _refunded(payment, total, whole=whole)


def _refunded(payment: PaymentRead, total: int | None, *, whole: bool) -> PaymentRead:
    """Join what the order lists with what the capture's status says."""
    if whole:
        total = max(total or 0, payment.captured_minor)
    return PaymentRead(
        captured_minor=payment.captured_minor,
        currency=payment.currency,
        # Something was given back, so a sum of nothing is no sum.
        refunded_minor=total or None,
    )


def _sum(refunds: list[Json], currency: str) -> int | None:
    """Add up what was or is being given back; None where one cannot be counted."""
    total = 0
    for refund in refunds:
        status = reading.text(refund, "status")
        stated = stated_amount(reading.at(refund, "amount"))
        if status in _NOT_GIVEN_BACK:
            continue
        if status not in _GIVEN_BACK or stated.currency != currency:
            return None
        if stated.amount_minor is None or stated.amount_minor < 0:
            return None
        total += stated.amount_minor
    return total
