"""One statement for many rows, instead of many statements for one row each.

Invariant: the rows are bound as parameters, in their order. Every step of a statement
gives Python's lock away and must win it back, so fewer and longer ones are cheaper
twice.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from refundwatch.store.rows import SqlValue

_ROW: Final = re.compile(r"\bVALUES (\(\?(?:, \?)*\))")
_SIZES: Final = (64, 16, 4, 1)
"""Few sizes, so that few statements have to be kept prepared."""


def change_all(
    connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[SqlValue, ...]]
) -> None:
    """Run a statement whose `VALUES (?, …)` stands for one row, for all rows."""
    for statement, values in _parts(sql, rows):
        connection.execute(statement, values)


def every_of(
    connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[SqlValue, ...]]
) -> list[sqlite3.Row]:
    """Give every row that a question finds for the rows in its `VALUES (?, …)`."""
    found: list[sqlite3.Row] = []
    for statement, values in _parts(sql, rows):
        found += connection.execute(statement, values).fetchall()
    return found


def _parts(
    sql: str, rows: Sequence[tuple[SqlValue, ...]]
) -> Iterator[tuple[str, list[SqlValue]]]:
    begin = 0
    while begin < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - begin)
        part = rows[begin : begin + size]
        yield _for_rows(sql, size), [value for row in part for value in row]
        begin += size


@cache
def _for_rows(sql: str, size: int) -> str:
    def repeat(match: re.Match[str]) -> str:
        return f"VALUES {', '.join([match[1]] * size)}"

    return _ROW.sub(repeat, sql)
