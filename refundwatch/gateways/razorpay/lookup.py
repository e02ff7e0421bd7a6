"""Finding and reading refunds: the list of their payment, page by page.

Invariant: a refund is absent only from a list that was read to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import Absent, Found, Heard, LookupFailed
from refundwatch.gateways.razorpay import answers, building, facts, objects

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        LookupResult,
        Operation,
        RefundInstruction,
    )


def listed(
    operation: str, payment_reference: str, source: str
) -> Operation[tuple[Heard, ...] | LookupFailed]:
    """Read every refund of a payment.

    Newest come first, so one that is made meanwhile shows others twice, never not.
    """
    found: dict[str | None, Heard] = {}
    skip = 0
    for _ in range(facts.MAX_PAGES):
        response = yield building.list_request(operation, payment_reference, skip)
        if response.status != answers.OK:
            return answers.lookup_failed(response)
        try:
            entries = objects.entries(reading.parse_object(response.body))
            page = [objects.read_refund_object(one, source) for one in entries]
        except MalformedResponse as error:
            return LookupFailed(error.message)
        for one in page:
            found.setdefault(one.evidence.gateway_reference, one)
        if len(page) < facts.PAGE_SIZE:
            return tuple(found.values())
        skip += len(page)
    return LookupFailed("listing_too_long")


def look_up(instruction: RefundInstruction) -> Operation[LookupResult]:
    """Keep the refunds of the payment that carry our reference."""
    reference = instruction.payment_reference
    found = yield from listed("look_up", reference, "lookup")
    if isinstance(found, LookupFailed):
        return found
    ours = instruction.merchant_reference
    matches = tuple(one for one in found if one.evidence.merchant_reference == ours)
    return Found(matches) if matches else Absent()


def read_refund(
    instruction: RefundInstruction, refund_id: str
) -> Operation[LookupResult]:
    """Read one refund; where it shows no status, the payment's list may."""
    response = yield building.read_refund_request(refund_id)
    if response.status != answers.OK:
        return answers.lookup_failed(response)
    try:
        refund = objects.read_refund_object(reading.parse_object(response.body), "poll")
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if refund.evidence.gateway_reference != refund_id:
        return LookupFailed("another_refund")
    if refund.evidence.raw_status != objects.NO_STATUS:
        return Found((refund,))
    return (yield from _of_list(instruction, refund))


def _of_list(instruction: RefundInstruction, refund: Heard) -> Operation[LookupResult]:
    payment = refund.evidence.payment_reference or instruction.payment_reference
    if not reading.is_plain_id(payment):
        return LookupFailed("payment_reference_unusable")
    found = yield from listed("read_refund", payment, "poll")
    if isinstance(found, LookupFailed):
        return found
    for one in found:
        if one.evidence.gateway_reference != refund.evidence.gateway_reference:
            continue
        if one.evidence.raw_status == objects.NO_STATUS:
            # Razorpay will not say where it stands: people have to ask.
            return Found((Heard(Word.UNSEEN, one.evidence),))
        return Found((one,))
    return LookupFailed("not_listed")
