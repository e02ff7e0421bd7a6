"""Whether a delivery is PayPal's: headers, freshness, certificate, signature.

Invariant: nothing in the body is read before the signature over its raw bytes holds,
under a certificate that was believed for this account's mode.

The signature covers a CRC-32 of the body and no digest. Whoever holds one delivery can
write another body of the same checksum, so a verified body is still no proof: a refund
in it is read again before it counts.

Source: paypal/PayPal-Java-SDK ValidateCertTest.java, paypal/PayPal-Python-SDK
verify_webhook_events.py; "Webhooks", https://developer.paypal.com (read 2026-11).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zlib import crc32

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from refundwatch.gateways.contract import (
    Forged,
    HttpResponse,
    Received,
    Unverifiable,
    Verdict,
)
from refundwatch.gateways.paypal import answers, building, certificates, events, facts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from refundwatch.gateways.contract import AccountView, Operation, RawDelivery

_MAX_SIGNATURE: Final = 2048
# The four signed values are joined by bars, so none may hold one.
_TRANSMISSION_ID: Final = re.compile(r"[\x21-\x7b\x7d\x7e]{1,128}")
_TRANSMISSION_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
# Statuses by which the host says that it has no such certificate.
_NO_SUCH_CERTIFICATE: Final = frozenset({400, 404, 410})


@dataclass(frozen=True, slots=True)
class Transmission:
    """The headers of a delivery, each of a form that can be checked further."""

    id: str
    time: str
    signature: bytes
    certificate_url: str


def receive(
    account: AccountView, delivery: RawDelivery, now: datetime
) -> Operation[Verdict]:
    """Verify the raw bytes, asking for the certificate, then read the event."""
    webhook_id = account.settings.get(facts.WEBHOOK_ID)
    if not webhook_id:
        return Unverifiable("no_webhook_id")
    store = certificates.trusted(account.settings.get(facts.WEBHOOK_CA_PEM, ""))
    if store is None:
        return Unverifiable("no_trusted_authority")
    sent = read_transmission(delivery)
    if isinstance(sent, str):
        return Forged(sent)
    if not is_fresh(sent.time, now):
        return Forged("transmission_time")
    if not certificates.is_allowed(sent.certificate_url, account):
        return Forged("certificate_url")
    response = yield building.certificate_request(sent.certificate_url)
    fault = _certificate_fault(response)
    if fault is not None:
        return fault
    key = certificates.believed_key(response.body, store, account.mode, now)
    if key is None:
        return Forged("certificate")
    message = signed_message(sent, webhook_id, delivery.body)
    if not holds(key, sent.signature, message):
        return Forged("signature_mismatch")
    return Received(events.read(delivery.body))


def read_transmission(delivery: RawDelivery) -> Transmission | str:
    """Read the headers, or name the first that is missing or of another form."""
    headers = delivery.headers
    if headers.get("paypal-auth-algo") != facts.ALGORITHM:
        return "auth_algo"
    identity = headers.get("paypal-transmission-id", "")
    if not _TRANSMISSION_ID.fullmatch(identity):
        return "transmission_id"
    stamp = headers.get("paypal-transmission-time", "")
    if not _TRANSMISSION_TIME.fullmatch(stamp):
        return "transmission_time"
    signature = _decoded(headers.get("paypal-transmission-sig", ""))
    if signature is None:
        return "signature_malformed"
    return Transmission(identity, stamp, signature, headers.get("paypal-cert-url", ""))


def _decoded(written: str) -> bytes | None:
    """Read Base64 in the one spelling that a writer gives it."""
    if not 0 < len(written) <= _MAX_SIGNATURE:
        return None
    try:
        signature = b64decode(written, validate=True)
    except ValueError:
        return None
    return signature if b64encode(signature).decode("ascii") == written else None


def is_fresh(stamp: str, now: datetime) -> bool:
    """Tell whether a delivery was sent lately enough, and not from the future."""
    try:
        age = (now - datetime.fromisoformat(stamp)).total_seconds()
    except (ValueError, OverflowError):
        return False
    return -facts.AHEAD_SECONDS <= age <= facts.STALE_SECONDS


def _certificate_fault(response: HttpResponse) -> Verdict | None:
    if response.status in _NO_SUCH_CERTIFICATE:
        return Forged(f"certificate_http_{response.status}")
    if response.status != answers.OK:
        return Unverifiable(f"certificate_http_{response.status}")
    if len(response.body) > certificates.MAX_BYTES:
        return Unverifiable("certificate_too_large")
    return None


def signed_message(sent: Transmission, webhook_id: str, body: bytes) -> bytes:
    """Give the bytes that PayPal signs; the checksum is of the raw body."""
    message = f"{sent.id}|{sent.time}|{webhook_id}|{crc32(body)}"
    return message.encode("utf-8", "surrogatepass")


def holds(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    """Tell whether the signature is of this message, under this key."""
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
