"""What Authorize.Net's webhooks mean, once their signature holds.

Invariant: nothing is read before the signature over the raw bytes holds. A delivery
does not name the sale or its currency, so its word is a hint: what bears a reference
of ours is read again when it is applied, everything else before it is stored.

Source: stymiee/authnetjson AuthnetWebhook.php; "Webhooks",
https://developer.authorize.net (read 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading, signing
from refundwatch.gateways.authorizenet import building, facts, objects
from refundwatch.gateways.authorizenet.answers import Trouble, read_body
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Heard,
    Received,
    Unverifiable,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import AccountView, Operation, RawDelivery
    from refundwatch.gateways.reading import JsonObject

_OURS: Final = re.compile(r"rw[a-z2-7]{18}")
_SIGNATURE: Final = re.compile(r"sha512=([0-9A-Fa-f]{128})")
_PREFIX: Final = "net.authorize.payment."


def receive(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Operation[Verdict]:
    """Verify the raw bytes, then read the event, asking for what it does not say."""
    if not any(secrets):
        return Unverifiable("no_usable_secret")
    fault = signature_fault(delivery, secrets)
    if fault is not None:
        return Forged(fault)
    try:
        event = read_body(delivery.body)
    except MalformedResponse:
        digest = reading.body_sha256(delivery.body)
        return Received((GatewayEvent(EventKind.OTHER, digest, "unreadable"),))
    bare = _bare(event, delivery.body)
    payload = reading.member(event, "payload") or {}
    identity = reading.text(payload, "id")
    about = reading.text(event, "eventType") in facts.EVENTS
    if not about or identity is None or not building.is_transaction_id(identity):
        return Received((bare,))
    reference = _our_reference(payload)
    if reference is not None:
        return Received((_ours(bare, identity, reference),))
    return (yield from _strange(bare, identity, account))


def signature_fault(delivery: RawDelivery, secrets: Sequence[str]) -> str | None:
    """Say why the signature does not hold, or None where it does.

    The key is the text of the Signature Key itself, not the bytes that its hex stands
    for; the digest is compared in either case of its letters.
    """
    header = delivery.headers.get("x-anet-signature")
    if header is None:
        return "signature_missing"
    written = _SIGNATURE.fullmatch(header.strip())
    if written is None:
        return "signature_malformed"
    expected = [
        signing.hmac_sha512(secret.encode("utf-8"), delivery.body).hex()
        for secret in secrets
        if secret
    ]
    if not signing.any_equal(expected, (written[1].lower(),)):
        return "signature_mismatch"
    return None


def _bare(event: JsonObject, body: bytes) -> GatewayEvent:
    name = reading.text(event, "eventType") or "unnamed"
    return GatewayEvent(
        kind=EventKind.OTHER,
        dedupe_id=reading.text(event, "notificationId") or reading.body_sha256(body),
        type=reading.shown(name.removeprefix(_PREFIX)),
        occurred_at=_moment(reading.text(event, "eventDate")),
    )


def _moment(written: str | None) -> str | None:
    """Read a time whose seconds can have seven decimals: six are understood."""
    if written is None:
        return None
    return reading.utc_text(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", written))


def _our_reference(payload: JsonObject) -> str | None:
    for name in ("invoiceNumber", "merchantReferenceId"):
        reference = reading.text(payload, name)
        if reference is not None and _OURS.fullmatch(reference):
            return reference
    return None


def _ours(bare: GatewayEvent, identity: str, reference: str) -> GatewayEvent:
    """Read an event about a refund of ours; what it did to it is read when applied."""
    created = bare.type == facts.REFUND_CREATED.removeprefix(_PREFIX)
    return replace(
        bare,
        kind=EventKind.REFUND,
        word=Word.PENDING if created else None,
        evidence=Evidence(
            source="webhook",
            raw_status=bare.type,
            gateway_reference=identity,
            merchant_reference=reference,
        ),
        hint=True,
    )


def _strange(
    bare: GatewayEvent, identity: str, account: AccountView
) -> Operation[Verdict]:
    """Read what an event without our reference is about: a sale, or a refund."""
    currency = building.currency_of(account)
    found = yield from objects.read("read_refund", identity, currency)
    if isinstance(found, Trouble):
        # Refused for ever, the webhook would be switched off at the gateway.
        if found.unauthorized or found.missing:
            return Received((_unread(bare, identity),))
        return Unverifiable(f"details:{found.reason}")
    voided = objects.is_sale(found) and found.status == facts.VOIDED
    if voided and bare.type == facts.VOID_CREATED.removeprefix(_PREFIX):
        return Received((_told(bare, objects.void_of(found, "webhook")),))
    refund = objects.refund_of(found, "webhook")
    if isinstance(refund, Heard):
        return Received((_told(bare, refund),))
    return Received((bare,))


def _unread(bare: GatewayEvent, identity: str) -> GatewayEvent:
    """Keep that a refund was made, where nobody may read which one."""
    if bare.type != facts.REFUND_CREATED.removeprefix(_PREFIX):
        return bare
    evidence = Evidence("webhook", bare.type, gateway_reference=identity)
    return replace(
        bare, kind=EventKind.REFUND, word=Word.PENDING, evidence=evidence, hint=True
    )


def _told(bare: GatewayEvent, said: Heard) -> GatewayEvent:
    return replace(
        bare,
        kind=EventKind.REFUND,
        word=said.word,
        evidence=said.evidence,
        payment_reference=said.evidence.payment_reference,
        hint=True,
    )
