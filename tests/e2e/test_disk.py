"""Disks that fail under the real daemon and its real file: nothing is lost by them.

A failed sync ends the process, which never syncs again what failed, and recovers when
it is started; a full disk is refused with a name and survived without a restart. Both
are made by libfiu, which works everywhere and strikes the database alone (see
`tests/breaking.py`); a small tmpfs would need a right to mount, which continuous
integration rarely has, and RLIMIT_FSIZE gives EFBIG, which is no full disk.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import StoreFailed
from tests import breaking
from tests.driving import driven, logged, ready_word
from tests.staging import running, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Drive
    from tests.faults import FaultTable
    from tests.staging import Running

pytestmark = [
    pytest.mark.xdist_group("heavy"),
    pytest.mark.skipif(
        shutil.which("fiu-ctrl") is None,
        reason="there is no libfiu here (Debian: fiu-utils)",
    ),
]

ENDS = 4
FULL = 2


async def ended(system: Running) -> None:
    """Wait until the daemon has ended by the fault, and start it without."""
    async with asyncio.timeout(30):
        assert await system.daemon.wait() == StoreFailed.exit_code
    left = log_salts(system)
    assert left, "what a sync had failed for was synced again"
    await system.restart()
    assert log_salts(system) != left, "new commits stand behind what may be a tear"


def log_salts(system: Running) -> bytes:
    """Read what tells one write-ahead log from the next (SQLite's file format, 4.1)."""
    path = system.folder.path / "refundwatch.db-wal"
    return path.read_bytes()[16:24] if path.exists() else b""


async def test_failed_sync_ends_the_process_and_loses_nothing(
    tmp_path: Path, faults: FaultTable
) -> None:
    with breaking.breakable(tmp_path):
        async with running(tmp_path, settings()) as system:
            async with driven(system, 60) as drive:
                for number in range(ENDS):
                    await asyncio.sleep(0.5)
                    if number % 3 == 2:
                        await breaking.fail_writes(system)
                    else:
                        await breaking.fail_syncs(system, 0.2)
                    await ended(system)

            # A loop may say it too, without the code.
            told = [it for it in logged(system, "store:failed") if "code" in it]
            assert len(told) == ENDS
            for line in told:
                assert "SQLITE_IOERR" in str(line["detail"])
            faults.add("F4", "fsync error", ENDS - ENDS // 3, **drive.cost.numbers)
            faults.add("F4", "write error", ENDS // 3, **drive.cost.numbers)
            end_well(drive)


async def test_full_disk_is_refused_and_survived(
    tmp_path: Path, faults: FaultTable
) -> None:
    with breaking.breakable(tmp_path):
        async with running(tmp_path, settings()) as system:
            async with driven(system, 60) as drive:
                for _ in range(FULL):
                    await asyncio.sleep(0.5)
                    await fill_for_a_while(system, drive)
                assert system.daemon.returncode is None
                # And a kill while there is no room.
                await breaking.fill_disk(system)
                await until_refused(drive, drive.returns.problems["store.full"])
                system.daemon.kill()
                await system.daemon.wait()
                await system.restart()

            problems = drive.returns.problems
            assert {it for it in problems if it.startswith("store.")} == {"store.full"}
            assert drive.deliveries.answers[503] >= FULL
            assert len(logged(system, "store:refuses")) >= FULL
            assert len(logged(system, "api:error")) < 100, "a storm in the log"
            faults.add("F5", "disk full", FULL + 1, **drive.cost.numbers)
            end_well(drive)


async def fill_for_a_while(system: Running, drive: Drive) -> None:
    """Take the room, see everything refused, give it back, see it taken again."""
    refused = drive.returns.problems["store.full"]
    await breaking.fill_disk(system)
    await until_refused(drive, refused)
    assert await ready_word(system) == (503, "store.full")
    # Answers from before are on their way.
    await asyncio.sleep(0.5)
    taken = len(drive.returns.taken)
    await asyncio.sleep(0.5)
    assert len(drive.returns.taken) == taken, "acknowledged without room"
    await breaking.free_disk(system)
    async with asyncio.timeout(30):
        while await ready_word(system) != (200, "ready"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def until_refused(drive: Drive, before: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if drive.returns.problems["store.full"] > before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was refused")


def end_well(drive: Drive) -> None:
    assert drive.balance is not None
    assert drive.balance.failures == []
    assert drive.wrong_answers == []
