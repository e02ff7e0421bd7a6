"""Reading an order: what was captured, what was given back, and which refund is ours.

Invariant: a refund is read together with its order, because only the order names the
currency; it is absent only from a list that the order shows whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.contract import (
    Absent,
    Found,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.klarna import answers, building, facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        Heard,
        HttpResponse,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json, JsonObject

BOOKED = "booked"
"""What stands where other gateways have a status: Klarna gives a refund none."""


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Read the order and keep the refunds with our reference."""
    order_id = instruction.payment_reference
    response = yield building.order_request("look_up", order_id)
    listed = listed_refunds(response, order_id, "lookup")
    if isinstance(listed, LookupFailed):
        return listed
    ours = instruction.merchant_reference
    matches = tuple(one for one in listed if one.evidence.merchant_reference == ours)
    return Found(matches) if matches else Absent()


def read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    """Read the order and keep the refund with this id."""
    order_id = instruction.payment_reference
    response = yield building.order_request("read_refund", order_id)
    listed = listed_refunds(response, order_id, "poll")
    if isinstance(listed, LookupFailed):
        return listed
    matches = tuple(
        one for one in listed if one.evidence.gateway_reference == refund_id
    )
    if matches:
        return Found(matches)
    # A booked refund does not vanish: the read lags behind its booking, or else
    # people are told.
    return Absent() if _cannot_be_late(instruction) else LookupFailed("not_listed_yet")


def _cannot_be_late(instruction: RefundInstruction) -> bool:
    asked_at, accepted_at = instruction.asked_at, instruction.accepted_at
    if asked_at is None or accepted_at is None:
        return False
    waited = (asked_at - accepted_at).total_seconds()
    return waited > facts.CAPABILITIES.lookup_delay_seconds


def listed_refunds(
    response: HttpResponse, order_id: str, source: str
) -> tuple[Heard, ...] | LookupFailed:
    """Give every refund of an order, each with the order's currency."""
    if response.status != answers.OK:
        return answers.lookup_failed(response)
    try:
        order = _order(response, order_id)
        refunds = reading.items(order, "refunds")
        if refunds is None:
            return LookupFailed("no_refund_list")
        return tuple(_refund(one, order, source) for one in refunds)
    except MalformedResponse as error:
        return LookupFailed(error.message)


def _order(response: HttpResponse, order_id: str) -> JsonObject:
    order = reading.parse_object(response.body)
    if reading.text(order, "order_id") != order_id:
        raise MalformedResponse("another_order")
    return order


def _refund(refund: Json, order: JsonObject, source: str) -> Heard:
    evidence = Evidence(
        source=source,
        raw_status=BOOKED,
        gateway_reference=reading.required_text(refund, "refund_id"),
        merchant_reference=reading.text(
            refund, "reference", limit=facts.REFERENCE_LIMIT
        ),
        payment_reference=reading.text(order, "order_id"),
    )
    amount = reading.at(refund, "refunded_amount")
    if amount is None:
        raise MalformedResponse("no_refunded_amount")
    stated = stated_units(
        facts.CAPABILITIES, amount, reading.at(order, "purchase_currency")
    )
    return heard(Word.SUCCEEDED, evidence, stated)


# --- payments ---------------------------------------------------------------------


def read_payment(order_id: str) -> Operation[PaymentRead | PaymentUnreadable]:
    """Read what the order captured and gave back."""
    response = yield building.order_request("read_payment", order_id)
    if response.status != answers.OK:
        return answers.payment_unreadable(response)
    try:
        order = _order(response, order_id)
    except MalformedResponse as error:
        return PaymentUnreadable(error.message)
    status = reading.text(order, "status")
    if status not in facts.ORDER_STATUSES:
        return PaymentUnreadable(f"order_status:{reading.shown(status, 32)}")
    return _amounts(order)


def _amounts(order: JsonObject) -> PaymentRead | PaymentUnreadable:
    currency = reading.at(order, "purchase_currency")
    captured = stated_units(
        facts.CAPABILITIES, reading.at(order, "captured_amount"), currency
    )
    refunded = stated_units(
        facts.CAPABILITIES, reading.at(order, "refunded_amount"), currency
    )
    doubt = captured.doubt or refunded.doubt
    if doubt is not None:
        return PaymentUnreadable(doubt)
    if captured.amount_minor is None or captured.currency is None:
        return PaymentUnreadable("no_captured_amount")
    return PaymentRead(
        captured_minor=captured.amount_minor,
        currency=captured.currency,
        refunded_minor=refunded.amount_minor,
    )
