from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.errors import (
    AmountExceedsRefundable,
    StoreBusy,
    StoreClosed,
    StoreFailed,
    StoreFull,
)
from refundwatch.store.contract import (
    AuditNote,
    Command,
    Committed,
    ListAlarms,
    RaiseAlarm,
)
from refundwatch.store.sqlite import connection as opening
from refundwatch.store.sqlite import writer as writing
from refundwatch.store.sqlite.journal import Journal
from refundwatch.store.sqlite.registry import unit
from refundwatch.store.sqlite.store import (
    InlineStore,
    ThreadedStore,
    open_sqlite_store,
)
from refundwatch.store.sqlite.writer import Failed, Writer
from tests.making import HOUSE, START, make_payment, make_refund, open_house
from tests.sealer import OpenSealer
from tests.store.looking import dump, kinds, size, value, verified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from refundwatch.store.sqlite.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Wait(Command[int]):
    """Hold the writer until the gate opens."""

    number: int
    entered: threading.Event
    gate: threading.Event


@unit(Wait)
def _wait(tx: Transaction, command: Wait) -> int:
    tx.append(START, "test:waited", "system", None, {"number": command.number})
    command.entered.set()
    assert command.gate.wait(10)
    return command.number


@dataclass(frozen=True, slots=True)
class Break(Command[None]):
    """Write, then fail as a bug would."""


@unit(Break)
def _break(tx: Transaction, _command: Break) -> None:
    tx.append(START, "test:broken", "system", None, {})
    tx.touch("send")
    raise ZeroDivisionError


@dataclass(frozen=True, slots=True)
class Fill(Command[None]):
    """Write many bytes."""

    size: int


@unit(Fill)
def _fill(tx: Transaction, command: Fill) -> None:
    tx.change(
        "INSERT INTO key_check (kek_id, sealed) VALUES ('big', zeroblob(?))",
        (command.size,),
    )


@dataclass(frozen=True, slots=True)
class Rewrite(Command[None]):
    """Change many pages that stand already."""


@unit(Rewrite)
def _rewrite(tx: Transaction, command: Rewrite) -> None:
    del command
    tx.change("UPDATE key_check SET sealed = randomblob(length(sealed))")


def note(number: int) -> AuditNote:
    return AuditNote(START, "test:noted", "system", {"number": number})


@pytest.fixture
async def threaded(tmp_path: Path) -> AsyncIterator[ThreadedStore]:
    store = await open_sqlite_store(tmp_path / "hub" / "store.sqlite", OpenSealer())
    assert isinstance(store, ThreadedStore)
    try:
        await store.execute(HOUSE)
        yield store
    finally:
        await store.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def held(store: ThreadedStore, gate: threading.Event) -> asyncio.Task[int]:
    """Keep the writing thread busy, so that what comes now comes together."""
    entered = threading.Event()
    task = asyncio.create_task(store.execute(Wait(0, entered, gate)))
    await asyncio.to_thread(entered.wait, 10)
    return task


# --- group commit -----------------------------------------------------------------


async def test_what_waits_goes_into_one_commit(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    seen: list[Committed] = []
    threaded.subscribe(seen.append)
    busy = await held(threaded, gate)
    tasks = [asyncio.create_task(threaded.execute(note(n))) for n in range(50)]
    await asyncio.sleep(0)
    gate.set()

    await asyncio.gather(busy, *tasks)
    await asyncio.sleep(0)

    assert [committed.last_seq for committed in seen] == [1, 51]


async def test_a_failing_unit_takes_no_other_along(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    payment = await make_payment(threaded, 100)
    length = size(threaded)
    seen: list[Committed] = []
    threaded.subscribe(seen.append)
    busy = await held(threaded, gate)
    good = asyncio.create_task(threaded.execute(note(1)))
    bad = asyncio.create_task(threaded.execute(Break()))
    greedy = asyncio.create_task(make_refund(threaded, payment, 101))
    last = asyncio.create_task(threaded.execute(RaiseAlarm(START, "k", "info", "s")))
    await asyncio.sleep(0)
    gate.set()

    found = await asyncio.gather(busy, good, bad, greedy, last, return_exceptions=True)
    await asyncio.sleep(0)

    assert found[1] is None
    assert isinstance(found[2], ZeroDivisionError)
    assert isinstance(found[3], AmountExceedsRefundable)
    assert found[4] == 1
    assert kinds(threaded, length) == ["test:waited", "test:noted", "alarm:opened"]
    assert seen[-1].touched == {"alarm"}
    assert verified(threaded)


async def test_parallel_refunds_through_the_thread_give_one(
    threaded: ThreadedStore,
) -> None:
    payment = await make_payment(threaded, 10_000)
    wishes = [make_refund(threaded, payment, 6_000) for _ in range(200)]

    found = await asyncio.gather(*wishes, return_exceptions=True)

    errors = [each for each in found if isinstance(each, AmountExceedsRefundable)]
    assert len(errors) == 199


async def test_a_cancelled_caller_leaves_a_whole_unit(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    busy = await held(threaded, gate)
    waiting = asyncio.create_task(threaded.execute(note(1)))
    failing = asyncio.create_task(threaded.execute(Break()))
    await asyncio.sleep(0)
    for task in (busy, waiting, failing, waiting):
        task.cancel()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.set()

    found = await asyncio.gather(busy, waiting, failing, return_exceptions=True)

    assert {type(each) for each in found} == {asyncio.CancelledError}
    assert kinds(threaded)[-2:] == ["test:waited", "test:noted"]
    await threaded.execute(note(2))
    assert verified(threaded)


async def test_more_than_may_wait_waits_outside(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    threaded._places = asyncio.Semaphore(3)
    busy = await held(threaded, gate)
    tasks = [asyncio.create_task(threaded.execute(note(n))) for n in range(10)]
    await asyncio.sleep(0.01)

    assert sum(task.done() for task in tasks) == 0
    assert threaded._places.locked()
    gate.set()
    await asyncio.gather(busy, *tasks)
    assert kinds(threaded).count("test:noted") == 10
    # One of the three places was the busy unit's.
    assert threaded.most_waiting <= 3


# --- reading and closing ----------------------------------------------------------


async def test_readers_see_only_what_is_committed(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    busy = await held(threaded, gate)

    before = await threaded.read(ListAlarms())
    gate.set()
    await busy
    await threaded.execute(RaiseAlarm(START, "k", "info", "s"))

    assert before == ()
    alarms = await threaded.read(ListAlarms())
    assert len(alarms) == 1


async def test_a_reader_cannot_write(threaded: ThreadedStore) -> None:
    reader = threaded._readers[0]

    with pytest.raises(StoreFailed, match="READONLY"):
        await reader.run(lambda connection: connection.execute("DELETE FROM alarm"))


async def test_cancelled_readers_leave_the_pool_whole(threaded: ThreadedStore) -> None:
    tasks = [asyncio.create_task(threaded.read(ListAlarms())) for _ in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(each == () for each in found[1::2])
    assert threaded._idle.qsize() == len(threaded._readers)
    assert await threaded.read(ListAlarms()) == ()


async def test_a_question_that_waits_while_closing_is_refused(tmp_path: Path) -> None:
    store = await open_sqlite_store(tmp_path / "store.sqlite", OpenSealer())
    asked = [asyncio.create_task(store.read(ListAlarms())) for _ in range(20)]
    await asyncio.sleep(0)

    await store.close()
    found = await asyncio.gather(*asked, return_exceptions=True)

    assert all(each == () or isinstance(each, StoreClosed) for each in found)


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = await open_sqlite_store(path, OpenSealer())
    await store.execute(HOUSE)
    tasks = [asyncio.create_task(store.execute(note(n))) for n in range(20)]
    await asyncio.sleep(0)

    await asyncio.gather(store.close(), store.close())

    assert all(task.done() and task.exception() is None for task in tasks)
    with pytest.raises(StoreClosed):
        await store.execute(note(1))
    with pytest.raises(StoreClosed):
        await store.read(ListAlarms())
    again = await open_sqlite_store(path, OpenSealer())
    try:
        assert size(again) == 21
    finally:
        await again.close()
    assert not path.with_name("store.sqlite-wal").exists()


async def test_a_listener_that_stopped_hears_nothing(store: InlineStore) -> None:
    seen: list[Committed] = []
    stop = store.subscribe(seen.append)
    stop()
    stop()

    await store.execute(note(1))
    await asyncio.sleep(0)

    assert seen == []


# --- crashes ----------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("place", "stored"), [("begin", 0), ("before_commit", 0), ("after_commit", 1)]
)
async def test_a_crash_leaves_a_unit_whole_or_none(
    tmp_path: Path, place: str, stored: int
) -> None:
    path = tmp_path / "store.sqlite"
    armed = False

    def hook(at: str) -> None:
        if armed and at == place:
            raise Crash

    store = await open_house(path, hook)
    payment = await make_payment(store)
    length = size(store)
    armed = True
    with pytest.raises(Crash):
        await make_refund(store, payment)
    store._connection.close()
    armed = False

    again = await open_sqlite_store(path, OpenSealer(), inline=True)
    try:
        assert value(again, "SELECT count(*) FROM refund") == stored
        assert value(again, "SELECT reserved_minor FROM payment") == stored * 1_000
        assert size(again) == length + stored
        await make_refund(again, payment)
        assert verified(again)
    finally:
        await again.close()


async def test_a_crash_before_the_commit_does_not_shift_the_log() -> None:
    armed = False

    def hook(at: str) -> None:
        if armed and at == "before_commit":
            raise Crash

    store = await open_house(hook=hook)
    try:
        armed = True
        with pytest.raises(Crash):
            await store.execute(note(1))
        armed = False
        await store.execute(note(2))
        assert verified(store)
    finally:
        await store.close()


# --- disks that fail --------------------------------------------------------------


async def test_a_full_disk_fails_the_unit_that_fills_it(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    busy = await held(threaded, gate)
    pages = value(threaded, "PRAGMA page_count")
    threaded._connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    large = asyncio.create_task(threaded.execute(Fill(10_000_000)))
    small = asyncio.create_task(threaded.execute(note(1)))
    await asyncio.sleep(0)
    gate.set()

    found = await asyncio.gather(busy, large, small, return_exceptions=True)

    assert isinstance(found[1], StoreFull)
    assert found[2] is None
    assert threaded.failure is None
    assert value(threaded, "SELECT count(*) FROM key_check") == 0
    assert verified(threaded)


class Commits:
    """A connection whose COMMIT (or another statement) fails in a way that is told."""

    def __init__(
        self,
        real: sqlite3.Connection,
        code: int,
        times: int = 1,
        failing: str = "COMMIT",
    ) -> None:
        self._real = real
        self._code = code
        self._failing = failing
        self.left = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == self._failing and self.left:
            self.left -= 1
            error = sqlite3.OperationalError("it failed")
            error.sqlite_errorcode = self._code
            error.sqlite_errorname = "SQLITE_TEST"
            raise error
        return self._real.execute(sql, *values)


def writer_with(store: InlineStore, code: int, times: int = 1) -> Writer:
    failing = Commits(store._connection, code, times)
    writer = Writer(failing)  # type: ignore[arg-type]
    writer.sealer = OpenSealer()
    return writer


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_ERROR,
    ],
)
async def test_after_a_commit_that_failed_nothing_is_tried(
    store: InlineStore, code: int
) -> None:
    writer = writer_with(store, code)
    stored, length = dump(store), size(store)

    with pytest.raises(StoreFailed):
        writer.run((note(1),))
    with pytest.raises(StoreFailed):
        writer.run((note(2),))

    assert writer.failure is not None
    assert (dump(store), size(store)) == (stored, length)


async def test_a_disk_full_at_the_commit_is_tried_one_by_one(
    store: InlineStore,
) -> None:
    writer = writer_with(store, sqlite3.SQLITE_FULL, times=2)

    batch = writer.run((note(1), note(2)))

    assert [type(each).__name__ for each in batch.outcomes] == ["Failed", "Done"]
    failed = batch.outcomes[0]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StoreFull)
    assert batch.committed is not None
    assert writer.failure is None
    assert kinds(store, 1) == ["test:noted"]
    assert verified(store)


CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
async def test_a_checkpoint_without_room_is_taken_another_time(
    store: InlineStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_CHANGES", 1)
    failing = Commits(store._connection, code, failing=CHECKPOINT)
    writer = Writer(failing)  # type: ignore[arg-type]

    batches = [writer.run((note(n),)) for n in range(2)]

    assert failing.left == 0
    assert writer.failure is None
    assert all(batch.committed is not None for batch in batches)


async def test_a_checkpoint_that_failed_ends_the_store_but_not_what_was_committed(
    store: InlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_CHANGES", 1)
    failing = Commits(store._connection, sqlite3.SQLITE_IOERR_FSYNC, failing=CHECKPOINT)
    writer = Writer(failing)  # type: ignore[arg-type]

    batch = writer.run((note(1),))

    assert batch.committed is not None
    assert kinds(store, 1) == ["test:noted"]
    with pytest.raises(StoreFailed):
        writer.run((note(2),))


async def test_the_log_is_moved_into_the_database_before_it_grows_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_CHANGES", 50)
    store = await open_house(tmp_path / "store.sqlite")
    log = tmp_path / "store.sqlite-wal"
    try:
        for number in range(100):
            await store.execute(note(number))
        half = log.stat().st_size
        for number in range(300):
            await store.execute(note(number))
        assert log.stat().st_size < 2 * half
    finally:
        await store.close()


async def test_a_large_unit_needs_no_descriptor(threaded: ThreadedStore) -> None:
    # More than SQLite by itself keeps in memory to undo a savepoint.
    await threaded.execute(Fill(1_000_000))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        await threaded.execute(Rewrite())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert threaded.failure is None


def read_on(path: Path, stop: threading.Event, offset_seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        time.sleep(offset_seconds)
        while not stop.is_set():
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM audit_entry").fetchone()
            time.sleep(0.02)
            reader.execute("ROLLBACK")


async def test_readers_that_never_rest_do_not_let_the_log_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_CHANGES", 20)
    monkeypatch.setattr(opening, "LONG_LOG_PAGES", 100)
    path = tmp_path / "store.sqlite"
    store = await open_house(path)
    stop = threading.Event()
    readers = [
        threading.Thread(target=read_on, args=(path, stop, part / 150))
        for part in range(3)
    ]
    try:
        for reader in readers:
            reader.start()
        for number in range(600):
            await store.execute(note(number))
        # Each note changes some pages; nearly all would stand in the log.
        assert path.with_name("store.sqlite-wal").stat().st_size < 400 * 4120
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        await store.close()


async def test_after_a_failure_the_log_stays_for_the_next_start(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite"
    store = await open_sqlite_store(path, OpenSealer())
    assert isinstance(store, ThreadedStore)
    real = store._connection
    store._writer._connection = Commits(real, sqlite3.SQLITE_IOERR_FSYNC)  # type: ignore[assignment]
    with pytest.raises(StoreFailed):
        await store.execute(note(1))
    await store.close()
    log = path.with_name("store.sqlite-wal")
    assert log.stat().st_size > 0

    again = await open_sqlite_store(path, OpenSealer())
    try:
        assert log.stat().st_size == 0
        await again.execute(note(2))
    finally:
        await again.close()


async def test_a_stranger_at_the_start_is_named_and_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite"
    await (await open_house(path)).close()
    monkeypatch.setattr(opening, "BUSY_MS", 20)
    stranger = sqlite3.connect(path, isolation_level=None)
    try:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="before the daemon can start"):
            await open_sqlite_store(path, OpenSealer())
    finally:
        stranger.close()


async def test_whoever_waits_for_a_dead_store_is_told(
    threaded: ThreadedStore, gate: threading.Event
) -> None:
    told: list[StoreFailed] = []
    threaded._on_failure = told.append
    busy = await held(threaded, gate)
    real = threaded._connection
    threaded._writer._connection = Commits(real, sqlite3.SQLITE_IOERR_FSYNC)  # type: ignore[assignment]
    others = [asyncio.create_task(threaded.execute(note(n))) for n in range(3)]
    await asyncio.sleep(0)
    gate.set()

    found = await asyncio.gather(busy, *others, return_exceptions=True)
    later = await asyncio.gather(threaded.execute(note(9)), return_exceptions=True)

    assert {type(each) for each in (*found, *later)} == {StoreFailed}
    assert len(told) == 1
    assert threaded.failure is told[0]


async def test_a_stranger_with_the_lock_is_busy_and_not_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_MS", 20)
    store = await open_house(tmp_path / "store.sqlite")
    stranger = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    try:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await store.execute(note(1))
        stranger.execute("ROLLBACK")
        await store.execute(note(2))
        assert verified(store)
    finally:
        stranger.close()
        await store.close()


async def test_the_journal_continues_where_it_ended(store: InlineStore) -> None:
    await store.execute(note(1))

    assert Journal(store._connection).last_seq == 1
