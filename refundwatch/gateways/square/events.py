"""What Square's webhooks mean, once their signature holds.

Invariant: the signature covers the registered address and the raw body, and the
address comes from the configuration, never from the request; a refund in a delivery
is a hint, and is read again, because deliveries arrive late and out of order.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final

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
from refundwatch.gateways.square import facts
from refundwatch.gateways.square.answers import read_refund_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import AccountView, RawDelivery
    from refundwatch.gateways.reading import Json, JsonObject

SIGNATURE: Final = "x-square-hmacsha256-signature"


def verdict(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Verdict:
    """Verify the address and the raw bytes, then read the event."""
    address = account.settings.get(facts.NOTIFICATION_URL)
    if not address:
        return Unverifiable("no_notification_url")
    if not any(secrets):
        return Unverifiable("no_usable_secret")
    signature = delivery.headers.get(SIGNATURE)
    if signature is None:
        return Forged("signature_missing")
    if not _holds(address, delivery.body, signature, secrets):
        return Forged("signature_mismatch")
    event = reading.object_or_none(delivery.body)
    digest = reading.body_sha256(delivery.body)
    if event is None:
        return Received((GatewayEvent(EventKind.OTHER, digest, "unreadable"),))
    return Received((_event(event, digest, account.settings.get(facts.MERCHANT_ID)),))


def _holds(address: str, body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Compare as texts: a decoder would accept several spellings of one digest."""
    message = address.encode("utf-8") + body
    keys = (secret.encode("utf-8") for secret in secrets if secret)
    expected = (signing.hmac_sha256(key, message) for key in keys)
    written = [b64encode(digest).decode("ascii") for digest in expected]
    return signing.any_equal(written, (signature,))


# --- meaning ----------------------------------------------------------------------


def _event(event: JsonObject, digest: str, ours: str | None) -> GatewayEvent:
    identity = reading.text(event, "event_id") or digest
    kind_name = reading.shown(reading.text(event, "type") or "unnamed")
    at = reading.utc_text(reading.text(event, "created_at"))
    if ours and reading.text(event, "merchant_id") != ours:
        # One subscription can serve every seller that allowed the application.
        return GatewayEvent(EventKind.OTHER, identity, "other_merchant", at)
    subject = reading.member(event, "data", "object")
    if kind_name in facts.REFUND_EVENTS:
        return _refund_event(reading.at(subject, "refund"), identity, kind_name, at)
    if kind_name in facts.DISPUTE_EVENTS:
        return _dispute_event(subject, identity, kind_name, at)
    return GatewayEvent(
        kind=EventKind.OTHER,
        dedupe_id=identity,
        type=kind_name,
        occurred_at=at,
        payment_reference=reading.text(subject, "payment", "id"),
    )


def _refund_event(
    refund: Json, identity: str, kind_name: str, at: str | None
) -> GatewayEvent:
    try:
        said = read_refund_object(refund, "webhook", None)
        word, evidence = said.word, said.evidence
    except MalformedResponse as error:
        word, evidence = (
            Word.UNSEEN,
            Evidence("webhook", f"unreadable:{error.message}"),
        )
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=identity,
        type=kind_name,
        occurred_at=at,
        word=word,
        evidence=evidence,
        payment_reference=reading.text(refund, "payment_id"),
        hint=True,
    )


def _dispute_event(
    subject: Json, identity: str, kind_name: str, at: str | None
) -> GatewayEvent:
    """Read a dispute; the official types name it `object`, the samples `dispute`."""
    found = reading.member(subject, "dispute") or reading.member(subject, "object")
    over = reading.text(found, "state") in facts.DISPUTES_OVER
    return GatewayEvent(
        kind=EventKind.DISPUTE_CLOSED if over else EventKind.DISPUTE_OPENED,
        dedupe_id=identity,
        type=kind_name,
        occurred_at=at,
        payment_reference=reading.text(found, "disputed_payment", "payment_id"),
    )
