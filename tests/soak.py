"""A long steady load on a real daemon: does its memory stay flat, its queues bounded?

`python -m tests.soak` (or `make soak`) runs for 30 minutes, `--minutes N` for as long
as that; `tests/e2e/test_soak.py` runs half a minute of it. Webhooks and refunds come
by a timetable, whatever the daemon makes of them.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from refundwatch.demo.traffic import Returns
from refundwatch.errors import ApiUnreachable
from tests.driving import ACCOUNT, Cost, Deliveries, count_cost, reading
from tests.staging import THREE, free_of_errors, running, settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from refundwatch.demo.balance import Balance
    from refundwatch.demo.sandbox_admin import TakenPayment
    from tests.driving import Event
    from tests.staging import Running

MIB = 1024 * 1024
WIDEST_GROWTH = 1.1
SPARE_MIB = 16.0
"""What the second half may add beside a tenth: caches of the database still fill."""

TURN_SECONDS = 0.02
LOOK_SECONDS = 1.0
KNOWN = 2000
APPROVED = 0.05
LONGEST_LOG_MIB = 128
OK = 200
LOG = "write-ahead log, MiB"
REPEATED = 0.3
_METRIC = re.compile(r'refundwatch_queue_(high_water|bound){queue="(\w+)"} (\S+)')


@dataclass(slots=True)
class Found:
    """What a soak measured; `problems` is empty when all is well."""

    seconds: float
    rss_mib: list[float] = field(default_factory=list)
    queues: dict[str, dict[str, float]] = field(default_factory=dict)
    most_waiting: Counter[str] = field(default_factory=Counter)
    answers: Counter[int | None] = field(default_factory=Counter)
    requested: int = 0
    unreachable: int = 0
    changes: int = 0
    late: int = 0
    unsettled: dict[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    problems: list[str] = field(default_factory=list)

    def rss_around(self, part: float) -> float:
        """Give the median of a twentieth of the readings around a part of the time."""
        half = max(len(self.rss_mib) // 40, 1)
        at = min(max(round(len(self.rss_mib) * part), half), len(self.rss_mib) - half)
        return sorted(self.rss_mib[at - half : at + half])[half]

    def lines(self) -> list[str]:
        """Return what was found as text."""
        start, middle, end = (self.rss_around(part) for part in (0.05, 0.5, 1.0))
        webhooks = sum(self.answers.values()) / self.seconds
        refunds = self.requested / self.seconds
        others = {it: n for it, n in self.answers.items() if it != OK}
        lines = [
            f"{self.seconds:.0f} s, {webhooks:.0f} webhooks/s, {refunds:.0f} refunds/s",
            f"not answered 200: {others or 'none'}; left out as too late: {self.late}",
            f"requests answered too late: {self.unreachable}",
            f"changes followed: {self.changes}",
            f"RSS in MiB: start {start:.0f}, middle {middle:.0f}, end {end:.0f}",
            f"{'queue':<24}{'most':>10}{'bound':>10}",
        ]
        lines += [
            f"{name:<24}{it['high_water']:>10.0f}{it['bound']:>10.0f}"
            for name, it in sorted(self.queues.items())
        ]
        lines += [
            f"{name:<24}{most:>10}{'(stored)':>10}"
            for name, most in sorted(self.most_waiting.items())
        ]
        lines += [f"{what} at the end: {n}" for what, n in self.unsettled.items()]
        if self.cost is not None:
            lines.append(f"lost {len(self.cost.lost)}, twice {len(self.cost.twice)}")
        return [*lines, *(f"PROBLEM: {one}" for one in self.problems)]


class SmallReturns(Returns):
    """A returns system whose refunds hardly ever need anybody's approval."""

    def _payment(self) -> TakenPayment:
        whole = super()._payment()
        if self._rng.random() < APPROVED:
            return whole
        return replace(whole, amount_minor=self._rng.randrange(500, 7000))


class Load:
    """Webhooks, refunds, approvals and a watcher on one running system."""

    def __init__(self, system: Running, found: Found) -> None:
        self.system = system
        self.found = found
        self.deliveries = Deliveries(system, Random(5))
        self.rng = Random(6)
        self.stop = asyncio.Event()
        self._refunds: list[str] = []
        self._events: list[Event] = []

    async def deliver(self, rate: float) -> None:
        """Deliver signed events by the timetable, some of them again."""
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as session:
            await self._timetable(rate, lambda: self._post(session))
        self.found.answers = self.deliveries.answers

    async def _post(self, session: aiohttp.ClientSession) -> None:
        if self._events and self.rng.random() < REPEATED:
            event = self.rng.choice(self._events)
        else:
            event = self.deliveries.sign(self.rng.choice(self._refunds))
            self._events = [*self._events[-200:], event]
        await self.deliveries.post(session, event)

    async def _timetable(self, rate: float, act: Callable[[], Awaitable[None]]) -> None:
        begun, done, tasks = time.monotonic(), 0, set[asyncio.Task[None]]()
        while not self.stop.is_set():
            due = int((time.monotonic() - begun) * rate)
            if not self._refunds:
                begun = time.monotonic()
            elif len(tasks) > rate * 5:
                self.found.late += due - done
                done = due
            for _ in range(due - done if self._refunds else 0):
                task = asyncio.ensure_future(act())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            done = due if self._refunds else 0
            await asyncio.sleep(TURN_SECONDS)
        await asyncio.gather(*tasks)

    async def ask(self, rate: float) -> None:
        """Ask for refunds at a steady rate."""
        async with self.system.client(self.system.crew.returns) as client:
            tally = self.system.stage.tally
            returns = SmallReturns(client, self.system.sandbox, 5, tally, THREE)
            while not self.stop.is_set():
                try:
                    await returns.run(rate, self.stop)
                except ApiUnreachable:
                    # A machine that is too busy answers too late; it is counted.
                    tally.unreachable += 1
            self.found.requested = sum(tally.requested.values())
            self.found.unreachable = tally.unreachable

    async def follow(self) -> None:
        """Watch the feed as a dashboard would."""
        async with self.system.client() as client:
            try:
                async for _ in client.events():
                    self.found.changes += 1
                    if self.stop.is_set():
                        return
            except ApiUnreachable as error:
                self.found.problems.append(f"the feed ended: {error.message}")

    async def learn(self) -> None:
        """Learn now and then which refunds the gateway has."""
        while not self.stop.is_set():
            rows = await self.system.sandbox.executions()
            ids = [row.refund_id for row in rows if row.account == ACCOUNT]
            self._refunds = ids[-KNOWN:]
            with_nothing = 0.2 if not ids else 10.0
            await _rest(self.stop, with_nothing)

    async def look(self) -> None:
        """Read memory and what waits in the database."""
        while not self.stop.is_set():
            self.found.rss_mib.append(rss_mib(self.system))
            log = self.system.folder.path / "refundwatch.db-wal"
            log_mib = log.stat().st_size // MIB if log.exists() else 0
            waiting = {**stored(self.system), LOG: log_mib}
            for name, count in waiting.items():
                most = self.found.most_waiting
                most[name] = max(most[name], count)
            await _rest(self.stop, LOOK_SECONDS)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def rss_mib(system: Running) -> float:
    """Read the daemon's resident memory."""
    text = Path(f"/proc/{system.daemon.pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def stored(system: Running) -> dict[str, int]:
    """Count the work that waits as rows."""
    with reading(system) as connection:
        rows = {
            "deliveries waiting": "SELECT count(*) FROM delivery"
            " WHERE state = 'waiting'",
            "refunds queued": "SELECT count(*) FROM refund WHERE state = 'queued'",
        }
        return {
            name: int(connection.execute(sql).fetchone()[0])
            for name, sql in rows.items()
        }


async def high_water(system: Running) -> dict[str, dict[str, float]]:
    """Read every queue's most and bound from the daemon's metrics."""
    url = f"http://127.0.0.1:{system.folder.ports.health}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    found: dict[str, dict[str, float]] = {}
    for what, name, value in _METRIC.findall(text):
        found.setdefault(name, {})[what] = float(value)
    return found


async def soak(
    path: Path, seconds: float, *, webhooks: float = 200.0, refunds: float = 50.0
) -> Found:
    """Load a staged system for so long, let it come to rest, and judge it."""
    found = Found(seconds)
    async with running(path, settings("none", rate=refunds)) as system:
        load = Load(system, found)
        async with asyncio.TaskGroup() as group:
            for work in (
                load.learn(),
                load.look(),
                load.follow(),
                load.ask(refunds),
                load.deliver(webhooks),
                system.approve(load.stop),
            ):
                group.create_task(work)
            await asyncio.sleep(seconds)
            load.stop.set()
        found.queues = await high_water(system)
        found.unsettled = stored(system)
        await system.approve_all()
        await system.sandbox.flush()
        balance = await system.stage.settle()
        found.cost = await count_cost(system, (), load.deliveries.acknowledged)
        judge(found, balance)
        found.problems += system.stage.tally.wrong_answers[:5]
        found.problems += free_of_errors(system.folder)[:5]
    return found


def judge(found: Found, balance: Balance) -> None:
    """Enter whatever is not as it must be."""
    middle, end = found.rss_around(0.5), found.rss_around(1.0)
    if end > middle * WIDEST_GROWTH + SPARE_MIB:
        found.problems.append(f"memory grows: {middle:.0f} MiB, then {end:.0f}")
    for name, it in found.queues.items():
        if it["high_water"] > it["bound"]:
            found.problems.append(f"{name} went past its bound")
    if found.most_waiting[LOG] > LONGEST_LOG_MIB:
        found.problems.append("the write-ahead log grows")
    if not found.queues:
        found.problems.append("no queue was told")
    cost = found.cost or Cost((), ())
    found.problems += [*cost.lost[:5], *cost.twice[:5], *balance.failures[:5]]


def main() -> int:
    """Run a soak from the command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--webhooks", type=float, default=200.0, help="a second")
    parser.add_argument("--refunds", type=float, default=50.0, help="a second")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="refundwatch-soak-") as folder:
        found = asyncio.run(
            soak(
                Path(folder),
                wanted.minutes * 60,
                webhooks=wanted.webhooks,
                refunds=wanted.refunds,
            )
        )
    print("\n".join(found.lines()))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
