"""Keys and references derived from what a refund is, never drawn.

Invariant: the same instance, account, payment, caller's request and generation give
the same key for ever, also on a database restored from an old backup; any other
input gives another key.

Every part of the hashed text, the label too, is written as its length in four bytes,
big-endian, and its UTF-8 bytes, so that no two inputs share a text.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

from refundwatch.domain.canonical import canonical_sha256
from refundwatch.errors import InvariantBroken, TextInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.domain.canonical import JsonValue

_KEY_LABEL: Final = "refundwatch/idem/v1"
_REFERENCE_LABEL: Final = "refundwatch/ref/v1"
_KEY_LENGTH: Final = 32
_REFERENCE_LENGTH: Final = 18


def derive_key(
    instance: str,
    account: str,
    payment_reference: str,
    request_id: str,
    generation: int,
) -> str:
    """Give the idempotency key: 32 characters of `a-z2-7`.

    Raises:
        TextInvalid: a part is no valid Unicode.
        InvariantBroken: the generation is negative.
    """
    parts = (instance, account, payment_reference, request_id)
    return _base32(_digest(_KEY_LABEL, parts, generation))[:_KEY_LENGTH]


def derive_uuid(
    instance: str,
    account: str,
    payment_reference: str,
    request_id: str,
    generation: int,
) -> str:
    """Give the idempotency key in the form of a UUID of version 8.

    Raises:
        TextInvalid: a part is no valid Unicode.
        InvariantBroken: the generation is negative.
    """
    return key_as_uuid(
        derive_key(instance, account, payment_reference, request_id, generation)
    )


def key_as_uuid(key: str) -> str:
    """Render a stored idempotency key as a UUID of version 8 (RFC 9562).

    The first 16 bytes of the digest stay, except the six bits of version and variant.

    Raises:
        InvariantBroken: the key was not made by `derive_key`.
    """
    if len(key) != _KEY_LENGTH or key != key.lower() or not key.isascii():
        raise InvariantBroken(_NO_KEY)
    try:
        digest = b32decode(key.upper())
    except ValueError as error:
        raise InvariantBroken(_NO_KEY) from error
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(UUID(int=number))


def merchant_reference(
    instance: str,
    account: str,
    payment_reference: str,
    request_id: str,
    generation: int,
) -> str:
    """Give our reference at the gateway: `rw` and 18 characters of `a-z2-7`.

    Twenty characters fit the shortest reference field known (Authorize.Net's
    `invoiceNumber`).

    Raises:
        TextInvalid: a part is no valid Unicode.
        InvariantBroken: the generation is negative.
    """
    parts = (instance, account, payment_reference, request_id)
    digest = _digest(_REFERENCE_LABEL, parts, generation)
    return "rw" + _base32(digest)[:_REFERENCE_LENGTH]


def request_fingerprint(request: Mapping[str, JsonValue]) -> str:
    """Give the SHA-256, in hex, of a caller's request in canonical form.

    Raises:
        NotCanonical: the request holds what canonical JSON cannot, such as a float.
    """
    return canonical_sha256(request)


_NO_KEY: Final = "An idempotency key is 32 characters of a-z2-7."


def _digest(label: str, parts: tuple[str, ...], generation: int) -> bytes:
    if generation < 0:
        message = "A generation is never negative."
        raise InvariantBroken(message)
    hashed = sha256()
    for part in (label, *parts, str(generation)):
        octets = _utf8(part)
        hashed.update(len(octets).to_bytes(4, "big") + octets)
    return hashed.digest()


def _utf8(part: str) -> bytes:
    try:
        return part.encode("utf-8")
    except UnicodeEncodeError as error:
        message = "A reference or request id is not valid Unicode text."
        raise TextInvalid(message) from error


def _base32(digest: bytes) -> str:
    return b32encode(digest).decode("ascii").lower()
