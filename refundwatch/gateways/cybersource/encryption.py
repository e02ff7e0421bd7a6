"""Opening what Cybersource encrypts for the merchant's certificate.

Invariant: a text is given only where its one accepted algorithm opened it whole; any
other text gives None, and no reason tells an oracle why.

Source: RFC 7516 (JSON Web Encryption), compact serialization; "Message-Level
Encryption", https://developer.cybersource.com (read 2026-11).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from refundwatch.gateways import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.gateways.reading import JsonObject

_MARK: Final = "-----BEGIN"
_KEY_BYTES: Final = 32
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PARTS: Final = 5
_WANTED: Final = {"alg": "RSA-OAEP-256", "enc": "A256GCM"}
_UNKNOWN_WAYS: Final = frozenset({"zip", "crit"})


def private_keys(secrets: Sequence[str]) -> tuple[RSAPrivateKey, ...]:
    """Give the RSA keys among the secrets, which stand there as PEM text."""
    marked = (one.strip() for one in secrets)
    keys = (_key(one) for one in marked if one.startswith(_MARK))
    return tuple(key for key in keys if key is not None)


@lru_cache(maxsize=8)
def _key(pem: str) -> RSAPrivateKey | None:
    """Read a key once: to check it takes longer than to use it."""
    try:
        key = load_pem_private_key(pem.encode("utf-8"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPrivateKey) else None


def decrypted(sealed: str, keys: Sequence[RSAPrivateKey]) -> bytes | None:
    """Open a compact JWE with the first key that fits; None where none does."""
    parts = sealed.split(".")
    octets = [_octets(part) for part in parts]
    if len(parts) != _PARTS or not all(octets):
        return None
    head, wrapped, iv, text, tag = (one or b"" for one in octets)
    if not _is_wanted(reading.object_or_none(head)):
        return None
    if len(iv) != _IV_BYTES or len(tag) != _TAG_BYTES:
        return None
    for key in keys:
        content_key = _unwrapped(key, wrapped)
        if content_key is not None:
            return _opened(content_key, iv, text + tag, parts[0].encode("ascii"))
    return None


def _octets(part: str) -> bytes | None:
    """Read the one spelling of each part: a decoder would accept several."""
    try:
        octets = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (Error, ValueError):
        return None
    spelled = urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
    return octets if spelled == part else None


def _is_wanted(head: JsonObject | None) -> bool:
    if head is None or not _UNKNOWN_WAYS.isdisjoint(head):
        return False
    return all(head.get(name) == value for name, value in _WANTED.items())


def _unwrapped(key: RSAPrivateKey, wrapped: bytes) -> bytes | None:
    padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    try:
        content_key = key.decrypt(wrapped, padding)
    except ValueError:
        return None
    return content_key if len(content_key) == _KEY_BYTES else None


def _opened(key: bytes, iv: bytes, sealed: bytes, head: bytes) -> bytes | None:
    try:
        return AESGCM(key).decrypt(iv, sealed, head)
    except InvalidTag:
        return None
