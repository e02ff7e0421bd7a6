"""What Checkout.com's webhooks mean, once their signature holds.

Invariant: the signature covers the raw body alone, so nothing is read before it; a
well-signed delivery is never refused for what it says, and a refund in it is a hint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways import reading, signing
from refundwatch.gateways.amounts import heard, stated_units
from refundwatch.gateways.checkout import actions, facts
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import RawDelivery
    from refundwatch.gateways.reading import JsonObject


def verdict(delivery: RawDelivery, secrets: Sequence[str]) -> Verdict:
    """Verify the raw bytes, then read the event.

    A secret is a signature key, or with its prefix the value that the header
    `Authorization` must have; where such values are given, one of them must match.
    """
    prefix = facts.AUTHORIZATION_PREFIX
    keys = [one for one in secrets if one and not one.startswith(prefix)]
    values = [one.removeprefix(prefix) for one in secrets if one.startswith(prefix)]
    if not keys:
        return Unverifiable("no_usable_secret")
    fault = _fault(delivery, keys, values)
    if fault is not None:
        return Forged(fault)
    return Received((_read(delivery.body),))


def _fault(
    delivery: RawDelivery, keys: Sequence[str], values: Sequence[str]
) -> str | None:
    signature = delivery.headers.get("cko-signature")
    if signature is None:
        return "signature_missing"
    expected = [
        signing.hmac_sha256(key.encode("utf-8"), delivery.body).hex() for key in keys
    ]
    # Upper case is the same Base16; other letters that fold into it are not.
    given = signature.lower() if signature.isascii() else ""
    if not signing.any_equal(expected, (given,)):
        return "signature_mismatch"
    authorization = delivery.headers.get("authorization", "")
    if values and not signing.any_equal(values, (authorization,)):
        return "authorization_mismatch"
    return None


# --- meaning ----------------------------------------------------------------------


def _read(body: bytes) -> GatewayEvent:
    digest = reading.body_sha256(body)
    event = reading.object_or_none(body)
    if event is None:
        return GatewayEvent(EventKind.OTHER, digest, "unreadable")
    name = reading.text(event, "type") or "unnamed"
    subject = reading.member(event, "data") or {}
    stamp = reading.text(event, "created_on") or reading.text(event, "timestamp")
    bare = GatewayEvent(
        kind=facts.DISPUTE_EVENTS.get(name, EventKind.OTHER),
        dedupe_id=reading.text(event, "id") or digest,
        type=reading.shown(name),
        occurred_at=reading.utc_text(stamp),
        # Where both are there, `id` is the dispute's.
        payment_reference=(
            reading.text(subject, "payment_id") or reading.text(subject, "id")
        ),
    )
    word = facts.REFUND_EVENTS.get(name)
    if word is None and _is_our_void(name, subject):
        word = facts.VOID_EVENTS[name]
    return bare if word is None else _refund(bare, subject, word)


def _is_our_void(name: str, subject: JsonObject) -> bool:
    """Tell whether a void is one that we ordered in place of a refund."""
    ours = reading.text(subject, "metadata", facts.REFERENCE_KEY)
    return name in facts.VOID_EVENTS and ours is not None


def _refund(bare: GatewayEvent, subject: JsonObject, word: Word) -> GatewayEvent:
    """Read a refund's event; a pending one names no reference of ours."""
    code = reading.text(subject, "response_code")
    if reading.text(subject, "action_id") is None:
        word = Word.UNSEEN
    elif word is not Word.PENDING:
        word = actions.word_that_fits(word, code)
    evidence = Evidence(
        source="webhook",
        raw_status=f"{bare.type}:{reading.shown(code, 16)}",
        gateway_reference=reading.text(subject, "action_id"),
        merchant_reference=actions.our_reference(subject, None),
        payment_reference=bare.payment_reference,
        failure_code=actions.failure_of(subject) if word is Word.FAILED else None,
    )
    stated = stated_units(
        facts.CAPABILITIES,
        reading.at(subject, "amount"),
        reading.at(subject, "currency"),
    )
    said = heard(word, evidence, stated)
    return replace(
        bare,
        kind=EventKind.REFUND,
        word=said.word,
        evidence=said.evidence,
        hint=True,
    )
