"""Reading the original payment: what was captured, and what was given back of it.

Invariant: what was given back is never told smaller than Razorpay's list of refunds;
an amount that is not stated exactly makes the payment unreadable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import stated_units
from refundwatch.gateways.contract import (
    Heard,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.razorpay import answers, building, facts
from refundwatch.gateways.razorpay.lookup import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from refundwatch.gateways.contract import HttpResponse, Operation
    from refundwatch.gateways.reading import JsonObject


def read_payment(reference: str) -> Operation[PaymentRead | PaymentUnreadable]:
    """Read the payment, and its refunds where it does not speak of any."""
    response = yield building.payment_request(reference)
    if response.status != answers.OK:
        return answers.payment_unreadable(response)
    try:
        payment = _payment(response, reference)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    read = _amounts(payment)
    if isinstance(read, PaymentUnreadable):
        return read
    if reading.text(payment, "refund_status") is not None or not read.captured_minor:
        return read
    # The refund status can be missing although something was given back.
    found = yield from listed("read_payment", reference, "read_payment")
    if isinstance(found, LookupFailed):
        return PaymentUnreadable(found.reason, unauthorized=found.unauthorized)
    return _with_listed(read, found)


def _payment(response: HttpResponse, reference: str) -> JsonObject:
    payment = reading.parse_object(response.body)
    if reading.text(payment, "entity") != "payment":
        raise MalformedResponse("no_payment_object")
    if reading.text(payment, "id") != reference:
        raise MalformedResponse("another_payment")
    return payment


def _amounts(payment: JsonObject) -> PaymentRead | PaymentUnreadable:
    captured = _is_captured(payment)
    if captured is None:
        status = reading.shown(reading.at(payment, "status"), 32)
        return PaymentUnreadable(f"payment_status:{status}")
    currency = reading.at(payment, "currency")
    amount = stated_units(facts.CAPABILITIES, reading.at(payment, "amount"), currency)
    refunded = stated_units(
        facts.CAPABILITIES, reading.at(payment, "amount_refunded"), currency
    )
    doubt = amount.doubt or refunded.doubt
    if doubt is not None:
        return PaymentUnreadable(doubt)
    if amount.amount_minor is None or amount.currency is None:
        return PaymentUnreadable("no_captured_amount")
    if not captured:
        # Never captured, it is given back by Razorpay itself: none of it is ours.
        return PaymentRead(0, amount.currency, refunded_minor=0)
    given_back = refunded.amount_minor
    if reading.text(payment, "refund_status") == "full":
        given_back = max(given_back or 0, amount.amount_minor)
    return PaymentRead(amount.amount_minor, amount.currency, given_back)


def _is_captured(payment: JsonObject) -> bool | None:
    """Tell whether the money was taken; None where the payment does not say."""
    status = reading.text(payment, "status")
    if status not in facts.CAPTURED | facts.NOT_CAPTURED:
        return None
    said = reading.flag(payment, "captured")
    return status in facts.CAPTURED if said is None else said


def _with_listed(
    read: PaymentRead, refunds: Iterable[Heard]
) -> PaymentRead | PaymentUnreadable:
    total = 0
    for one in refunds:
        if one.word is Word.FAILED:
            continue
        amount = one.evidence.amount_minor
        if amount is None or amount < 0 or one.evidence.currency != read.currency:
            return PaymentUnreadable("refunds_not_countable")
        total += amount
    return PaymentRead(
        captured_minor=read.captured_minor,
        currency=read.currency,
        refunded_minor=max(read.refunded_minor or 0, total),
    )
