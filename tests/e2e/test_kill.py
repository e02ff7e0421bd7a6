"""`kill -9` at the worst moments: nothing is paid twice, nothing is lost.

The moments: while an attempt is open, before or after the gateway executed it; while a
refund's fate is unknown; between a delivery's last byte and its answer; while it
starts and recovers; while it drains; and at any time, wherever that falls.
"""

from __future__ import annotations

import asyncio
import signal
import time
from random import Random
from typing import TYPE_CHECKING

import aiohttp
import pytest

from refundwatch.api import models as m
from refundwatch.demo import processes
from tests.driving import Deliveries, Event, PatientReturns, count_cost, reading
from tests.staging import THREE, Running, free_of_errors, running, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults import FaultTable

pytestmark = pytest.mark.xdist_group("heavy")

KILLS = 30
REFUNDS = 300
EACH = 4


class Killer:
    """Kills the daemon when its moment has come, and starts it again."""

    def __init__(self, system: Running) -> None:
        self.system = system
        self.rng = Random(11)
        self.deliveries = Deliveries(system, self.rng)
        self.kills = 0
        self.with_attempt = 0
        self.with_unknown = 0
        self.with_delivery = 0
        self.while_starting = 0
        self.while_draining = 0

    def count(self, state: str) -> int:
        """Count refunds of a state in the database itself, as of this moment."""
        with reading(self.system) as connection:
            row = connection.execute(
                "SELECT count(*) FROM refund WHERE state = ?", (state,)
            ).fetchone()
        return int(row[0])

    async def wait_for(self, state: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.count(state):
                return True
            await asyncio.sleep(0.005)
        return False

    async def end(self) -> None:
        self.kills += 1
        self.system.daemon.kill()
        await self.system.daemon.wait()

    async def kill(self) -> None:
        await self.end()
        await self.system.restart()

    async def kill_with_attempt(self) -> None:
        await self.wait_for("sending", 5)
        # The gateway takes about this long: the kill falls before or after it.
        await asyncio.sleep(self.rng.uniform(0, 0.2))
        self.with_attempt += bool(self.count("sending"))
        await self.kill()

    async def kill_with_unknown(self) -> None:
        await self.wait_for("unknown", 5)
        self.with_unknown += bool(self.count("unknown"))
        await self.kill()

    async def kill_while_starting(self) -> None:
        """Kill it, and again at any moment of its start and recovery."""
        await self.end()
        command = ("daemon", "--config", str(self.system.folder.path / "config.toml"))
        with (self.system.folder.path / "daemon.log").open("ab") as log:
            self.system.daemon = await asyncio.create_subprocess_exec(
                *processes.command(*command),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        await asyncio.sleep(self.rng.uniform(0.3, 1.5))
        self.while_starting += self.system.daemon.returncode is None
        await self.kill()

    async def kill_while_draining(self) -> None:
        await self.wait_for("sending", 5)
        self.system.daemon.send_signal(signal.SIGTERM)
        await asyncio.sleep(self.rng.uniform(0, 0.1))
        if self.system.daemon.returncode is None:
            self.while_draining += 1
            self.system.daemon.kill()
        self.kills += 1
        await self.system.daemon.wait()
        await self.system.restart()

    async def kill_with_delivery(self) -> None:
        """Kill between a delivery's last byte and its answer."""
        event = await self.deliveries.draw()
        async with aiohttp.ClientSession() as session:
            posted = asyncio.Event()
            sending = asyncio.create_task(self._post(session, event, posted))
            await asyncio.sleep(0)
            while not sending.done() and not posted.is_set():  # noqa: ASYNC110 - to the tick
                await asyncio.sleep(0)
            self.kills += 1
            self.system.daemon.kill()
            self.with_delivery += await sending is None
            await self.system.daemon.wait()
            await self.system.restart()
            # The gateway sends what was not answered again.
            assert await self.deliveries.post(session, event) == 200

    async def _post(
        self, session: aiohttp.ClientSession, event: Event, posted: asyncio.Event
    ) -> int | None:
        async def content() -> object:
            yield event.body
            posted.set()

        sent = {**event.headers, "Content-Length": str(len(event.body))}
        try:
            async with session.post(
                self.deliveries.url, data=content(), headers=sent
            ) as answer:
                status: int | None = answer.status
        except aiohttp.ClientError:
            status = None
        self.deliveries.note(event, status)
        return status


async def test_thirty_kills_over_three_hundred_refunds_end_balanced(
    tmp_path: Path, faults: FaultTable
) -> None:
    async with running(tmp_path, settings()) as system:
        # Slow enough that a kill finds attempts open.
        await system.sandbox.set_faults("rough", {"latency_seconds": 3.0})
        killer = Killer(system)
        async with system.client(system.crew.returns) as client:
            returns = PatientReturns(
                client, system.sandbox, 5, system.stage.tally, THREE
            )
            asking = asyncio.create_task(returns.ask(REFUNDS))
            stop = asyncio.Event()
            approving = asyncio.create_task(system.approve(stop))
            await killer.wait_for("succeeded", 20)
            moments = [
                killer.kill_with_attempt,
                killer.kill_with_unknown,
                killer.kill_with_delivery,
                killer.kill_while_starting,
                killer.kill_while_draining,
                killer.kill,
            ]
            for number in range(KILLS):
                await asyncio.sleep(killer.rng.uniform(0.0, 0.3))
                await moments[number % len(moments)]()
            await asking
            stop.set()
            await approving
        await system.approve_all()
        # What a gateway could not deliver meanwhile it sends again, here at once.
        await system.sandbox.flush()

        balance = await system.stage.settle()
        cost = await count_cost(system, returns.taken, killer.deliveries.acknowledged)

        for what, times in (
            ("kill -9, attempt open", killer.with_attempt),
            ("kill -9, refund unknown", killer.with_unknown),
            ("kill -9, delivery unanswered", killer.with_delivery),
            ("kill -9, starting", killer.while_starting),
            ("kill -9, draining", killer.while_draining),
            ("kill -9 in all", killer.kills),
        ):
            faults.add("F2", what, times, **cost.numbers)
            assert times >= EACH, what
        assert balance.failures == []
        assert system.stage.tally.wrong_answers == []
        assert killer.kills >= KILLS
        assert balance.refunds >= REFUNDS
        async with system.client() as client:
            for refund_id in returns.taken:
                await client.call(
                    "refunds.show", m.RefundDetailView, parts={"refund": refund_id}
                )
        assert free_of_errors(system.folder) == []
