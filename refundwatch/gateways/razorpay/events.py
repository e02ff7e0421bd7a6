"""What Razorpay's webhooks mean, once their signature holds.

Invariant: a delivery whose signature holds is never refused for what it says; a refund
in it is a hint, and is read again. What the signature does not cover decides nothing:
the event's id, which stands in a header, counts only together with the body.
"""

from __future__ import annotations

import re
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
from refundwatch.gateways.razorpay import facts
from refundwatch.gateways.razorpay.objects import read_refund_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import AccountView, RawDelivery
    from refundwatch.gateways.reading import JsonObject

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ID_LIMIT: Final = 64
_DIGEST_SHOWN: Final = 32


def verdict(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Verdict:
    """Verify the raw bytes, then read the event.

    After a change of the secret, older events still come under the old one.
    """
    keys = [secret.encode() for secret in secrets if secret]
    if not keys:
        return Unverifiable("no_usable_secret")
    given = delivery.headers.get("x-razorpay-signature")
    if given is None:
        return Forged("signature_missing")
    if not _DIGEST.fullmatch(given):
        return Forged("signature_malformed")
    expected = [signing.hmac_sha256(key, delivery.body).hex() for key in keys]
    if not signing.any_equal(expected, (given,)):
        return Forged("signature_mismatch")
    identity = _identity(delivery)
    event = reading.object_or_none(delivery.body)
    if event is None:
        return Received((GatewayEvent(EventKind.OTHER, identity, "unreadable"),))
    return Received((_event(event, identity, account),))


def _identity(delivery: RawDelivery) -> str:
    """Give the event's id with the digest of its body.

    The id is the same on every redelivery. It is not signed, so alone it would let
    an old delivery take the place of one that is still to come.
    """
    digest = reading.body_sha256(delivery.body)[:_DIGEST_SHOWN]
    named = delivery.headers.get("x-razorpay-event-id", "").strip()
    usable = reading.is_plain_id(named) and len(named) <= _ID_LIMIT
    return f"{named}:{digest}" if usable else digest


def _event(event: JsonObject, identity: str, account: AccountView) -> GatewayEvent:
    name = reading.text(event, "event")
    kind_name = reading.shown(name) if name else "unnamed"
    at = _moment(event)
    ours = account.settings.get(facts.ACCOUNT_ID)
    theirs = reading.text(event, "account_id")
    if ours is not None and theirs != ours:
        # One secret can serve several accounts of a partner.
        return GatewayEvent(EventKind.OTHER, identity, "other_account", at)
    if name in facts.REFUND_EVENTS:
        refund = reading.member(event, "payload", "refund", "entity") or {}
        return _refund_event(refund, identity, kind_name, at)
    kind = facts.DISPUTE_EVENTS.get(name or "", EventKind.OTHER)
    payment = _disputed(event) if kind is not EventKind.OTHER else None
    return GatewayEvent(kind, identity, kind_name, at, payment_reference=payment)


def _moment(event: JsonObject) -> str | None:
    """Give when it happened; one event holds that inside its payload."""
    seconds = reading.whole(event, "created_at")
    if seconds is None:
        seconds = reading.whole(event, "payload", "created_at")
    return reading.utc_text_of_unix(seconds)


def _disputed(event: JsonObject) -> str | None:
    payload = reading.member(event, "payload")
    return reading.text(payload, "dispute", "entity", "payment_id") or reading.text(
        payload, "payment", "entity", "id"
    )


def _refund_event(
    refund: JsonObject, identity: str, kind_name: str, at: str | None
) -> GatewayEvent:
    try:
        word = read_refund_object(refund, "webhook")
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
        payment_reference=word.evidence.payment_reference,
        hint=True,
    )
