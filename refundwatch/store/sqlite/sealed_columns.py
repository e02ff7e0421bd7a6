"""The only list of the columns that the vault seals.

Invariant: a column that holds a sealed value stands here, so that a new data key
reaches it; the place of a value is its table, its primary key and its column.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from refundwatch.store.rows import Row


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with sealed columns, and what its rows are told apart by."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    def primary_key(self, row: Row) -> str:
        """Give a row's primary key as it is bound to its sealed values."""
        return "/".join(str(row[column]) for column in self.key)


SEALED: Final = (
    SealedTable(
        "payment",
        ("id",),
        ("customer_name", "customer_email", "customer_account", "customer_last_four"),
    ),
    SealedTable("refund", ("id",), ("reason_text",)),
    SealedTable(
        "stored_request", ("refund_id", "generation"), ("target", "headers", "body")
    ),
    SealedTable(
        "decision",
        ("refund_id", "number"),
        ("reason_text", "statement", "signature"),
    ),
    SealedTable("note", ("subject", "number"), ("text",)),
    SealedTable("delivery_body", ("id",), ("body",)),
)


@contextmanager
def leaving_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """Let what is emptied here be overwritten in the file, not only let go."""
    before = connection.execute("PRAGMA secure_delete").fetchone()[0]
    connection.execute("PRAGMA secure_delete = ON").fetchone()
    try:
        yield
    finally:
        connection.execute(f"PRAGMA secure_delete = {int(before)}").fetchone()
