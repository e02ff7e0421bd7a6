"""Webhooks of Cybersource: whose they are, and which part of them was signed.

Invariant: nothing is used of a delivery but what its signature covers; what it says of
a refund is asked for again, and only the answer counts.

Source: "Webhooks Implementation Guide" 26.7.01, "Message-Level Encryption",
https://developer.cybersource.com (read 2026-11); CyberSource/
cybersource-plugins-commercetools src/utils/helpers/AuthenticationHelper.ts.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.gateways import reading
from refundwatch.gateways.contract import Forged, Received, Unverifiable, Verdict
from refundwatch.gateways.cybersource import encryption, events, facts
from refundwatch.gateways.signing import any_equal, hmac_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from refundwatch.gateways.contract import AccountView, Operation, RawDelivery
    from refundwatch.gateways.reading import Json, JsonObject

_HEADER: Final = "v-c-signature"
_STAMP: Final = re.compile(r"[0-9]{1,15}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GREETINGS: Final = frozenset({b"", b"{}"})


def receive(
    account: AccountView,
    delivery: RawDelivery,
    secrets: Sequence[str],
    now: datetime,
) -> Operation[Verdict]:
    """Verify the raw bytes, then ask what became of the refunds that they name."""
    header = delivery.headers.get(_HEADER)
    if header is None and delivery.body.strip() in _GREETINGS:
        # The health check may be a POST; it says nothing and proves nothing.
        return Received(())
    covered = _verified(delivery.body, header, secrets, now)
    if isinstance(covered, Forged | Unverifiable):
        return covered
    return (yield from events.read(account, covered))


def _verified(
    body: bytes, header: str | None, secrets: Sequence[str], now: datetime
) -> events.Covered | Forged | Unverifiable:
    keys = _keys(secrets)
    if not keys:
        return Unverifiable("no_usable_secret")
    if header is None:
        return Forged("signature_missing")
    signature = _parsed(header)
    if signature is None:
        return Forged("signature_malformed")
    opened = _opened(body, secrets)
    if isinstance(opened, Forged | Unverifiable):
        return opened
    for text, covered in _signable(body, opened):
        if _holds(text, signature, keys):
            if _is_stale(signature, now):
                return Forged("signature_stale")
            return covered
    return Forged("signature_mismatch")


# --- the signature ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Signature:
    stamp: str
    digest: str


def _parsed(header: str) -> _Signature | None:
    """Read `t=<ms>;keyId=<id>;sig=<base64>`; a Base64 text ends with `=` itself."""
    named: dict[str, str] = {}
    for part in header.strip('"; \t').split(";"):
        name, _, value = part.strip().partition("=")
        if name in named:
            return None
        named[name] = value.strip()
    stamp, digest = named.get("t", ""), named.get("sig", "")
    if not _STAMP.fullmatch(stamp) or not digest:
        return None
    return _Signature(stamp, digest)


def _keys(secrets: Sequence[str]) -> tuple[bytes, ...]:
    """Give the keys that are Base64; a private key among them verifies nothing."""
    return tuple(key for key in map(_decoded, secrets) if key)


def _decoded(secret: str) -> bytes | None:
    try:
        return b64decode(secret.strip(), validate=True)
    except (Error, ValueError):
        return None


def _holds(text: bytes, signature: _Signature, keys: Sequence[bytes]) -> bool:
    message = signature.stamp.encode("ascii") + b"." + text
    expected = [b64encode(hmac_sha256(key, message)).decode("ascii") for key in keys]
    return any_equal(expected, (signature.digest,))


def _is_stale(signature: _Signature, now: datetime) -> bool:
    try:
        stamped = _EPOCH + timedelta(milliseconds=int(signature.stamp))
    except OverflowError:
        return True
    return abs(now - stamped) > timedelta(seconds=facts.STALE_SECONDS)


# --- what may have been signed ----------------------------------------------------


def _opened(
    body: bytes, secrets: Sequence[str]
) -> bytes | Forged | Unverifiable | None:
    """Decrypt an encrypted body; None where it is not encrypted."""
    sealed = _sealed(reading.object_or_none(body))
    if sealed is None:
        return None
    keys = encryption.private_keys(secrets)
    if not keys:
        return Unverifiable("no_decryption_key")
    text = encryption.decrypted(sealed, keys)
    return Forged("not_for_our_key") if text is None else text


def _sealed(body: JsonObject | None) -> str | None:
    """Give the encrypted text, which is the body's only member or its payload's."""
    for holder in (body, reading.member(body, "payload")):
        sealed = reading.text(holder, "encData", limit=reading.MAX_BYTES)
        if sealed is not None:
            return sealed
    return None


def _signable(
    body: bytes, opened: bytes | None
) -> Iterator[tuple[bytes, events.Covered]]:
    """Give every text that official sources sign, with what each of them covers."""
    text = body if opened is None else opened
    envelope = reading.object_or_none(text)
    whole = events.of_envelope(envelope, text)
    if envelope is not None and "payload" in envelope:
        payload = envelope["payload"]
        alone = events.of_payload(payload, _slice(text.decode("utf-8"), "payload"))
        yield alone.text, alone
        yield _compact(payload), alone
    yield text, whole
    if opened is not None:
        # Whoever signed the encrypted text signed what is in it.
        yield body, whole
        outer = reading.object_or_none(body)
        if outer is not None and "payload" in outer:
            yield _slice(body.decode("utf-8"), "payload"), whole
            yield _compact(outer["payload"]), whole


def _compact(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


_SPACE: Final = re.compile(r"[ \t\n\r]*")
_SCANNER: Final = json.JSONDecoder()


def _slice(text: str, wanted: str) -> bytes:
    """Give the bytes of one member as they stand in an object that was read whole."""
    at = _after_space(text, _after_space(text, 0) + 1)
    while True:
        name, at = _SCANNER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)
        start = at
        _, at = _SCANNER.raw_decode(text, at)
        if name == wanted:
            return text[start:at].encode("utf-8")
        at = _after_space(text, _after_space(text, at) + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
