"""Makes outside texts fit to be stored, so that no fact is lost over its spelling.

Invariant: what a gateway said reaches the database as valid Unicode of bounded
length; nothing that was sound is changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import GatewayWord, NotExecuted, Refusal, Unanswered

if TYPE_CHECKING:
    from refundwatch.domain.events import RefundEvent
    from refundwatch.domain.refund import Evidence
    from refundwatch.store.contract import CallRecord, DeliveryItem

LONGEST: Final = 256
"""Characters; the longest reference that a known gateway gives has 255."""


_EVIDENCE_TEXTS: Final = (
    "source",
    "raw_status",
    "gateway_reference",
    "merchant_reference",
    "payment_reference",
    "currency",
    "failure_code",
)


def _is_sound(text: str | None) -> bool:
    return text is None or (len(text) <= LONGEST and text.isascii())


def sound(text: str) -> str:
    """Cut a text and replace what is no Unicode."""
    if _is_sound(text):
        return text
    return text[:LONGEST].encode("utf-8", "replace").decode("utf-8")


def sound_or_none(text: str | None) -> str | None:
    """Make a text sound where there is one."""
    return None if text is None else sound(text)


def sound_evidence(evidence: Evidence) -> Evidence:
    """Make every text of the evidence sound."""
    if all(_is_sound(getattr(evidence, name)) for name in _EVIDENCE_TEXTS):
        return evidence
    return replace(
        evidence,
        source=sound(evidence.source),
        raw_status=sound(evidence.raw_status),
        gateway_reference=sound_or_none(evidence.gateway_reference),
        merchant_reference=sound_or_none(evidence.merchant_reference),
        payment_reference=sound_or_none(evidence.payment_reference),
        currency=sound_or_none(evidence.currency),
        failure_code=sound_or_none(evidence.failure_code),
    )


def sound_event(event: RefundEvent) -> RefundEvent:
    """Make the texts of an event sound that come from outside."""
    match event:
        case GatewayWord(evidence=evidence):
            checked = sound_evidence(evidence)
            return event if checked is evidence else replace(event, evidence=checked)
        case NotExecuted() | Unanswered():
            return replace(event, reason=sound(event.reason))
        case Refusal():
            return replace(event, code=sound(event.code))
        case _:
            return event


def sound_item(item: DeliveryItem) -> DeliveryItem:
    """Make every text of a delivered item sound; its dedupe id keeps its length."""
    if item.dedupe_id.isascii() and all(map(_is_sound, _texts(item))):
        return item
    return replace(
        item,
        dedupe_id=item.dedupe_id.encode("utf-8", "replace").decode("utf-8"),
        type=sound(item.type),
        kind=sound(item.kind),
        occurred_at=sound_or_none(item.occurred_at),
        evidence=item.evidence and sound_evidence(item.evidence),
        payment_reference=sound_or_none(item.payment_reference),
        payment_aliases=tuple(sound(alias) for alias in item.payment_aliases),
    )


def _texts(item: DeliveryItem) -> list[str | None]:
    """Give the texts of an item that `sound` would cut."""
    texts = [item.type, item.kind, item.occurred_at, item.payment_reference]
    texts += item.payment_aliases
    if item.evidence is not None:
        texts += (getattr(item.evidence, name) for name in _EVIDENCE_TEXTS)
    return texts


def sound_call(call: CallRecord) -> CallRecord:
    """Make the texts of an exchange sound."""
    if all(map(_is_sound, (call.operation, call.error, call.version_answered))):
        return call
    return replace(
        call,
        operation=sound(call.operation),
        error=sound_or_none(call.error),
        version_answered=sound_or_none(call.version_answered),
    )
