"""What Stripe's webhooks mean, once their signature holds.

Invariant: a delivery whose signature holds is never refused for what it says, except
that it speaks of the other mode; a refund in it is a hint, and is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading, signing
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
    Verdict,
)
from refundwatch.gateways.stripe import facts
from refundwatch.gateways.stripe.answers import (
    fits_mode,
    payment_names,
    read_refund_object,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from refundwatch.gateways.contract import AccountView, RawDelivery
    from refundwatch.gateways.reading import JsonObject


def verdict(
    account: AccountView,
    delivery: RawDelivery,
    secrets: Sequence[str],
    now: datetime,
) -> Verdict:
    """Verify the raw bytes, then read the event."""
    if not any(secrets):
        return Unverifiable("no_usable_secret")
    header = delivery.headers.get("stripe-signature")
    fault = signing.stamped_fault(
        header, delivery.body, secrets, now, facts.TOLERANCE_SECONDS
    )
    if fault is not None:
        return Forged(fault)
    event = reading.object_or_none(delivery.body)
    if event is None:
        return Received((_unreadable(delivery.body),))
    if not fits_mode(event, account):
        return Forged("livemode")
    return Received((_event(event, delivery.body),))


def _unreadable(body: bytes) -> GatewayEvent:
    return GatewayEvent(EventKind.OTHER, reading.body_sha256(body), "unreadable")


def _event(event: JsonObject, body: bytes) -> GatewayEvent:
    identity = reading.text(event, "id") or reading.body_sha256(body)
    kind_name = reading.shown(reading.text(event, "type") or "unnamed")
    at = reading.utc_text_of_unix(reading.whole(event, "created"))
    subject = reading.member(event, "data", "object") or {}
    if kind_name in facts.REFUND_EVENTS:
        return _refund_event(subject, identity, kind_name, at)
    names = payment_names(subject) if kind_name in facts.DISPUTE_EVENTS else ()
    return GatewayEvent(
        kind=facts.DISPUTE_EVENTS.get(kind_name, EventKind.OTHER),
        dedupe_id=identity,
        type=kind_name,
        occurred_at=at,
        payment_reference=names[0] if names else None,
        payment_aliases=names[1:],
    )


def _refund_event(
    refund: JsonObject, identity: str, kind_name: str, at: str | None
) -> GatewayEvent:
    """Read a refund event; which name of the payment is ours, only the row knows."""
    names = payment_names(refund)
    try:
        word = read_refund_object(refund, "webhook", None)
    except MalformedResponse as error:
        return GatewayEvent(
            kind=EventKind.REFUND,
            dedupe_id=identity,
            type=kind_name,
            occurred_at=at,
            word=Word.UNSEEN,
            evidence=Evidence("webhook", f"unreadable:{error.message}"),
            hint=True,
        )
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=identity,
        type=kind_name,
        occurred_at=at,
        word=word.word,
        evidence=word.evidence,
        payment_reference=names[0] if names else None,
        payment_aliases=names[1:],
        hint=True,
    )
