"""`kill -9` at the worst moments: nothing is paid twice, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import sqlite3
import time
from random import Random
from typing import TYPE_CHECKING

import aiohttp
import pytest

from refundwatch.api import models as m
from refundwatch.demo.traffic import Returns
from refundwatch.errors import ApiProblem, ApiUnreachable
from tests.staging import Running, free_of_errors, running, settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("heavy")

KILLS = 30
REFUNDS = 300
EACH = 5


class Killer:
    """Kills the daemon when its moment has come, and starts it again."""

    def __init__(self, system: Running) -> None:
        self.system = system
        self.rng = Random(11)
        self.kills = 0
        self.with_attempt = 0
        self.with_unknown = 0
        self.with_delivery = 0

    def count(self, state: str) -> int:
        """Count refunds of a state in the database itself, as of this moment."""
        path = self.system.folder.path / "refundwatch.db"
        with contextlib.closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        ) as reading:
            row = reading.execute(
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

    async def kill(self) -> None:
        self.kills += 1
        self.system.daemon.kill()
        await self.system.daemon.wait()
        await self.system.restart()

    async def kill_with_attempt(self) -> None:
        if await self.wait_for("sending", 5):
            self.with_attempt += 1
        await self.kill()

    async def kill_with_unknown(self) -> None:
        if await self.wait_for("unknown", 5):
            self.with_unknown += 1
        await self.kill()

    async def kill_with_delivery(self) -> None:
        """Kill between a delivery's last byte and its answer."""
        body, headers = await self.delivery()
        port = self.system.folder.ports.webhooks
        url = f"http://127.0.0.1:{port}/webhooks/stripe-uk"
        async with aiohttp.ClientSession() as session:
            sending = asyncio.create_task(_post(session, url, body, headers))
            await asyncio.sleep(0)
            while not sending.done() and not _POSTED.is_set():  # noqa: ASYNC110 - to the tick
                await asyncio.sleep(0)
            self.system.daemon.kill()
            answered = await sending
            if answered is None:
                self.with_delivery += 1
            self.kills += 1
            await self.system.daemon.wait()
            await self.system.restart()
            # The gateway sends what was not answered again.
            assert await _post(session, url, body, headers) == 200

    async def delivery(self) -> tuple[bytes, dict[str, str]]:
        """Sign an event about a refund that the gateway truly has."""
        rows = [
            row
            for row in await self.system.sandbox.executions()
            if row.account == "stripe-uk"
        ]
        row = self.rng.choice(rows)
        refund = {"id": row.refund_id, "object": "refund", "status": "succeeded"}
        event = {
            "id": f"evt_test{self.kills}{self.rng.randrange(10**9)}",
            "object": "event",
            "type": "refund.updated",
            "livemode": False,
            "data": {"object": refund},
        }
        body = json.dumps(event).encode()
        stamp = str(int(time.time()))
        secret = (self.system.folder.path / "stripe.webhook").read_bytes()
        digest = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256)
        signature = f"t={stamp},v1={digest.hexdigest()}"
        return body, {"Stripe-Signature": signature}


_POSTED = asyncio.Event()


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]
) -> int | None:
    _POSTED.clear()

    async def content() -> object:
        yield body
        _POSTED.set()

    sent = {**headers, "Content-Length": str(len(body))}
    try:
        async with session.post(url, data=content(), headers=sent) as answer:
            return answer.status
    except aiohttp.ClientError:
        return None


class PatientReturns(Returns):
    """A returns system that asks again until the hub has answered."""

    async def _send(self, body: m.RefundBody) -> None:
        while True:
            try:
                made = await self._client.call(
                    "refunds.create", m.CreatedRefundView, body=body
                )
            except ApiUnreachable:
                await asyncio.sleep(0.05)
            except ApiProblem as problem:
                if problem.http_status < 500:
                    self._tally.refused_requests += 1
                    return
                await asyncio.sleep(0.05)
            else:
                self._tally.requested[str(body.account)] += 1
                self.taken.add(made.refund.id)
                return

    async def ask(self, count: int) -> None:
        self.taken: set[str] = set()
        while len(self.taken) < count:
            with contextlib.suppress(ApiUnreachable):
                await self._restock()
                wanted = min(10, count - len(self.taken))
                bodies = [self._draw() for _ in range(wanted)]
                await asyncio.gather(*(self._send(body) for body in bodies))
            await asyncio.sleep(0.4)


async def test_thirty_kills_over_three_hundred_refunds_end_balanced(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, settings()) as system:
        # Slow enough that a kill finds attempts open.
        await system.sandbox.set_faults("rough", {"latency_seconds": 3.0})
        killer = Killer(system)
        async with system.client(system.crew.returns) as client:
            returns = PatientReturns(client, system.sandbox, 5, system.stage.tally)
            asking = asyncio.create_task(returns.ask(REFUNDS))
            stop = asyncio.Event()
            approving = asyncio.create_task(system.approve(stop))
            await killer.wait_for("succeeded", 20)
            moments = [
                killer.kill_with_attempt,
                killer.kill_with_unknown,
                killer.kill_with_delivery,
                killer.kill,
            ]
            while killer.kills < KILLS:
                await asyncio.sleep(killer.rng.uniform(0.0, 0.3))
                await moments[killer.kills % len(moments)]()
            await asking
            stop.set()
            await approving
        await system.approve_all()
        # What a gateway could not deliver meanwhile it sends again, here at once.
        await system.sandbox.flush()

        balance = await system.stage.settle()

        assert balance.failures == []
        assert system.stage.tally.wrong_answers == []
        assert killer.kills >= KILLS
        assert killer.with_attempt >= EACH
        assert killer.with_unknown >= EACH
        assert killer.with_delivery >= EACH
        assert balance.refunds >= REFUNDS
        async with system.client() as client:
            for refund_id in returns.taken:
                await client.call(
                    "refunds.show", m.RefundDetailView, parts={"refund": refund_id}
                )
        assert free_of_errors(system.folder) == []
