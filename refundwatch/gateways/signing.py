"""Signatures of webhooks: HMAC over raw bytes, compared in constant time.

Invariant: a signature holds only for the exact bytes, written exactly as the gateway
writes it, under one of the given secrets; a reason for refusing never holds a secret,
a digest or a part of the body.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256, sha512
from hmac import compare_digest
from hmac import new as new_hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_UNIX: Final = re.compile(r"[0-9]{1,12}")
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_HEX_KEY: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,64}")
MAX_SIGNATURES: Final = 16
"""More in one header are not checked: rotation needs two."""


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Give the HMAC-SHA256 of raw bytes."""
    return new_hmac(key, message, sha256).digest()


def hmac_sha512(key: bytes, message: bytes) -> bytes:
    """Give the HMAC-SHA512 of raw bytes."""
    return new_hmac(key, message, sha512).digest()


def any_equal(expected: Iterable[str], given: Iterable[str]) -> bool:
    """Tell whether one text of each is the same, without stopping at the first."""
    candidates = [text.encode("utf-8", "surrogatepass") for text in given]
    found = False
    for text in expected:
        octets = text.encode("utf-8", "surrogatepass")
        for candidate in candidates:
            found |= compare_digest(octets, candidate)
    return found


# --- `t=…,v1=…`: a stamp and a digest in one header -------------------------------


@dataclass(frozen=True, slots=True)
class StampedSignature:
    """A parsed header: the stamp as written, and its digests of scheme `v1`."""

    stamp: str
    digests: tuple[str, ...]


def parse_stamped(header: str) -> StampedSignature | None:
    """Read `t=<unix>,v1=<hex>[,v1=<hex>…]`; other schemes are passed over."""
    stamps: list[str] = []
    digests: list[str] = []
    for part in header.split(","):
        scheme, _, value = part.strip().partition("=")
        if scheme == "t":
            stamps.append(value)
        elif scheme == "v1" and _HEX_DIGEST.fullmatch(value):
            digests.append(value)
    if len(stamps) != 1 or not _UNIX.fullmatch(stamps[0]) or not digests:
        return None
    return StampedSignature(stamps[0], tuple(digests[:MAX_SIGNATURES]))


def stamped_fault(
    header: str | None,
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    tolerance_seconds: int,
) -> str | None:
    """Say why a stamped signature does not hold, or None where it does.

    The signed bytes are the stamp as written, a point, and the body; a key is the
    whole secret as UTF-8. The stamp may be off by the tolerance in both directions:
    one from the future could be replayed for as long as it is ahead.
    """
    if header is None:
        return "signature_missing"
    parsed = parse_stamped(header)
    if parsed is None:
        return "signature_malformed"
    message = parsed.stamp.encode("ascii") + b"." + body
    expected = [hmac_sha256(s.encode("utf-8"), message).hex() for s in secrets if s]
    if not any_equal(expected, parsed.digests):
        return "signature_mismatch"
    if abs(now.timestamp() - int(parsed.stamp)) > tolerance_seconds:
        return "signature_stale"
    return None


# --- named fields, joined and signed ----------------------------------------------


def hex_keys(secrets: Sequence[str]) -> tuple[bytes, ...]:
    """Give the keys of the secrets that are hex; the others can verify nothing."""
    return tuple(bytes.fromhex(s) for s in secrets if _HEX_KEY.fullmatch(s))


def fields_hold(fields: Sequence[str], signature: str, keys: Sequence[bytes]) -> bool:
    """Tell whether `signature` is the Base64 HMAC of the fields joined by colons.

    Nothing in a field is escaped. The Base64 texts are compared, not their bytes: a
    decoder would accept several spellings of one digest.
    """
    message = ":".join(fields).encode("utf-8", "surrogatepass")
    expected = [b64encode(hmac_sha256(key, message)).decode("ascii") for key in keys]
    return any_equal(expected, (signature,))
