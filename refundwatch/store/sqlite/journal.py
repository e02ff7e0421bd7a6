"""The sequencer: gives each audit entry its place, in the commit of what it records.

Invariant: `seq` has no gap and `prev` is the leaf hash before; what a unit of work
appended vanishes with the unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.domain.audit import FIRST_PREV, entry_bytes
from refundwatch.domain.merkle import leaf_hash
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.many import change_all

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.rows import SqlValue

_SQL = named_queries("sqlite", "journal")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry before it has its place."""

    at: datetime
    kind: str
    actor: str
    refund_id: str | None
    data: Mapping[str, JsonValue]


class Journal:
    """Appends entries; `mark` and `rewind` go with savepoints."""

    __slots__ = ("_connection", "_held", "_next", "_prev")

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Continue behind the newest committed entry."""
        self._connection = connection
        self._held: list[tuple[SqlValue, ...]] | None = None
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
        self.append_all((NewEntry(at, kind, actor, refund_id, data),))
        return self.last_seq

    def append_all(self, entries: Iterable[NewEntry]) -> None:
        """Append entries in their order.

        Raises:
            InvariantBroken, NotCanonical: one of them cannot be written.
        """
        rows: list[tuple[SqlValue, ...]] = []
        seq, prev = self._next, self._prev
        for new in entries:
            about = (new.at, new.kind, new.actor, new.refund_id)
            entry = entry_bytes(seq, *about, new.data, prev)
            prev = leaf_hash(entry)
            rows.append((seq, entry, prev, micros(new.at), *about[1:]))
            seq += 1
        if self._held is None:
            change_all(self._connection, _SQL["append"], rows)
        else:
            self._held += rows
        self._next, self._prev = seq, prev

    def hold(self) -> None:
        """Let entries have their places, and write them with `release`."""
        self._held = []

    def release(self) -> None:
        """Write the entries that were held, in as few statements as that takes."""
        held, self._held = self._held or [], None
        change_all(self._connection, _SQL["append"], held)

    def mark(self) -> tuple[int, bytes]:
        """Remember the place before a unit of work."""
        return self._next, self._prev

    def rewind(self, mark: tuple[int, bytes]) -> None:
        """Return to the place before a unit that was rolled back."""
        self._held = None
        self._next, self._prev = mark
