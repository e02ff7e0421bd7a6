"""Opens SQLite: the one connection that writes, those that only read, and the lock.

Invariant: at most one process, and in it one connection, ever writes to a database;
SQLite before 3.51.3 can damage a WAL database that two connections write to at once.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import aiosqlite

from refundwatch.errors import StoreBusy, StoreLocked, StoreUnusable
from refundwatch.store.sqlite.faults import named_fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

MEMORY: Final = ":memory:"
BUSY_MS: Final = 5000
LONG_LOG_PAGES: Final = 8192
"""Pages of the log (32 MiB) from which readers are waited for, to begin it anew."""

LONG_LOG_MS: Final = 200
_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_CACHED_STATEMENTS: Final = 512
_CACHE_KIB: Final = 65_536


def open_writer(path: Path | None) -> sqlite3.Connection:
    """Open the writing connection; None is a database in memory.

    Raises:
        StoreUnusable: the file cannot be opened, or cannot be made durable.
    """
    if path is not None:
        _make_private(path)
    # The thread that opens it is not the thread that writes; never two at once.
    connection = sqlite3.connect(
        MEMORY if path is None else path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    connection.row_factory = sqlite3.Row
    try:
        _set_durable(connection, in_memory=path is None)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreUnusable(f"{path} cannot be used: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _set_durable(connection: sqlite3.Connection, *, in_memory: bool) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != ("memory" if in_memory else "wal"):
        raise StoreUnusable(f"The journal mode is {mode}; only WAL is safe here.")
    connection.execute("PRAGMA synchronous = FULL")
    # SQLite hides the errors of the checkpoints it takes by itself.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    # What a savepoint keeps to undo would go to a file of its own, elsewhere: a commit
    # must not fail because that disk is full, or no descriptor is left.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def check_integrity(connection: sqlite3.Connection) -> None:
    """Refuse a damaged database.

    Raises:
        StoreUnusable: pages or indexes contradict each other.
    """
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"The database cannot be read: {error}.") from error
    if verdict != "ok":
        raise StoreUnusable(f"The database is damaged: {verdict}.")


def empty_log(connection: sqlite3.Connection) -> None:
    """Move what the write-ahead log holds into the database, and begin it anew.

    A log that outlived a failed sync can be whole in memory and torn on the disk: what
    would be committed behind the tear would be lost with it.

    Raises:
        StoreBusy: another program reads or writes the database.
        StoreFailed: it could not be made durable.
        StoreFull: there is no room for it.
    """
    try:
        row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        raise named_fault(error) or error from error
    if row[0]:
        raise StoreBusy(
            "Another program has the database open in a transaction; it must end "
            "before the daemon can start."
        )


def move_log(connection: sqlite3.Connection) -> None:
    """Move the log into the database; begin it anew where it grew long.

    Where somebody always reads, the log is never unused for a moment and would grow
    without end. Each reader is waited for, but a slow one not for long.
    """
    pages = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    if pages < LONG_LOG_PAGES:
        return
    connection.execute(f"PRAGMA busy_timeout = {LONG_LOG_MS}")
    try:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def _make_private(path: Path) -> None:
    """Create folder and file for our eyes only; SQLite's side files take its mode."""
    opened = _open_private(path)
    try:
        os.fchmod(opened, _FILE_MODE)
    finally:
        os.close(opened)


def _open_private(path: Path) -> int:
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _FILE_MODE)
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be opened: {error.strerror}.") from error


class InstanceLock:
    """An exclusive lock beside the database, held as long as the process lives."""

    __slots__ = ("_opened",)

    def __init__(self, path: Path) -> None:
        """Take the lock of the database at `path`.

        Raises:
            StoreLocked: another process holds it; the message names its pid.
            StoreUnusable: the folder or the lock file cannot be opened.
        """
        file = path.with_name(path.name + ".lock")
        self._opened: int | None = _open_private(file)
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._opened, 32, 0).decode("ascii", "replace").strip()
            self.release()
            raise StoreLocked(
                f"{path} is in use by process {holder or 'unknown'}."
            ) from error
        os.ftruncate(self._opened, 0)
        os.pwrite(self._opened, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would race."""
        opened, self._opened = self._opened, None
        if opened is not None:
            os.close(opened)


class ReadingConnection(sqlite3.Connection):
    """A connection that keeps what an answer worked out for the next question."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Connect, with nothing kept."""
        super().__init__(*arguments, **options)
        self.kept: dict[object, object] = {}


class Reader(aiosqlite.Connection):
    """A read-only connection in a thread of its own."""

    async def run(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer one question from one state of the database, in one hop.

        The whole question is one function in the database's thread: cancelling the
        task that waits for it leaves no transaction open.
        """

        def answer() -> T:
            connection = self._conn
            connection.execute("BEGIN")
            try:
                return question(connection)
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

        try:
            found: T = await self._execute(answer)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            fault = named_fault(error)
            if fault is None:
                raise
            raise fault from error
        return found


async def open_reader(path: Path) -> Reader:
    """Open a read-only connection of an existing database."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
            factory=ReadingConnection,
        )
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    reader = Reader(connect, iter_chunk_size=64)
    await reader
    return reader
