"""What PayPal's webhooks mean, once their signature holds.

Invariant: a delivery whose signature holds is never refused for what it says; a
refund in it is a hint, and is read again. The id of a refund event's resource is the
refund's, never the capture's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.contract import EventKind, GatewayEvent
from refundwatch.gateways.paypal import facts, objects

if TYPE_CHECKING:
    from refundwatch.gateways.reading import JsonObject


def read(body: bytes) -> tuple[GatewayEvent, ...]:
    """Read a verified body; a dispute of several payments is as many events."""
    digest = reading.body_sha256(body)
    event = reading.object_or_none(body)
    if event is None:
        return (GatewayEvent(EventKind.OTHER, digest, "unreadable"),)
    kind_name = reading.text(event, "event_type") or "unnamed"
    bare = GatewayEvent(
        kind=EventKind.OTHER,
        dedupe_id=reading.text(event, "id") or digest,
        type=reading.shown(kind_name),
        occurred_at=reading.utc_text(reading.text(event, "create_time")),
    )
    resource = reading.member(event, "resource") or {}
    if kind_name in facts.DISPUTE_EVENTS:
        return _dispute(replace(bare, kind=facts.DISPUTE_EVENTS[kind_name]), resource)
    if kind_name == facts.CAPTURE_REVERSED:
        return (_reversal(bare, event, resource),)
    if _is_refund(event, kind_name):
        return (_refund(bare, resource),)
    return (bare,)


def _is_refund(event: JsonObject, kind_name: str) -> bool:
    """Other versions of the resource state their amounts in other fields."""
    about = kind_name == facts.CAPTURE_REFUNDED
    if not about and not kind_name.startswith(facts.REFUND_PREFIX):
        return False
    return reading.text(event, "resource_version") == facts.RESOURCE_VERSION


def _refund(bare: GatewayEvent, refund: JsonObject) -> GatewayEvent:
    about = replace(bare, kind=EventKind.REFUND, hint=True)
    try:
        said = objects.read_refund_object(refund, "webhook", None)
    except MalformedResponse as error:
        unreadable = Evidence("webhook", f"unreadable:{error.message}")
        return replace(about, word=Word.UNSEEN, evidence=unreadable)
    return replace(
        about,
        word=said.word,
        evidence=said.evidence,
        payment_reference=said.evidence.payment_reference,
    )


def _reversal(
    bare: GatewayEvent, event: JsonObject, resource: JsonObject
) -> GatewayEvent:
    """PayPal took the money back: it is a chargeback, and no refund of ours."""
    capture = objects.capture_of(resource)
    if capture is None and reading.text(event, "resource_type") == "capture":
        capture = reading.text(resource, "id")
    return replace(bare, kind=EventKind.DISPUTE_OPENED, payment_reference=capture)


def _dispute(bare: GatewayEvent, dispute: JsonObject) -> tuple[GatewayEvent, ...]:
    """The seller's transaction of a disputed payment is its capture."""
    transactions = reading.items(dispute, "disputed_transactions") or []
    named = (reading.text(one, "seller_transaction_id") for one in transactions)
    captures = tuple(dict.fromkeys(name for name in named if name)) or (None,)
    return tuple(
        replace(
            bare,
            dedupe_id=f"{bare.dedupe_id}:{index}" if index else bare.dedupe_id,
            payment_reference=capture,
        )
        for index, capture in enumerate(captures)
    )
