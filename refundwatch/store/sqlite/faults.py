"""What an error of SQLite means for the work at hand.

Invariant: an error after which nobody can say what is on the disk ends the store; an
error that certainly stored nothing is named and may be tried again.

Source: "Result and Error Codes", https://www.sqlite.org/rescode.html (read 2026-11).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from refundwatch.errors import RefundwatchError, StoreBusy, StoreFailed, StoreFull

_FATAL: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def named_fault(error: sqlite3.Error) -> RefundwatchError | None:
    """Name the condition that an error stands for; None for a bug of ours.

    The text of the error is SQLite's own and never holds a value of a row.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull("The database is full; nothing of this was stored.")
    if code in _BUSY:
        return StoreBusy("Another program holds the database; nothing was stored.")
    if code in _FATAL:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        return StoreFailed(f"The database failed ({name}): {error}.")
    return None
