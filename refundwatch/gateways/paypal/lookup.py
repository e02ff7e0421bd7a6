"""Finding and reading a refund: capture, then its order, then PayPal's own events.

Invariant: a refund is absent only where the capture says that nothing was given back
or the order lists what was without ours; whatever could not be read proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import Absent, Found, LookupFailed
from refundwatch.gateways.paypal import answers, building, facts, objects

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpResponse,
        LookupResult,
        Operation,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import Json

_LOOK_UP: Final = "look_up"
# An order is readable for a limited time, and its scope is another one.
UNREADABLE_ORDER: Final = frozenset({answers.FORBIDDEN, answers.NOT_FOUND})


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Read the capture and its order, and keep the refunds with our reference.

    The order is read even where the capture says that nothing was given back: a
    refund that is pending may show only there.
    """
    capture_id = instruction.payment_reference
    response = yield building.capture_request(_LOOK_UP, capture_id)
    if response.status != answers.OK:
        return failed(response)
    try:
        capture = objects.read_capture(response.body, capture_id)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    status = reading.text(capture, "status")
    order_id = objects.order_of(capture)
    if status not in facts.CAPTURED | facts.NOTHING_REFUNDED:
        return LookupFailed(f"capture_status:{reading.shown(status)}")
    untouched = status in facts.NOTHING_REFUNDED
    if order_id is None:
        return Absent() if untouched else (yield from _among_events(instruction))
    response = yield building.order_request(_LOOK_UP, order_id)
    if response.status in UNREADABLE_ORDER:
        return Absent() if untouched else (yield from _among_events(instruction))
    if response.status != answers.OK:
        return failed(response)
    return _among_listed(response, order_id, instruction, untouched=untouched)


def _among_listed(
    response: HttpResponse,
    order_id: str,
    instruction: RefundInstruction,
    *,
    untouched: bool,
) -> LookupResult:
    ours = instruction.merchant_reference
    try:
        listed = objects.refunds_of_order(response.body, order_id)
        matches = tuple(
            objects.read_refund_object(refund, "lookup", ours)
            for refund in listed
            if objects.carries(refund, ours)
        )
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if matches:
        return Found(matches)
    if untouched or of_capture(listed, instruction.payment_reference):
        return Absent()
    # The capture says that something was given back: this list is not whole.
    return LookupFailed("refunds_not_listed")


def of_capture(refunds: list[Json], capture_id: str) -> list[Json]:
    """Keep the refunds that are of this capture, or do not say of which."""
    return [one for one in refunds if objects.capture_of(one) in {capture_id, None}]


def _among_events(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Look where only finding proves something: PayPal keeps its events for days."""
    response = yield building.refund_events_request()
    if response.status == answers.UNAUTHORIZED:
        return failed(response)
    events = reading.items(reading.object_or_none(response.body), "events") or []
    for event in events if response.status == answers.OK else ():
        refund = reading.member(event, "resource")
        refund_id = reading.text(refund, "id")
        if (
            objects.carries(refund, instruction.merchant_reference)
            and refund_id is not None
            and reading.is_plain_id(refund_id)
        ):
            return (yield from read_refund(instruction, refund_id, "lookup"))
    return LookupFailed(
        "order_unreadable", reading.retry_after_seconds(response.headers)
    )


def read_refund(
    instruction: RefundInstruction, refund_id: str, source: str
) -> Operation[LookupResult]:
    """Read one refund by PayPal's id."""
    operation = _LOOK_UP if source == "lookup" else "read_refund"
    response = yield building.read_refund_request(operation, refund_id)
    if response.status != answers.OK:
        return failed(response)
    try:
        found = objects.read_refund_object(
            reading.parse_object(response.body), source, instruction.merchant_reference
        )
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if found.evidence.gateway_reference != refund_id:
        return LookupFailed("another_refund")
    return Found((found,))


def failed(response: HttpResponse) -> LookupFailed:
    """Say that a look-up was not answered, with PayPal's own code."""
    return reading.lookup_failed(response, answers.reason(response))
