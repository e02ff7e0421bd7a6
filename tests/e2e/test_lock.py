"""Strangers at our database: one that holds its lock, and a second daemon.

For two seconds nobody notices. For longer the daemon refuses by name, loses nothing,
and goes on by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from refundwatch.demo import processes
from refundwatch.errors import StoreBusy, StoreLocked
from tests.driving import driven, logged, ready_word
from tests.staging import free_of_errors, running, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.driving import Drive
    from tests.faults import FaultTable
    from tests.staging import Running

pytestmark = pytest.mark.xdist_group("heavy")


@contextlib.contextmanager
def stranger(system: Running) -> Iterator[None]:
    """Hold the write lock of the daemon's database."""
    path = system.folder.path / "refundwatch.db"
    with contextlib.closing(
        sqlite3.connect(path, isolation_level=None, timeout=10)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


async def test_strangers_lock_is_survived_and_second_daemon_refused(
    tmp_path: Path, faults: FaultTable
) -> None:
    async with running(tmp_path, settings()) as system:
        async with driven(system, 40) as drive:
            await asyncio.sleep(0.5)
            await hold_briefly(system, drive)
            await hold_for_long(system, drive)
            code, said = await start_another(system)
            assert code == StoreLocked.exit_code
            assert f"in use by process {system.daemon.pid}" in said
            # A start is refused as long as a stranger holds the lock.
            await processes.end(system.daemon)
            with stranger(system):
                code, said = await start_another(system)
            assert code == StoreBusy.exit_code
            assert "Another program" in said
            assert "Traceback" not in said
            await system.restart()

        faults.add("F6", "lock held for 2 s", 1, **drive.cost.numbers)
        faults.add("F6", "lock held for long", 1, **drive.cost.numbers)
        faults.add("F6", "lock held at the start", 1, **drive.cost.numbers)
        faults.add("F20", "second daemon on one folder", 1, **drive.cost.numbers)
        assert drive.balance is not None
        assert drive.balance.failures == []
        assert drive.wrong_answers == []
        assert [
            line for line in free_of_errors(system.folder) if "store.busy" not in line
        ] == []


async def hold_briefly(system: Running, drive: Drive) -> None:
    """Nobody notices two seconds: what comes waits, and is then done."""
    taken = len(drive.returns.taken)
    with stranger(system):
        await asyncio.sleep(2)
        assert len(drive.returns.taken) <= taken + 10
    async with asyncio.timeout(30):
        while len(drive.returns.taken) < taken + 10:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert not drive.returns.problems["store.busy"]
    assert logged(system, "store:refuses") == []


async def hold_for_long(system: Running, drive: Drive) -> None:
    """Past the busy timeout it is refused by name, once in the log, until the end."""
    with stranger(system):
        await until_busy(drive)
        assert await ready_word(system) == (503, "store.busy")
    async with asyncio.timeout(30):
        while await ready_word(system) != (200, "ready"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    (line,) = logged(system, "store:refuses")
    assert line["code"] == "store.busy"
    assert system.daemon.returncode is None


async def until_busy(drive: Drive) -> None:
    end = time.monotonic() + 40
    while not drive.returns.problems["store.busy"]:
        assert time.monotonic() < end, "nothing was refused"
        await asyncio.sleep(0.02)


async def start_another(system: Running) -> tuple[int, str]:
    """Start a daemon on the same folder; give its exit code and what it said."""
    child = await asyncio.create_subprocess_exec(
        *processes.command(
            "daemon", "--config", str(system.folder.path / "config.toml")
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(40):
        _, said = await child.communicate()
    assert child.returncode is not None
    return child.returncode, said.decode()
