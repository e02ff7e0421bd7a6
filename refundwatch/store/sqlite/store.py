"""The store on SQLite, opened.

Invariant: one thread writes and takes whatever waits into one commit; readers see
committed rows only; a task that stops waiting never leaves a unit half done.

How the parts meet, since the vault's keys live in the store that needs the vault:

    store = await open_sqlite_store(path)                # locked, checked, migrated
    known = await store.read(LoadKeys())                 # wrapped keys, maybe none
    vault = Vault(ring, ..rows of known..)               # refuses a wrong key file
    plan = vault.plan(now)
    if plan:
        await store.execute(SaveKeys(now, plan.rows, plan.checks))
        vault.adopt(plan)
    store.attach_sealer(vault, vault.usage)
    await store.execute(OpenHouse(...))                  # ids, configuration
    await store.execute(AbandonAttempts(..., all_open=True))

Until `attach_sealer` every unit that would seal something is refused. When a commit
cannot be made durable, `on_failure` is called once and everything raises StoreFailed:
the process must end, and recovers when it starts again.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from refundwatch.errors import (
    InvariantBroken,
    StoreBusy,
    StoreClosed,
    StoreFailed,
    StoreFull,
)
from refundwatch.store.sqlite import units as _units  # noqa: F401 - registers
from refundwatch.store.sqlite.connection import (
    InstanceLock,
    Reader,
    check_integrity,
    empty_log,
    open_reader,
    open_writer,
)
from refundwatch.store.sqlite.line import Job, Line
from refundwatch.store.sqlite.migrations import migrate
from refundwatch.store.sqlite.registry import Reading, answer_of
from refundwatch.store.sqlite.writer import Batch, Done, Failed, Outcome, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from refundwatch.domain.roster import Roster
    from refundwatch.store.contract import (
        Command,
        Committed,
        KeyRow,
        Query,
        Sealer,
        Signatures,
    )

R = TypeVar("R")

MAX_WAITING: Final = 2048
"""Units that may wait for the writer; whoever comes then waits for a place."""

READERS: Final = 3

SQLITE_VERSION: Final = sqlite3.sqlite_version
"""The version that writes; to be logged at start."""


class SqliteStore(ABC):
    """What both ways of running share; `refundwatch.store.contract.Store` is met."""

    def __init__(self, writer: Writer, connection: sqlite3.Connection) -> None:
        """Serve one writing connection."""
        self._writer = writer
        self._connection = connection
        self._listeners: list[Callable[[Committed], None]] = []
        self._on_refusal: Callable[[BaseException | None], None] | None = None

    @property
    def failure(self) -> StoreFailed | None:
        """Give why the store is dead, if it is."""
        return self._writer.failure

    def attach_sealer(
        self, sealer: Sealer, usage: Callable[[], KeyRow | None] | None = None
    ) -> None:
        """Let columns be sealed from now on; the uses of its key are stored too."""

        def used() -> tuple[int, int] | None:
            row = usage() if usage is not None else None
            return None if row is None else (row.dek_id, row.uses)

        self._writer.usage = used
        self._writer.sealer = sealer

    def attach_signatures(self, signatures: Signatures) -> None:
        """Let people's statements be checked from now on; before, none counts."""
        self._writer.people.signatures = signatures

    @property
    def signatures(self) -> Signatures:
        """Give what checks signatures."""
        return self._writer.people.signatures

    @property
    def roster(self) -> Roster | None:
        """Give who the operators are; None where nobody signs."""
        return self._writer.people.roster

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `listener` in the event loop after commits; return how to stop."""
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def hear_refusals(self, listener: Callable[[BaseException | None], None]) -> None:
        """Let `listener` hear in the event loop when the database refuses work.

        It gets the error when that begins (full, or held by a stranger), and None
        when the database takes work again.
        """
        self._on_refusal = listener

    def _publish(self, committed: Committed | None) -> None:
        if committed is not None:
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                # Each by itself: the error of one is not the silence of another.
                loop.call_soon(listener, committed)

    @abstractmethod
    async def execute(self, command: Command[R]) -> R:
        """Do a unit of work; it is durable when this returns."""

    @abstractmethod
    def submit(self, command: Command[R]) -> asyncio.Future[R]:
        """Let a unit wait; it is durable when the future has its result."""

    @abstractmethod
    async def read(self, query: Query[R]) -> R:
        """Answer a question from committed rows."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what waits and close every connection."""


class InlineStore(SqliteStore):
    """Runs every unit where it is asked for: no thread, for simulations."""

    async def execute(self, command: Command[R]) -> R:
        """Do a unit of work; other tasks get their turn before and after."""
        await asyncio.sleep(0)
        batch = self._writer.run((command,))
        self._publish(batch.committed)
        await asyncio.sleep(0)
        result: R = _result(batch.outcomes[0])
        return result

    def submit(self, command: Command[R]) -> asyncio.Future[R]:
        """Do a unit of work in a task of its own."""
        return asyncio.ensure_future(self.execute(command))

    async def read(self, query: Query[R]) -> R:
        """Answer a question on the writing connection, between units."""
        await asyncio.sleep(0)
        self._connection.execute("BEGIN")
        try:
            reading = Reading(self._connection, self._writer.sealer)
            found: R = answer_of(query)(reading, query)
        finally:
            self._connection.execute("ROLLBACK")
        return found

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class ThreadedStore(SqliteStore):
    """One writing thread, and reading connections beside it."""

    def __init__(
        self,
        writer: Writer,
        connection: sqlite3.Connection,
        readers: tuple[Reader, ...],
        lock: InstanceLock,
        on_failure: Callable[[StoreFailed], None] | None,
    ) -> None:
        """Begin to take work in the running event loop."""
        super().__init__(writer, connection)
        self._loop = asyncio.get_running_loop()
        self._lock = lock
        self._on_failure = on_failure
        self._refusing = False
        self._seq = writer.last_seq
        self.most_waiting = 0
        self.most_reads = 0
        self._reads = 0
        self._places = asyncio.Semaphore(MAX_WAITING)
        self._line = Line(self._loop)
        self._closed = False
        self._ended = asyncio.Event()
        self._readers = readers
        self._idle: asyncio.Queue[Reader] = asyncio.Queue()
        for reader in readers:
            self._idle.put_nowait(reader)
        self._thread = Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def execute(self, command: Command[R]) -> R:
        """Do a unit of work; it is durable when this returns.

        A task that is cancelled here waits until its unit is done or undone.
        """
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise StoreClosed("The store is closing.")
        return await _to_its_end(self._enter(command, placed=True))

    def submit(self, command: Command[R]) -> asyncio.Future[R]:
        """Let a unit wait without waiting for a place; its outcome comes later."""
        if self._closed:
            refused: asyncio.Future[R] = self._loop.create_future()
            refused.set_exception(StoreClosed("The store is closing."))
            return refused
        return self._enter(command, placed=False)

    def _enter(self, command: Command[R], *, placed: bool) -> asyncio.Future[R]:
        outcome: asyncio.Future[R] = self._loop.create_future()
        self._line.put(Job(command, outcome, placed))
        return outcome

    async def read(self, query: Query[R]) -> R:
        """Answer a question from committed rows."""
        answer, sealer = answer_of(query), self._writer.sealer
        if self._closed:
            raise StoreClosed("The store is closing.")
        self._reads += 1
        self.most_reads = max(self.most_reads, self._reads)
        try:
            reader = await self._idle.get()
            try:
                if self._closed:
                    raise StoreClosed("The store is closing.")
                return await reader.run(
                    lambda connection: answer(Reading(connection, sealer), query)
                )
            finally:
                self._idle.put_nowait(reader)
        finally:
            self._reads -= 1

    async def close(self) -> None:
        """Finish what waits, then close every connection and give the lock back."""
        first, self._closed = not self._closed, True
        if first:
            self._line.close()
        await self._ended.wait()
        if not first:
            return
        if self.failure is not None:
            # The last to close would sync again what a sync has failed for; those who
            # only read cannot.
            self._connection.close()
        try:
            for reader in self._readers:
                await reader.close()
        finally:
            self._connection.close()
            self._lock.release()

    # --- in the writing thread ----------------------------------------------------

    def _work(self) -> None:
        while jobs := self._line.take():
            self.most_waiting = max(self.most_waiting, len(jobs) + len(self._line))
            self._tell(self._resolve, jobs, self._run(jobs))
        self._tell(self._ended.set)

    def _run(self, jobs: list[Job]) -> Batch:
        try:
            return self._writer.run([job.command for job in jobs])
        except BaseException as error:  # noqa: BLE001 - it belongs to those who wait
            return Batch([Failed(error) for _ in jobs], None)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # A loop that is closed has nobody waiting any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    # --- in the event loop --------------------------------------------------------

    def _resolve(self, jobs: list[Job], batch: Batch) -> None:
        for job, outcome in zip(jobs, batch.outcomes, strict=True):
            if job.placed:
                self._places.release()
            match outcome:
                case Done():
                    job.outcome.set_result(outcome.value)
                case Failed():
                    job.outcome.set_exception(outcome.error)
        self._publish(batch.committed)
        self._watch(batch)
        if self.failure is not None and self._on_failure is not None:
            told, self._on_failure = self._on_failure, None
            told(self.failure)

    def _watch(self, batch: Batch) -> None:
        """Tell when the database begins to refuse work, and when it takes it again.

        Only a commit that wrote is a sign of the end: many units find nothing to do.
        """
        if self._on_refusal is None:
            return
        wrote = batch.committed is not None and batch.committed.last_seq > self._seq
        if batch.committed is not None:
            self._seq = batch.committed.last_seq
        refusal = next((it for it in batch.outcomes if _is_refusal(it)), None)
        if isinstance(refusal, Failed) and not self._refusing:
            self._refusing = True
            self._on_refusal(refusal.error)
        elif refusal is None and wrote and self._refusing:
            self._refusing = False
            self._on_refusal(None)


def _is_refusal(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and isinstance(
        outcome.error, StoreBusy | StoreFull
    )


async def _to_its_end(outcome: asyncio.Future[R]) -> R:
    """Wait for an outcome; when cancelled, wait for it all the same, then go."""
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        while not outcome.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((outcome,))
        # Seen, so that nobody is told of an error that nobody waits for.
        outcome.exception()
        raise


def _result(outcome: Outcome) -> Any:
    match outcome:
        case Done():
            return outcome.value
        case Failed():
            raise outcome.error


async def open_sqlite_store(
    path: Path | None,
    sealer: Sealer | None = None,
    *,
    inline: bool = False,
    hook: Callable[[str], None] | None = None,
    entropy: Callable[[int], bytes] = os.urandom,
    on_failure: Callable[[StoreFailed], None] | None = None,
) -> SqliteStore:
    """Open a store: lock, check, migrate, then begin to work.

    `inline` runs units in the caller's task, without thread and lock; only so may
    `path` be None, a database in memory. `hook` is called with `begin`,
    `before_commit` and `after_commit` of each commit.

    Raises:
        StoreLocked: another process has it.
        StoreUnusable: it is damaged, newer than this program, or not ours.
        StoreBusy: a stranger holds it.
        StoreFailed, StoreFull: what it held could not be made durable.
    """
    if path is None and not inline:
        raise InvariantBroken("A database in memory has no second connection.")
    lock = InstanceLock(path) if path is not None and not inline else None
    try:
        store = await _opened(path, lock, hook, entropy, on_failure)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    if sealer is not None:
        store.attach_sealer(sealer)
    return store


async def _opened(
    path: Path | None,
    lock: InstanceLock | None,
    hook: Callable[[str], None] | None,
    entropy: Callable[[int], bytes],
    on_failure: Callable[[StoreFailed], None] | None,
) -> SqliteStore:
    connection = open_writer(path)
    readers: list[Reader] = []
    try:
        check_integrity(connection)
        empty_log(connection)
        migrate(connection)
        writer = Writer(connection, entropy=entropy, hook=hook)
        if path is None or lock is None:
            return InlineStore(writer, connection)
        for _ in range(READERS):
            readers.append(await open_reader(path))  # noqa: PERF401 - closed below
        return ThreadedStore(writer, connection, tuple(readers), lock, on_failure)
    except BaseException:
        for reader in readers:
            await reader.close()
        connection.close()
        raise
