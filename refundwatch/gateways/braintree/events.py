"""Braintree's webhooks: verified over the text they carry, then read as XML.

Invariant: nothing is decoded before the signature over the Base64 text holds under one
of the account's key pairs; a delivery that holds is never refused for what it says,
and a refund in it is a hint, read again at the gateway.

Source: braintree/braintree_python braintree/webhook_notification_gateway.py and
util/crypto.py (4.48.0); "Webhooks: Parse", https://developer.paypal.com/braintree
(read 2026-11).
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field, replace
from hashlib import sha1
from hmac import new as new_hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading, signing
from refundwatch.gateways.amounts import heard
from refundwatch.gateways.braintree import facts, names
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
    Verdict,
)
from refundwatch.gateways.decimals import stated_decimal
from refundwatch.gateways.xml import child, parse_xml, xml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import RawDelivery

_SIGNATURE: Final = "bt_signature"
_PAYLOAD: Final = "bt_payload"
_MOST_FIELDS: Final = 8
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\n]+")
_DIGEST: Final = re.compile(r"[0-9a-f]{40}")
_CHALLENGE: Final = re.compile(r"[a-f0-9]{20,32}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A pair of keys; a webhook secret is written `public_key:private_key`."""

    public: str
    private: str = field(repr=False)

    def digest(self, message: str) -> str:
        """Give the signature of a text, in lower-case hex."""
        # The gateway's own scheme: SHA-1 makes the key and the digest.
        key = sha1(self.private.encode("utf-8")).digest()  # noqa: S324
        octets = message.encode("utf-8", "surrogatepass")
        return new_hmac(key, octets, sha1).hexdigest()


def key_pairs(secrets: Sequence[str]) -> tuple[KeyPair, ...]:
    """Give the pairs that the secrets hold; others can verify nothing."""
    split = (secret.partition(":") for secret in secrets)
    return tuple(
        KeyPair(public, private) for public, _, private in split if public and private
    )


def greeting(query: Mapping[str, str], secrets: Sequence[str]) -> bytes | None:
    """Answer the check of a new address; another form of challenge gets nothing."""
    pairs = key_pairs(secrets)
    challenge = query.get("bt_challenge", "")
    if not pairs or not _CHALLENGE.fullmatch(challenge):
        return None
    return f"{pairs[0].public}|{pairs[0].digest(challenge)}".encode()


# --- verification -----------------------------------------------------------------


def verdict(delivery: RawDelivery, secrets: Sequence[str]) -> Verdict:
    """Verify the form's two fields, then read the notification."""
    pairs = key_pairs(secrets)
    if not pairs:
        return Unverifiable("no_usable_secret")
    form = _form(delivery.body)
    if form is None:
        return Forged("form_malformed")
    signature, payload = form
    if not _BASE64.fullmatch(payload) or _CHALLENGE.fullmatch(payload):
        # Whoever sends a challenge has our signature of it: it is no notification.
        return Forged("payload_malformed")
    if not _holds(signature, payload, pairs):
        return Forged("signature_mismatch")
    return Received((_event(payload),))


def _form(body: bytes) -> tuple[str, str] | None:
    """Give both fields; a form that has one twice could be read in two ways."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        return None
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() >= {_SIGNATURE, _PAYLOAD}:
        return None
    return fields[_SIGNATURE], fields[_PAYLOAD]


def _holds(signature: str, payload: str, pairs: Sequence[KeyPair]) -> bool:
    """Tell whether a digest under one of our public keys is of this payload.

    What carries it may have dropped the last line's end.
    """
    signed = [
        part.split("|") for part in signature.split("&")[: signing.MAX_SIGNATURES]
    ]
    digests = {part[0]: part[1] for part in signed if _is_signed(part)}
    found = False
    for pair in pairs:
        expected = (pair.digest(payload), pair.digest(payload + "\n"))
        found |= signing.any_equal(expected, (digests.get(pair.public, ""),))
    return found


def _is_signed(part: Sequence[str]) -> bool:
    return len(part) == 2 and bool(part[0]) and bool(_DIGEST.fullmatch(part[1]))  # noqa: PLR2004 - a pair


# --- meaning ----------------------------------------------------------------------


def _event(payload: str) -> GatewayEvent:
    try:
        document = b64decode(payload.replace("\n", ""), validate=True)
    except ValueError:
        digest = reading.body_sha256(payload.encode("ascii"))
        return GatewayEvent(EventKind.OTHER, digest, "unreadable")
    # A notification has no id of its own; a retry carries the same document.
    digest = reading.body_sha256(document)
    try:
        notification = parse_xml(document)
    except MalformedResponse:
        return GatewayEvent(EventKind.OTHER, digest, "unreadable")
    kind = xml_text(notification, "kind", limit=reading.MAX_TEXT) or "unnamed"
    bare = GatewayEvent(
        kind=EventKind.OTHER,
        dedupe_id=digest,
        type=reading.shown(kind),
        occurred_at=reading.utc_text(xml_text(notification, "timestamp")),
    )
    subject = child(notification, "subject")
    if kind in facts.DISPUTE_EVENTS:
        bare = replace(bare, kind=facts.DISPUTE_EVENTS[kind])
        return _of_sale(bare, _text(child(subject, "dispute", "transaction"), "id"))
    moved = _transaction(subject)
    if kind == facts.REFUND_FAILED or _text(moved, "type") == facts.CREDIT:
        return _refund(bare, moved)
    return bare


def _transaction(subject: Element | None) -> Element | None:
    """Give the entity, which a subject that speaks of an error holds one level down."""
    found = child(subject, "transaction")
    return (
        child(subject, "api-error-response", "transaction") if found is None else found
    )


def _text(source: Element | None, name: str) -> str | None:
    return xml_text(source, name, limit=reading.MAX_TEXT)


def _of_sale(event: GatewayEvent, legacy_id: str | None) -> GatewayEvent:
    """Name the payment in both ways: which one is ours, only the store knows."""
    if legacy_id is None:
        return event
    other = names.other_name(legacy_id)
    return replace(event, payment_reference=legacy_id, payment_aliases=(other,))


def _refund(bare: GatewayEvent, refund: Element | None) -> GatewayEvent:
    status = (_text(refund, "status") or "unstated").upper()
    legacy_id = _text(refund, "id")
    evidence = Evidence(
        source="webhook",
        raw_status=reading.shown(status),
        gateway_reference=legacy_id,
        merchant_reference=_text(refund, "order-id"),
    )
    word = facts.WORDS.get(status, Word.UNSEEN)
    if word is Word.FAILED:
        evidence = replace(evidence, failure_code=reading.shown(status))
    stated = stated_decimal(
        facts.CAPABILITIES,
        _text(refund, "amount"),
        _text(refund, "currency-iso-code"),
    )
    said = heard(word, evidence, stated)
    about = replace(
        bare,
        kind=EventKind.REFUND,
        word=said.word,
        evidence=said.evidence,
        hint=True,
    )
    return _of_sale(about, _text(refund, "refunded-transaction-id"))
