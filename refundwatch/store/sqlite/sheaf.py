"""What the units of one savepoint write together, at its end.

Invariant: a sheaf is written whole before its savepoint ends, or forgotten with it.
What stands in it no unit of the savepoint reads from the database: rows that are only
looked at later, sums, and the health of connections, which is read through the sheaf.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

from refundwatch.store.sqlite.many import change_all

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.store.rows import Row, SqlValue

    StateKey: TypeAlias = tuple[str, str, str]
    TallyKey: TypeAlias = tuple[str, int, str, str, str, str, int]


class Sheaf:
    """Rows and sums that wait for the end of their savepoint.

    `paths` and `standings` are what was read of connections, by id, `runs` which
    version answers each of their operations; `saves` what is to be said of each once,
    at the end.
    """

    __slots__ = (
        "_rows",
        "paths",
        "runs",
        "saves",
        "standings",
        "states",
        "tallied_at",
        "tallies",
    )

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: defaultdict[str, list[tuple[SqlValue, ...]]] = defaultdict(list)
        self.states: Counter[StateKey] = Counter()
        self.tallies: Counter[TallyKey] = Counter()
        self.tallied_at: datetime | None = None
        self.paths: dict[str, Row | None] = {}
        self.runs: dict[tuple[str, str], object] = {}
        self.standings: dict[str, object] = {}
        self.saves: dict[str, Callable[[], None]] = {}

    def put(self, sql: str, row: tuple[SqlValue, ...]) -> None:
        """Keep a row for its `INSERT … VALUES (?, …)`."""
        self._rows[sql].append(row)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the rows that were kept, in their order, a statement for many."""
        for sql, rows in self._rows.items():
            change_all(connection, sql, rows)
