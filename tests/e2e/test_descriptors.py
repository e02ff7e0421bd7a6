"""The real daemon without file descriptors, and without memory: nothing is lost.

Without descriptors it stays up, says so once and serves again when there are some.
Where it is started with few it admits fewer connections, so that it never comes to
that. Memory is limited as RLIMIT_AS: a cgroup of its own needs a right that
continuous integration rarely has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from refundwatch.api.client import wait_until_ready
from refundwatch.demo import processes
from tests.driving import driven, logged, ready_word
from tests.staging import running, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.driving import Drive
    from tests.faults import FaultTable
    from tests.staging import Running

pytestmark = pytest.mark.xdist_group("heavy")

CROWD = 200
LIMIT = 64
FEW = 120
STARVED_SECONDS = 3.0
MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def crowd(system: Running) -> AsyncIterator[None]:
    """Hold idle connections at the public listener, as many as one peer may."""
    port = system.folder.ports.webhooks
    held = []
    try:
        for _ in range(CROWD):
            with contextlib.suppress(OSError):
                held.append(await asyncio.open_connection("127.0.0.1", port))
        yield
    finally:
        for _, writer in held:
            writer.close()


@contextlib.asynccontextmanager
async def crowd_at_once(system: Running) -> AsyncIterator[None]:
    """Let the crowd stand in the kernel's queue before the daemon sees any of it."""
    system.daemon.send_signal(signal.SIGSTOP)
    try:
        async with crowd(system):
            system.daemon.send_signal(signal.SIGCONT)
            yield
    finally:
        system.daemon.send_signal(signal.SIGCONT)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_without_descriptors_it_stays_up_and_serves_again(
    tmp_path: Path, faults: FaultTable
) -> None:
    async with running(tmp_path, settings()) as system:
        async with driven(system, 40) as drive:
            await asyncio.sleep(0.5)
            await starve(system)
            await serves(drive)
            await restart_with_few(system)
            async with crowd_at_once(system):
                await serves(drive)

        assert len(logged(system, "descriptors:few")) == 1
        assert len(logged(system, "descriptors:exhausted")) == 1
        faults.add("F24", "no descriptor left", 1, **drive.cost.numbers)
        faults.add("F24", "few descriptors, a crowd", 1, **drive.cost.numbers)
        end_well(drive)


async def starve(system: Running) -> None:
    """Leave no descriptor for some seconds."""
    pid = system.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, before[1]))
    spent = cpu_seconds(pid)
    async with crowd(system):
        await asyncio.sleep(STARVED_SECONDS)
        assert len(logged(system, "descriptors:exhausted")) == 1
    spent = cpu_seconds(pid) - spent
    assert spent < STARVED_SECONDS * 0.8, f"a storm: {spent} s of processor"
    assert system.daemon.returncode is None
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    async with asyncio.timeout(30):
        while not logged(system, "descriptors:enough"):  # noqa: ASYNC110 - its log
            await asyncio.sleep(0.05)


async def restart_with_few(system: Running) -> None:
    await processes.end(system.daemon)
    system.daemon = await start_limited(system, f"ulimit -n {FEW}")


async def start_limited(system: Running, limit: str) -> asyncio.subprocess.Process:
    """Start the daemon under a limit of the shell."""
    command = processes.command(
        "daemon", "--config", str(system.folder.path / "config.toml")
    )
    with (system.folder.path / "daemon.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'{limit}; exec "$@"', "sh", *command),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
    assert await wait_until_ready(system.folder.server, None, 30)
    return child


async def serves(drive: Drive) -> None:
    """Wait until refunds and deliveries are taken again."""
    taken = len(drive.returns.taken)
    answered = drive.deliveries.answers[200]
    end = time.monotonic() + 30
    while (
        len(drive.returns.taken) <= taken or drive.deliveries.answers[200] <= answered
    ):
        assert time.monotonic() < end, "it serves no more"
        await asyncio.sleep(0.05)
    assert await ready_word(drive.system) == (200, "ready")


async def test_without_memory_it_goes_on_or_ends_and_loses_nothing(
    tmp_path: Path, faults: FaultTable
) -> None:
    async with running(tmp_path, settings()) as system:
        async with driven(system, 40) as drive:
            for spare in (2, 0):
                await asyncio.sleep(0.5)
                await squeeze(system, spare * MIB)
        faults.add("F24", "no memory left (RLIMIT_AS)", 2, **drive.cost.numbers)
        end_well(drive)


async def squeeze(system: Running, spare_bytes: int) -> None:
    """Allow it hardly more memory than it has, under load; then start it anew.

    Where an allocation fails in a library that cannot bear it the process aborts: that
    is a kill at any moment, with a word about memory on stderr.
    """
    pid = system.daemon.pid
    most = address_space_bytes(pid) + spare_bytes
    resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.5):
            await system.daemon.wait()
    if system.daemon.returncode is None:
        system.daemon.kill()
    await system.daemon.wait()
    await system.restart()


def address_space_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def end_well(drive: Drive) -> None:
    assert drive.balance is not None
    assert drive.balance.failures == []
    assert drive.wrong_answers == []
