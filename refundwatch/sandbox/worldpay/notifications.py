"""The order notifications of Worldpay, in the variants that its templates have.

Source: gateways/worldpay.md section 6, fixtures W1 and W2 (read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.worldpay.writing import (
    amount,
    date,
    document,
    element,
    text_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold what one notification tells; amounts in ISO minor units.

    ``kind`` is the type that the reference stands under. ``order_amount`` puts the
    order's amount where a reader may expect the refund's.
    """

    merchant: str
    event: str
    payment: Payment
    at: float
    amount_minor: int
    reference: str
    kind: str = "refund"
    echoes_payment: bool = False
    order_amount: bool = False


def notification(told: Told) -> bytes:
    """Write a notification."""
    event = element(
        "orderStatusEvent",
        {"orderCode": told.payment.reference},
        _payment(told),
        _journal(told),
    )
    return document(told.merchant, element("notify", {}, event))


def _payment(told: Told) -> str:
    named = told.echoes_payment and told.reference
    shown = told.payment.amount_minor if told.order_amount else told.amount_minor
    return element(
        "payment",
        {},
        text_of("paymentMethod", "VISA-SSL"),
        amount(shown, told.payment.currency),
        text_of("lastEvent", told.event),
        text_of("reference", told.reference) if named else "",
        text_of("cardNumber", "4444********1111"),
    )


def _journal(told: Told) -> str:
    named = {"type": told.kind, "reference": told.reference}
    booked = element(
        "accountTx",
        {"accountType": "IN_PROCESS_CAPTURED", "batchId": "31"},
        amount(told.amount_minor, told.payment.currency, "debit"),
    )
    return element(
        "journal",
        {"journalType": told.event},
        element("bookingDate", {}, date(told.at, clock=False)),
        # A failure is told without a booking.
        "" if told.event == "REFUND_FAILED" else booked,
        element("journalReference", named) if told.reference else "",
    )
