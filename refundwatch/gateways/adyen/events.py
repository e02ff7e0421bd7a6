"""What Adyen's webhooks mean, once every item's signature holds.

Invariant: money, references, event and success are read only from the eight signed
fields; what is not signed can at most describe. A well-signed item is never refused
because we do not understand it: Adyen would keep every later one behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways import reading, signing
from refundwatch.gateways.adyen import facts
from refundwatch.gateways.amounts import heard, stated_units
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

    from refundwatch.gateways.contract import AccountView, RawDelivery
    from refundwatch.gateways.reading import Json, JsonObject

MAX_SIGNED_TEXT: Final = 2048


def verdict(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Verdict:
    """Verify every item of the raw bytes, then read them."""
    keys = signing.hex_keys(secrets)
    if not keys:
        return Unverifiable("no_usable_secret")
    body = reading.object_or_none(delivery.body)
    items = _items(body)
    if not items:
        return Forged("malformed")
    for item in items:
        fault = _fault(item, keys)
        if fault is not None:
            return Forged(fault)
    if reading.text(body, "live") != ("true" if account.mode == "live" else "false"):
        return Forged("live")
    ours = account.settings.get(facts.MERCHANT_ACCOUNT)
    return Received(tuple(_event(item, delivery.body, ours) for item in items))


def _items(body: Json) -> list[JsonObject]:
    """Give all items, or none where one of them is no item."""
    wrapped = reading.items(body, "notificationItems") or []
    items = [reading.member(one, "NotificationRequestItem") for one in wrapped]
    whole = [item for item in items if item is not None]
    return whole if len(whole) == len(items) else []


def _fault(item: JsonObject, keys: Sequence[bytes]) -> str | None:
    signature = reading.text(item, "additionalData", "hmacSignature")
    if signature is None:
        return "signature_missing"
    if not signing.fields_hold(_signed_fields(item), signature, keys):
        return "signature_mismatch"
    return None


def _signed_fields(item: JsonObject) -> tuple[str, ...]:
    value = reading.whole(item, "amount", "value")
    return (
        _signed(item, "pspReference"),
        _signed(item, "originalReference"),
        _signed(item, "merchantAccountCode"),
        _signed(item, "merchantReference"),
        "" if value is None else str(value),
        _signed(item, "amount", "currency"),
        _signed(item, "eventCode"),
        _signed(item, "success"),
    )


def _signed(item: JsonObject, *path: str) -> str:
    return reading.text(item, *path, limit=MAX_SIGNED_TEXT) or ""


# --- meaning ----------------------------------------------------------------------


def _event(item: JsonObject, body: bytes, ours: str | None) -> GatewayEvent:
    code = reading.text(item, "eventCode")
    success = reading.text(item, "success")
    psp_reference = reading.text(item, "pspReference")
    at = reading.utc_text(reading.text(item, "eventDate"))
    if code is None or success is None or psp_reference is None:
        digest = reading.body_sha256(body)
        return GatewayEvent(EventKind.OTHER, digest, "unreadable", at)
    identity = f"{code}:{psp_reference}:{success}"
    theirs = reading.text(item, "merchantAccountCode")
    if theirs != ours:
        # One key can serve a company's accounts. Refused, it would keep ours behind it.
        strange = f"{theirs}:{identity}"
        return GatewayEvent(EventKind.OTHER, strange, "other_merchant_account", at)
    word = _refund_word(item, code, success)
    if word is not None:
        return _refund_event(item, identity, code, word, at)
    payment = reading.text(item, "originalReference")
    return GatewayEvent(
        kind=facts.DISPUTE_EVENTS.get(code, EventKind.OTHER),
        dedupe_id=identity,
        type=reading.shown(code),
        occurred_at=at,
        # Without an original, the item's own reference is the payment's.
        payment_reference=payment or psp_reference,
    )


def _refund_word(item: JsonObject, code: str, success: str) -> Word | None:
    """Give the word about a refund, or None where the item is about none."""
    if code == facts.CANCEL_OR_REFUND:
        action = reading.text(item, "additionalData", "modification.action")
        if action == "cancel":
            return None
        refunded = {"true": Word.SUCCEEDED, "false": Word.FAILED}
        return refunded.get(success, Word.UNSEEN) if action == "refund" else Word.UNSEEN
    if code in facts.REFUND_EVENTS:
        return facts.REFUND_WORDS.get((code, success), Word.UNSEEN)
    return None


def _refund_event(
    item: JsonObject, identity: str, code: str, word: Word, at: str | None
) -> GatewayEvent:
    payment = reading.text(item, "originalReference")
    evidence = Evidence(
        source="webhook",
        raw_status=reading.shown(f"{code}:{reading.text(item, 'success')}"),
        gateway_reference=reading.text(item, "pspReference"),
        merchant_reference=reading.text(item, "merchantReference"),
        payment_reference=payment,
        failure_code=_failure(item, code) if word in _FAILURES else None,
    )
    stated = stated_units(
        facts.CAPABILITIES,
        reading.at(item, "amount", "value"),
        reading.at(item, "amount", "currency"),
    )
    said = heard(word, evidence, stated)
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=identity,
        type=reading.shown(code),
        occurred_at=at,
        word=said.word,
        evidence=said.evidence,
        payment_reference=payment,
    )


_FAILURES: Final = frozenset({Word.FAILED, Word.REVERSED})


def _failure(item: JsonObject, code: str) -> str:
    reason = (reading.text(item, "reason") or "").casefold()
    for fragment, failure in facts.FAILURE_CODES:
        if fragment in reason:
            return failure
    return code.lower()
