"""The sequencer: gives each audit entry its place, in the commit of what it records.

Invariant: `seq` has no gap and `prev` is the leaf hash before; what a unit of work
appended vanishes with the unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.audit import FIRST_PREV, entry_bytes
from refundwatch.domain.merkle import leaf_hash
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue

_SQL = named_queries("sqlite", "journal")


class Journal:
    """Appends entries; `mark` and `rewind` go with savepoints."""

    __slots__ = ("_connection", "_next", "_prev")

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Continue behind the newest committed entry."""
        self._connection = connection
        self._next, self._prev = 0, FIRST_PREV
        row = connection.execute(_SQL["newest"]).fetchone()
        if row is not None:
            self._next, self._prev = row["seq"] + 1, row["leaf_hash"]

    @property
    def last_seq(self) -> int:
        """Give the newest sequence, -1 for an empty log."""
        return self._next - 1

    def append(
        self,
        at: datetime,
        kind: str,
        actor: str,
        refund_id: str | None,
        data: Mapping[str, JsonValue],
    ) -> int:
        """Append an entry; give its sequence.

        Raises:
            InvariantBroken, NotCanonical: the entry cannot be written.
        """
        seq = self._next
        entry = entry_bytes(seq, at, kind, actor, refund_id, data, self._prev)
        leaf = leaf_hash(entry)
        self._connection.execute(
            _SQL["append"], (seq, entry, leaf, micros(at), kind, actor, refund_id)
        )
        self._next, self._prev = seq + 1, leaf
        return seq

    def mark(self) -> tuple[int, bytes]:
        """Remember the place before a unit of work."""
        return self._next, self._prev

    def rewind(self, mark: tuple[int, bytes]) -> None:
        """Return to the place before a unit that was rolled back."""
        self._next, self._prev = mark
