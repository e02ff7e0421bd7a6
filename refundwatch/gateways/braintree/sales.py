"""The original sale: what can be done with it now, and what it says of our refund.

Invariant: a void is ordered only for the whole of a sale of which nothing was given
back; a part of an unsettled sale waits. A refund is absent only where the sale lists
its refunds and ours is not among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.braintree import building, facts, objects
from refundwatch.gateways.contract import (
    Absent,
    Found,
    HttpRequest,
    LookupFailed,
    NotProcessed,
    Outcome,
    PaymentRead,
    PaymentUnreadable,
    RefusedByGateway,
    Unsure,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        Heard,
        LookupResult,
        RefundInstruction,
    )
    from refundwatch.gateways.reading import JsonObject


# --- before an order --------------------------------------------------------------


def order_for(
    sale: JsonObject, instruction: RefundInstruction
) -> HttpRequest | Outcome:
    """Choose the order that the sale allows now, or say why there is none."""
    try:
        found = _matches(sale, instruction)
    except MalformedResponse as error:
        return Unsure(error.message)
    if found:
        return found[0]
    stated = objects.stated_amount(sale)
    if stated.doubt is not None or stated.amount_minor is None:
        return Unsure(stated.doubt or "no_amount")
    if stated.currency != instruction.currency:
        # An order names no currency: it would be executed in the sale's.
        return RefusedByGateway("currency_mismatch")
    status = reading.text(sale, "status") or ""
    transaction_id = reading.text(sale, "id") or ""
    if status == facts.SETTLED:
        return building.refund_request(instruction, transaction_id)
    if status in facts.VOIDABLE:
        if stated.amount_minor == instruction.amount_minor and not sale.get("refunds"):
            return building.void_request(instruction, transaction_id)
        return NotProcessed(f"not_settled:{status}", facts.WAIT_SECONDS, alone=True)
    if status in facts.SETTLES_LATER:
        return NotProcessed(f"not_settled:{status}", facts.WAIT_SECONDS, alone=True)
    if status in facts.WORDS:
        return RefusedByGateway(f"sale_{status.lower()}")
    return Unsure(f"sale_status:{objects.status_of(sale)}")


# --- looking ----------------------------------------------------------------------


def find_refund(sale: JsonObject, instruction: RefundInstruction) -> LookupResult:
    """Find every refund of a sale that carries our reference.

    A void carries none: a voided sale gave all of it back, so where all of it was
    ours to give back, it is our refund. Nothing else can be on its way then, because
    a voided sale never settles.
    """
    try:
        matches = _matches(sale, instruction)
        if not matches and _is_voided_whole(sale, instruction):
            matches = (objects.read_void(sale, "lookup", instruction),)
    except MalformedResponse as error:
        return LookupFailed(error.message)
    if matches:
        return Found(matches)
    if reading.text(sale, "status") not in facts.WORDS:
        return LookupFailed(f"sale_status:{objects.status_of(sale)}")
    return Absent()


def _matches(sale: JsonObject, instruction: RefundInstruction) -> tuple[Heard, ...]:
    ours = instruction.merchant_reference
    return tuple(
        objects.read_refund(refund, "lookup", instruction)
        for refund in objects.refunds_of(sale)
        if objects.carries(refund, ours)
    )


def _is_voided_whole(sale: JsonObject, instruction: RefundInstruction) -> bool:
    stated = objects.stated_amount(sale)
    return (
        reading.text(sale, "status") == facts.VOIDED
        and stated.amount_minor == instruction.amount_minor
        and stated.currency == instruction.currency
    )


# --- what was taken and given back ------------------------------------------------


def read_amounts(sale: JsonObject) -> PaymentRead | PaymentUnreadable:
    """Read what a sale holds or took, and what was given back of it."""
    stated = objects.stated_amount(sale)
    if stated.doubt is not None:
        return PaymentUnreadable(stated.doubt)
    if stated.amount_minor is None or stated.currency is None:
        return PaymentUnreadable("no_amount")
    status = reading.text(sale, "status")
    if status in facts.NOT_TAKEN:
        return PaymentRead(0, stated.currency, refunded_minor=0)
    if status not in facts.TAKEN:
        return PaymentUnreadable(f"sale_status:{objects.status_of(sale)}")
    return PaymentRead(
        captured_minor=stated.amount_minor,
        currency=stated.currency,
        refunded_minor=_given_back(sale, stated.currency),
    )


def _given_back(sale: JsonObject, currency: str) -> int | None:
    """Add up what was or is being given back; None where one cannot be counted."""
    refunds = reading.items(sale, "refunds")
    if refunds is None:
        return None
    total = 0
    for refund in refunds:
        word = facts.WORDS.get(reading.text(refund, "status") or "", Word.UNSEEN)
        stated = objects.stated_amount(refund)
        if word is Word.FAILED:
            continue
        if word is Word.UNSEEN or stated.currency != currency:
            return None
        if stated.amount_minor is None or stated.amount_minor < 0:
            return None
        total += stated.amount_minor
    return total
