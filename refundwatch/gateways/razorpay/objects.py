"""Razorpay's refund objects and lists of them.

Invariant: a refund is one only with its id; a status that is not there is none, and
one that was never seen is no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.razorpay import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Heard
    from refundwatch.gateways.reading import Json

NO_STATUS: Final = "no_status"


def read_refund_object(refund: Json, source: str) -> Heard:
    """Read a refund object.

    One without status was accepted, and where it stands is still to be asked.

    Raises:
        MalformedResponse: it is no refund object, or has no id.
    """
    if reading.text(refund, "entity") != "refund":
        raise MalformedResponse("no_refund_object")
    word, raw_status = _status(refund)
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=_reference(refund),
        payment_reference=reading.text(refund, "payment_id"),
        failure_code="failed" if word is Word.FAILED else None,
    )
    stated = stated_units(
        facts.CAPABILITIES,
        reading.at(refund, "amount"),
        reading.at(refund, "currency"),
    )
    return heard(word, evidence, stated)


def _status(refund: Json) -> tuple[Word, str]:
    raw = reading.at(refund, "status")
    if raw is None:
        return Word.PENDING, NO_STATUS
    if not isinstance(raw, str):
        return Word.UNSEEN, reading.shown(raw)
    word = facts.WORDS.get(raw, Word.UNSEEN)
    if word is Word.SUCCEEDED and not _bank_reference(refund):
        # Final for Razorpay, though no bank has confirmed it yet.
        return word, f"{raw}:no_bank_reference"
    return word, reading.shown(raw)


def _bank_reference(refund: Json) -> bool:
    told = (
        reading.text(refund, "acquirer_data", name) for name in facts.BANK_REFERENCES
    )
    return any(told)


def _reference(refund: Json) -> str | None:
    """Give our reference: the receipt, or else our note; `notes` may be a list."""
    limit = facts.REFERENCE_LIMIT
    return reading.text(refund, "receipt", limit=limit) or reading.text(
        refund, "notes", facts.REFERENCE_KEY, limit=limit
    )


def entries(page: Json) -> list[Json]:
    """Give the entries of a list; one that is no list cannot prove an absence.

    Raises:
        MalformedResponse: it is no collection, or says another number of entries.
    """
    found = reading.items(page, "items")
    if found is None or reading.text(page, "entity") != "collection":
        raise MalformedResponse("no_collection")
    if reading.whole(page, "count") not in {None, len(found)}:
        raise MalformedResponse("another_count")
    return found
