from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import StoreBusy, StoreFull
from refundwatch.store.contract import AuditNote, CloseAlarm, CountStates
from refundwatch.store.sqlite.store import ThreadedStore, open_sqlite_store
from tests.making import START
from tests.sealer import OpenSealer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOTE = AuditNote(START, "test:noted", "system", {})
NOTHING = CloseAlarm(START, "no_such_kind", "nobody")


class Disk:
    """Fails each commit with this code, while it has one."""

    def __init__(self) -> None:
        self.code = 0
        self.heard: list[type[BaseException] | None] = []

    def reach(self, place: str) -> None:
        if place == "before_commit" and self.code:
            error = sqlite3.OperationalError("it failed")
            error.sqlite_errorcode = self.code
            raise error

    def hear(self, refusal: BaseException | None) -> None:
        self.heard.append(None if refusal is None else type(refusal))


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def store(tmp_path: Path, disk: Disk) -> AsyncIterator[ThreadedStore]:
    opened = await open_sqlite_store(
        tmp_path / "hub" / "store.sqlite", OpenSealer(), hook=disk.reach
    )
    assert isinstance(opened, ThreadedStore)
    opened.hear_refusals(disk.hear)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("code", "error"),
    [(sqlite3.SQLITE_FULL, StoreFull), (sqlite3.SQLITE_BUSY, StoreBusy)],
)
async def test_refusing_and_its_end_are_told_once(
    store: ThreadedStore, disk: Disk, code: int, error: type[BaseException]
) -> None:
    await store.execute(NOTE)
    disk.code = code
    for _ in range(3):
        with pytest.raises(error):
            await store.execute(NOTE)
    disk.code = 0
    for _ in range(3):
        await store.execute(NOTE)

    assert disk.heard == [error, None]


async def test_unit_that_finds_nothing_to_do_is_no_sign_of_room(
    store: ThreadedStore, disk: Disk
) -> None:
    disk.code = sqlite3.SQLITE_FULL
    with pytest.raises(StoreFull):
        await store.execute(NOTE)
    disk.code = 0
    await store.execute(NOTHING)
    assert disk.heard == [StoreFull]
    await store.execute(NOTE)
    assert disk.heard == [StoreFull, None]


async def test_the_most_that_waited_is_known(store: ThreadedStore) -> None:
    await asyncio.gather(*(store.execute(NOTE) for _ in range(40)))
    assert 1 <= store.most_waiting <= 40
    await asyncio.gather(*(store.read(CountStates()) for _ in range(20)))
    assert store.most_reads == 20
