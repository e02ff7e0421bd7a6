"""What Mollie's webhooks mean: signed events, and unsigned ones that name a payment.

Invariant: nothing of an unsigned delivery is believed but the id of a payment, which
is then read at Mollie with our own key; an id that is not known there changes nothing.
Nothing in a signed delivery is read before the signature over its raw bytes holds.

Source: mollie/mollie-api-php docs/webhooks.md and src/Webhooks/SignatureValidator.php;
"Next-gen Webhooks", "Webhooks: best practices", https://docs.mollie.com (read 2026-11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading, signing
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from refundwatch.gateways.mollie import answers, building, facts, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.contract import (
        AccountView,
        HttpResponse,
        Operation,
        RawDelivery,
        Verdict,
    )
    from refundwatch.gateways.reading import Json, JsonObject

SIGNATURE: Final = "x-mollie-signature"
_SCHEME: Final = "sha256="
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = re.compile(r"[a-z]{1,16}_[A-Za-z0-9]{4,64}")
_PAYMENT: Final = "tr_"
_MAX_FORM: Final = 1024
_GONE: Final = frozenset({404, 410})


def receive(
    account: AccountView, delivery: RawDelivery, secrets: Sequence[str]
) -> Operation[Verdict]:
    """Tell a signed delivery from an unsigned one, and read it."""
    header = delivery.headers.get(SIGNATURE)
    if header is not None:
        return reading.without_request(signed(account, delivery, header, secrets))
    named = named_id(delivery.body)
    if named is None:
        return reading.without_request(Forged("signature_missing"))
    if not named.startswith(_PAYMENT):
        # An order, a subscription: about no refund of ours, and not sent again.
        return reading.without_request(Received(()))
    return _fetched(account, named)


# --- signed -----------------------------------------------------------------------


def signed(
    account: AccountView, delivery: RawDelivery, header: str, secrets: Sequence[str]
) -> Verdict:
    """Verify the raw bytes, then read the event.

    While a secret is being changed Mollie sends two signatures.
    """
    keys = [secret.encode("utf-8") for secret in secrets if secret]
    if not keys:
        return Unverifiable("no_usable_secret")
    given = [
        value.strip().removeprefix(_SCHEME)
        for value in header.split(",")[: signing.MAX_SIGNATURES]
        if value.strip().startswith(_SCHEME)
    ]
    plain = [digest for digest in given if _HEX.fullmatch(digest)]
    if not plain:
        return Forged("signature_malformed")
    expected = [signing.hmac_sha256(key, delivery.body).hex() for key in keys]
    if not signing.any_equal(expected, plain):
        return Forged("signature_mismatch")
    event = reading.object_or_none(delivery.body)
    if event is None:
        digest = reading.body_sha256(delivery.body)
        return Received((GatewayEvent(EventKind.OTHER, digest, "unreadable"),))
    entity = reading.member(event, "_embedded", "entity") or {}
    if not objects.fits_mode(entity, account):
        return Forged("mode")
    return Received((_event(event, entity, delivery.body),))


def _event(event: JsonObject, entity: JsonObject, body: bytes) -> GatewayEvent:
    identity = reading.text(event, "id") or reading.body_sha256(body)
    name = reading.shown(reading.text(event, "type") or "unnamed")
    at = reading.utc_text(reading.text(event, "createdAt"))
    if name.startswith(facts.REFUND_EVENTS):
        return _refund_event(event, entity, identity, name, at)
    return GatewayEvent(
        kind=_OTHERS.get(name, EventKind.OTHER),
        dedupe_id=identity,
        type=name,
        occurred_at=at,
        payment_reference=reading.text(entity, "paymentId"),
    )


_OTHERS: Final = {
    facts.CHARGEBACK_RECEIVED: EventKind.DISPUTE_OPENED,
    facts.CHARGEBACK_REVERSED: EventKind.DISPUTE_CLOSED,
}


def _refund_event(
    event: JsonObject, entity: JsonObject, identity: str, name: str, at: str | None
) -> GatewayEvent:
    """Read a refund event; without a snapshot its type is the only word.

    A cancelled refund cannot be read any more, so that word stands by itself.
    """
    status = name.removeprefix(facts.REFUND_EVENTS)
    word, evidence = _simple(status, reading.text(event, "entityId"))
    if entity:
        try:
            said = objects.read_refund_object(entity, "webhook")
            word, evidence = said.word, said.evidence
        except MalformedResponse as error:
            word = Word.UNSEEN
            evidence = Evidence("webhook", f"unreadable:{error.message}")
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=identity,
        type=name,
        occurred_at=at,
        word=word,
        evidence=evidence,
        payment_reference=evidence.payment_reference,
        hint=evidence.raw_status != facts.CANCELED,
    )


def _simple(status: str, refund_id: str | None) -> tuple[Word, Evidence]:
    word, raw_status = objects.word_of(status)
    evidence = Evidence(
        source="webhook",
        raw_status=raw_status,
        gateway_reference=refund_id,
        failure_code=raw_status if word is Word.FAILED else None,
    )
    return word, evidence


# --- unsigned ---------------------------------------------------------------------


def named_id(body: bytes) -> str | None:
    """Give the one id that an unsigned delivery names, if it has that form."""
    if len(body) > _MAX_FORM or not body.isascii():
        return None
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=8).get("id", [])
    except ValueError:
        return None
    one = found[0] if len(found) == 1 else ""
    return one if _ID.fullmatch(one) else None


def _fetched(account: AccountView, payment_id: str) -> Operation[Verdict]:
    response = yield building.named_payment_request(account, payment_id)
    if response.status in _GONE:
        # Whoever named it must not learn that, nor send it again.
        return Received(())
    if response.status != answers.OK:
        return Unverifiable(f"read_http_{response.status}")
    return _told(account, payment_id, response)


def _told(account: AccountView, payment_id: str, response: HttpResponse) -> Verdict:
    """Say what the payment says of its refunds now."""
    payment = reading.object_or_none(response.body)
    if reading.text(payment, "id") != payment_id:
        return Unverifiable("another_payment")
    if not objects.fits_mode(payment, account):
        return Forged("mode")
    refunds = reading.items(payment, "_embedded", "refunds") or []
    try:
        told = [_refund_told(refund, payment_id) for refund in refunds]
    except MalformedResponse as error:
        return Unverifiable(error.message)
    return Received((*told, *_charged_back(payment, payment_id)))


def _refund_told(refund: Json, payment_id: str) -> GatewayEvent:
    """Restate a refund that was read: each of its states is told once."""
    said = objects.read_refund_object(refund, "webhook")
    status = said.evidence.raw_status
    return GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=f"{said.evidence.gateway_reference}:{status}",
        type=f"payment.read:{status}"[: reading.MAX_SHOWN],
        occurred_at=reading.utc_text(reading.text(refund, "createdAt")),
        word=said.word,
        evidence=said.evidence,
        payment_reference=payment_id,
        hint=status != facts.CANCELED,
    )


def _charged_back(payment: Json, payment_id: str) -> tuple[GatewayEvent, ...]:
    back = objects.stated_amount(reading.at(payment, "amountChargedBack"))
    if back.doubt is None and not back.amount_minor:
        return ()
    amount = back.amount_minor if back.doubt is None else back.doubt
    return (
        GatewayEvent(
            kind=EventKind.DISPUTE_OPENED,
            dedupe_id=f"{payment_id}:charged_back:{amount}",
            type="payment.read:charged_back",
            payment_reference=payment_id,
        ),
    )
