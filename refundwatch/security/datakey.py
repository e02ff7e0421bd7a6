"""Data keys as rows: made, wrapped under a key-encrypting key, checked, unwrapped.

Invariant: a row holds no key in the clear, and a wrapped key opens only under its own
id, for its own purpose and with the key-encrypting key that the row names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from refundwatch.errors import InvariantBroken, KeyMismatch, KeyMissing
from refundwatch.security.keyfile import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from refundwatch.security.keyfile import KeyRing

NONCE_BYTES: Final = 12
_CHECK_TEXT: Final = b"refundwatch/kek-check/v1"


class KeyState(StrEnum):
    """What a wrapped key is for."""

    CURRENT = "current"
    DECRYPT_ONLY = "decrypt_only"
    INDEX = "index"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row of `data_key`: a data key wrapped under the key-encrypting key `kek_id`."""

    dek_id: int
    kek_id: str
    wrapped: bytes = field(repr=False)
    created_at: datetime
    uses: int
    state: KeyState


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A known value sealed under `kek_id`, by which a wrong key is told apart."""

    kek_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Rows to insert or replace, in one transaction, before they are adopted."""

    rows: tuple[WrappedKey, ...] = ()
    checks: tuple[KeyCheck, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to store."""
        return bool(self.rows or self.checks)


@dataclass(frozen=True, slots=True)
class KeyWrapper:
    """Wraps and unwraps data keys with the keys of a ring."""

    ring: KeyRing
    entropy: Callable[[int], bytes] = field(repr=False)

    def new_key(self, dek_id: int, state: KeyState, now: datetime) -> WrappedKey:
        """Draw a data key and wrap it under the current key."""
        row = WrappedKey(dek_id, self.ring.current, b"", now, 0, state)
        return self._wrap(self.entropy(KEY_BYTES), row)

    def rewrap(self, row: WrappedKey) -> WrappedKey:
        """Give the row wrapped under the current key, the same one if it is already."""
        if row.kek_id == self.ring.current or row.state is KeyState.DESTROYED:
            return row
        return self._wrap(self.unwrap(row), replace(row, kek_id=self.ring.current))

    def unwrap(self, row: WrappedKey) -> bytes:
        """Give the data key itself.

        Raises:
            KeyMissing: the ring lacks the key that the row names.
            KeyMismatch: the ring's key of that id is another, or the row was changed.
        """
        key = self.ring.keys.get(row.kek_id)
        if key is None:
            message = (
                f"Data key {row.dek_id} needs key {row.kek_id}, which the key file "
                "lacks."
            )
            raise KeyMissing(message)
        opened = _opened(key, row.wrapped, _purpose(row))
        if opened is None:
            message = (
                f"Key {row.kek_id} of the key file does not open data key "
                f"{row.dek_id}: it is another key, or the row was changed."
            )
            raise KeyMismatch(message)
        return opened

    def new_check(self) -> KeyCheck:
        """Seal the known value under the current key."""
        kek_id = self.ring.current
        sealed = self._sealed(self.ring.keys[kek_id], _CHECK_TEXT, parts(kek_id))
        return KeyCheck(kek_id, sealed)

    def verify(self, check: KeyCheck) -> bool:
        """Tell whether the ring has the check's key.

        Raises:
            KeyMismatch: it has another key under that id.
        """
        key = self.ring.keys.get(check.kek_id)
        if key is None:
            return False
        if _opened(key, check.sealed, parts(check.kek_id)) != _CHECK_TEXT:
            message = f"Key {check.kek_id} of the key file is not the key of before."
            raise KeyMismatch(message)
        return True

    def _wrap(self, key: bytes, row: WrappedKey) -> WrappedKey:
        wrapped = self._sealed(self.ring.keys[row.kek_id], key, _purpose(row))
        return replace(row, wrapped=wrapped)

    def _sealed(self, key: bytes, plain: bytes, bound: bytes) -> bytes:
        nonce = self.entropy(NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def only(rows: Iterable[WrappedKey], state: KeyState) -> WrappedKey | None:
    """Give the one row in a state, or None.

    Raises:
        InvariantBroken: several rows are in it.
    """
    found = [row for row in rows if row.state is state]
    if len(found) > 1:
        message = f"The store has {len(found)} data keys in the state {state}."
        raise InvariantBroken(message)
    return found[0] if found else None


def parts(*texts: str) -> bytes:
    """Join texts so that no two sequences of texts share their bytes."""
    octets = [text.encode("utf-8") for text in texts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in octets)


def _purpose(row: WrappedKey) -> bytes:
    """Bind a wrapped key to its id, its key-encrypting key and what it is for."""
    use = "index" if row.state is KeyState.INDEX else "field"
    return parts(f"refundwatch/{use}-key/v1", str(row.dek_id), row.kek_id)


def _opened(key: bytes, sealed: bytes, bound: bytes) -> bytes | None:
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, body, bound)
    except (InvalidTag, ValueError):
        return None
