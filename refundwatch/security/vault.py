"""Sealed columns: envelope encryption bound to table, row and column.

Invariant: what was sealed for one place opens nowhere else, no key is used before its
wrapped row is stored, and a wrong key file stops the start instead of beginning a
second world. Nothing here touches a database: a store keeps the rows.

A sealed value is `layout[1] | dek_id[4] | nonce[12] | ciphertext and tag`. Layout 1 is
AES-256-GCM-SIV, which forgives a nonce that repeats after a restored machine; layout 2
is AES-256-GCM, for an OpenSSL without it.

The order of work, at start and by the calendar: `plan` says which rows to store; they
are committed; `adopt` begins to use them.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from dataclasses import replace
from datetime import timedelta
from enum import IntEnum
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from refundwatch.errors import (
    InvariantBroken,
    KeyMissing,
    SealBroken,
    TextInvalid,
)
from refundwatch.security.datakey import (
    NONCE_BYTES,
    KeyCheck,
    KeyPlan,
    KeyState,
    KeyWrapper,
    WrappedKey,
    only,
    parts,
)
from refundwatch.security.keyfile import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from refundwatch.security.keyfile import KeyRing

ROLL_AFTER_USES: Final = 2**30
ROLL_AFTER: Final = timedelta(days=90)
# NIST SP 800-38D allows 2^32 random nonces with one key of AES-GCM; a calendar that
# stood still must not lead there.
MOST_USES: Final = 2**32
INDEX_BYTES: Final = 16

_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = 5 + NONCE_BYTES


class Layout(IntEnum):
    """The first byte of a sealed value: which cipher sealed it."""

    GCM_SIV = 1
    GCM = 2


def best_layout() -> Layout:
    """Give the best layout that this machine's OpenSSL can write."""
    try:
        AESGCMSIV(bytes(KEY_BYTES))
    except UnsupportedAlgorithm:
        return Layout.GCM
    return Layout.GCM_SIV


def normalise(value: str) -> str:
    """Give the form in which two spellings of one name or address are equal.

    Compatibility forms, case and white space are evened out.
    """
    folded = unicodedata.normalize("NFKC", value).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


class Vault:
    """Seals, opens and indexes columns; may be used from several threads."""

    __slots__ = (
        "_checked",
        "_ciphers",
        "_current",
        "_entropy",
        "_index_key",
        "_index_keys",
        "_layout",
        "_lock",
        "_proof_keys",
        "_rows",
        "_uses",
        "_wrapper",
    )

    def __init__(
        self,
        ring: KeyRing,
        rows: Iterable[WrappedKey] = (),
        checks: Iterable[KeyCheck] = (),
        *,
        layout: Layout | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Unlock what the store holds; for an empty store begin with none.

        Raises:
            KeyMissing: a row needs a key that the ring lacks, or the rows are gone.
            KeyMismatch: a key of the ring is not the one of the same id before.
            InvariantBroken: the rows contradict each other.
        """
        self._wrapper = KeyWrapper(ring, entropy)
        self._layout = best_layout() if layout is None else layout
        self._entropy = entropy
        self._lock = Lock()
        self._rows: dict[int, WrappedKey] = {}
        self._ciphers: dict[tuple[int, int], AESGCM | AESGCMSIV] = {}
        self._current: int | None = None
        self._uses = 0
        self._index_key: bytes | None = None
        self._index_keys: dict[str, bytes] = {}
        self._proof_keys: dict[str, bytes] = {}
        stored, known = tuple(rows), tuple(checks)
        if known and not stored:
            message = "The store once had data keys; their rows are gone."
            raise KeyMissing(message)
        self._checked = {check.kek_id for check in known if self._wrapper.verify(check)}
        self._take(stored)

    def __repr__(self) -> str:
        """Name the current data key and nothing else."""
        return f"<Vault, data key {self._current}>"

    def seal(self, table: str, primary_key: str, column: str, plain: bytes) -> bytes:
        """Encrypt a value for one column of one row.

        Raises:
            InvariantBroken: no data key was adopted yet, or it is used up.
        """
        with self._lock:
            dek_id = self._current
            if dek_id is None:
                message = "There is no data key yet: store and adopt the plan first."
                raise InvariantBroken(message)
            if self._uses >= MOST_USES:
                message = f"Data key {dek_id} is used up and was not replaced."
                raise InvariantBroken(message)
            self._uses += 1
        layout = self._layout
        head = bytes((layout,)) + dek_id.to_bytes(4, "big")
        nonce = self._entropy(NONCE_BYTES)
        place = _place(table, primary_key, column, layout)
        cipher = self._ciphers[dek_id, layout]
        return head + nonce + cipher.encrypt(nonce, plain, place)

    def open(self, table: str, primary_key: str, column: str, sealed: bytes) -> bytes:
        """Decrypt a value that was sealed for exactly this place.

        Raises:
            SealBroken: it was changed or moved, or its data key is unknown.
        """
        layout = sealed[0] if len(sealed) >= _HEAD_BYTES + _TAG_BYTES else 0
        dek_id = int.from_bytes(sealed[1:5], "big")
        cipher = self._ciphers.get((dek_id, layout))
        if cipher is None:
            message = f"{table}.{column}: the value names no cipher and key known here."
            raise SealBroken(message)
        nonce, body = sealed[5:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        place = _place(table, primary_key, column, layout)
        try:
            return cipher.decrypt(nonce, body, place)
        except InvalidTag:
            message = f"{table}.{column}: the sealed value was changed or moved."
            raise SealBroken(message) from None

    def blind_index(self, column: str, value: str) -> bytes:
        """Give 16 bytes by which equal values of a column are found without opening.

        Equal values have equal indexes, which is what leaks; so not for columns of
        few values. The spelling is evened out first (`normalise`).

        Raises:
            TextInvalid: nothing is left of the value, or it is no valid Unicode.
            InvariantBroken: no index key was adopted yet.
        """
        key = self._index_keys.get(column) or self._derive_index_key(column)
        text = _utf8(normalise(value))
        if not text:
            message = "The value is empty or no valid Unicode: it has no index."
            raise TextInvalid(message, field=column)
        return hmac.digest(key, text, "sha256")[:INDEX_BYTES]

    def prove(self, kind: str, content: bytes) -> bytes:
        """Give the keyed hash of a row's content, 32 bytes; `kind` names the proof.

        Raises:
            InvariantBroken: no index key was adopted yet.
        """
        key = self._proof_keys.get(kind)
        if key is None:
            key = self._proof_keys[kind] = self._derive(b"proof|", kind)
        return hmac.digest(key, content, "sha256")

    def usage(self) -> WrappedKey | None:
        """Give the current data key's row with its uses so far, to be stored.

        Store it with whatever was sealed, so that a count is never behind the values.
        """
        with self._lock:
            if self._current is None:
                return None
            return replace(self._rows[self._current], uses=self._uses)

    def plan(self, now: datetime, *, renew: bool = False) -> KeyPlan:
        """Say which rows to store, so that `adopt` can begin to use them.

        That is: a first data key, or the next one after `ROLL_AFTER_USES` uses or
        `ROLL_AFTER`, or at once to `renew`; the index key; keys wrapped anew when
        another key-encrypting key became current; and its check value. Ask again only
        after adopting.
        """
        present = self.usage()
        stored = self._rows | ({present.dek_id: present} if present else {})
        planned = {dek_id: self._wrapper.rewrap(row) for dek_id, row in stored.items()}
        if present is not None and (renew or _is_due(present, now)):
            retired = replace(planned[present.dek_id], state=KeyState.DECRYPT_ONLY)
            planned[present.dek_id] = retired
        for state in (KeyState.CURRENT, KeyState.INDEX):
            if only(planned.values(), state) is None:
                dek_id = max(planned, default=0) + 1
                planned[dek_id] = self._wrapper.new_key(dek_id, state, now)
        changed = (row for key, row in planned.items() if stored.get(key) != row)
        known = self._wrapper.ring.current in self._checked
        checks = () if known else (self._wrapper.new_check(),)
        return KeyPlan(tuple(changed), checks)

    def adopt(self, plan: KeyPlan) -> None:
        """Begin to use rows that are now stored."""
        self._take(plan.rows)
        self._checked |= {check.kek_id for check in plan.checks}

    def use_ring(self, ring: KeyRing) -> None:
        """Wrap with another ring's keys from now on; `plan` says what that changes.

        Raises:
            KeyMissing, KeyMismatch: it does not open what is wrapped; nothing changed.
        """
        wrapper = KeyWrapper(ring, self._entropy)
        for row in self._rows.values():
            if row.state is not KeyState.DESTROYED:
                wrapper.unwrap(row)
        self._wrapper = wrapper

    def bury(self, dek_ids: Iterable[int]) -> None:
        """Note that the rows of data keys were emptied: they are never wrapped again.

        Until `forget` they still open what a reader of older rows holds.
        """
        gone = frozenset(dek_ids)
        with self._lock:
            self._rows = {
                dek_id: replace(row, wrapped=b"", state=KeyState.DESTROYED)
                if dek_id in gone
                else row
                for dek_id, row in self._rows.items()
            }

    def forget(self) -> None:
        """Let go of the data keys that were buried: they open nothing any more."""
        with self._lock:
            self._ciphers = {
                name: cipher
                for name, cipher in self._ciphers.items()
                if self._rows[name[0]].state is not KeyState.DESTROYED
            }

    def states(self) -> tuple[WrappedKey, ...]:
        """Give every data key's row, the uses of the current one as of now."""
        present = self.usage()
        rows = self._rows | ({present.dek_id: present} if present else {})
        return tuple(rows[dek_id] for dek_id in sorted(rows))

    @property
    def ring_ids(self) -> tuple[str, ...]:
        """Name the key-encrypting keys that are loaded, the current one first."""
        ring = self._wrapper.ring
        return (ring.current, *(it for it in ring.keys if it != ring.current))

    def _take(self, rows: tuple[WrappedKey, ...]) -> None:
        """Unwrap rows, then switch to them at once."""
        known = self._rows | {row.dek_id: row for row in rows}
        current = only(known.values(), KeyState.CURRENT)
        index = only(known.values(), KeyState.INDEX)
        for row in rows:
            if row.state is KeyState.DESTROYED:
                continue
            key = self._wrapper.unwrap(row)
            if row.state is KeyState.INDEX:
                self._index_key = key
            else:
                self._ciphers |= _ciphers(row.dek_id, key)
        if rows and (current is None or index is None):
            message = "The store lacks its current data key or its index key."
            raise KeyMissing(message)
        with self._lock:
            if current is not None and current.dek_id != self._current:
                self._current, self._uses = current.dek_id, current.uses
            self._rows = known

    def _derive_index_key(self, column: str) -> bytes:
        key = self._index_keys[column] = self._derive(b"blind|", column)
        return key

    def _derive(self, purpose: bytes, name: str) -> bytes:
        """Derive a key for one purpose from the index key, which is never replaced."""
        if self._index_key is None:
            message = "There is no index key yet: store and adopt the plan first."
            raise InvariantBroken(message)
        info = purpose + name.encode("utf-8")
        return HKDF(SHA256(), KEY_BYTES, None, info).derive(self._index_key)


def _utf8(text: str) -> bytes | None:
    """Encode a text, or give None: the error of encoding would carry it along."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None


def _is_due(row: WrappedKey, now: datetime) -> bool:
    return row.uses >= ROLL_AFTER_USES or now - row.created_at >= ROLL_AFTER


def _ciphers(dek_id: int, key: bytes) -> dict[tuple[int, int], AESGCM | AESGCMSIV]:
    made: dict[tuple[int, int], AESGCM | AESGCMSIV] = {
        (dek_id, Layout.GCM): AESGCM(key)
    }
    if best_layout() is Layout.GCM_SIV:
        made[dek_id, Layout.GCM_SIV] = AESGCMSIV(key)
    return made


def _place(table: str, primary_key: str, column: str, layout: int) -> bytes:
    before, after = _around(table, column, layout)
    return before + parts(primary_key) + after


@cache
def _around(table: str, column: str, layout: int) -> tuple[bytes, bytes]:
    """Give what stands around the primary key in a place: the same for every row."""
    return parts("refundwatch/field/v1", table), parts(column, str(layout))
