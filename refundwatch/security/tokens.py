"""Bearer tokens: made, read and compared; only their hashes are ever stored.

Invariant: no object here shows a secret in its repr, a mistyped token is refused by
its checksum before anything is looked up, and secrets are compared in constant time.

A token is `rwk_` + 8 characters public id + `_` + 43 characters secret (256 bits in
base64url) + 6 characters CRC-32 (base64url) over all before it. The fixed prefix lets
scanners find leaked tokens; `rws_` begins the token of a session. Roles and expiry
belong to the stored row.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b32encode, urlsafe_b64encode
from binascii import crc32
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.errors import TokenInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX: Final = "rwk_"
SESSION_PREFIX: Final = "rws_"
_ID_BYTES: Final = 5
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(
    r"(?P<signed>rw[ks]_(?P<id>[a-z2-7]{8})_(?P<secret>[A-Za-z0-9_-]{43}))"
    r"(?P<checksum>[A-Za-z0-9_-]{6})"
)


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token: `text` is shown once, `id` and `secret_sha256` are stored."""

    id: str
    text: str = field(repr=False)
    secret_sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What a caller presented: the id to look up, the hash to compare."""

    id: str
    secret_sha256: bytes = field(repr=False)


def mint(
    entropy: Callable[[int], bytes] = secrets.token_bytes, *, prefix: str = PREFIX
) -> MintedToken:
    """Make a token; `entropy` gives that many random bytes."""
    token_id = b32encode(entropy(_ID_BYTES)).decode("ascii").lower()
    secret = _base64url(entropy(_SECRET_BYTES))
    signed = f"{prefix}{token_id}_{secret}"
    return MintedToken(token_id, signed + _checksum(signed), hash_secret(secret))


def parse(text: str) -> PresentedToken:
    """Read a presented token, its checksum first.

    Raises:
        TokenInvalid: it is not a token, or was mistyped.
    """
    match = _FORM.fullmatch(text)
    if match is None or match["checksum"] != _checksum(match["signed"]):
        raise TokenInvalid("This is not a valid token.")
    return PresentedToken(match["id"], hash_secret(match["secret"]))


def hash_secret(secret: str) -> bytes:
    """Hash a secret for storing: 256 random bits need no slow hash."""
    return sha256(secret.encode("ascii")).digest()


def matches(presented: PresentedToken, stored_sha256: bytes) -> bool:
    """Compare a presented token with a stored hash, in constant time."""
    return hmac.compare_digest(presented.secret_sha256, stored_sha256)


def _checksum(signed: str) -> str:
    return _base64url(crc32(signed.encode("ascii")).to_bytes(4, "big"))


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
