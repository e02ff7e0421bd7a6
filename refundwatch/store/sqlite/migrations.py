"""Brings a database to the newest schema, forward only.

Invariant: a migration happens whole with its number or not at all; a database that a
newer program wrote is refused untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import StoreUnusable
from refundwatch.store import sql

if TYPE_CHECKING:
    import sqlite3

# "rfwt": lets `file` and a curious operator tell whose database this is.
APPLICATION_ID = 0x72667774


def migrate(
    connection: sqlite3.Connection,
    scripts: tuple[tuple[int, str], ...] | None = None,
) -> int:
    """Apply what is missing; give the version that the database now has.

    Raises:
        StoreUnusable: the database is newer than this program, or not ours.
    """
    known = sql.migrations("sqlite") if scripts is None else scripts
    present = _check_owner(connection)
    newest = len(known)
    if present > newest:
        raise StoreUnusable(
            f"The database has version {present}; this program knows up to {newest}. "
            "A newer refundwatch wrote it."
        )
    for number, script in known[present:]:
        _apply(connection, number, script)
    return newest


def _check_owner(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise StoreUnusable("This SQLite database is not one of refundwatch.")
    return version


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    """Run one script in a transaction of its own.

    `executescript` commits whatever is open before it begins, so the transaction has
    to stand inside the script.
    """
    whole = (
        f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_ID};\n"
        f"PRAGMA user_version = {number};\nCOMMIT;"
    )
    try:
        connection.executescript(whole)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
