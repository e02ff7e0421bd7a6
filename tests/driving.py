"""What drives a real daemon while faults strike it, and what they cost in the end.

Invariant: whatever the daemon acknowledged, a refund or a delivery, is remembered here
and looked for in its books after it came to rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import sqlite3
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp

from refundwatch.api import models as m
from refundwatch.demo import processes
from refundwatch.demo.balance import OPEN, PAID
from refundwatch.demo.run import all_refunds
from refundwatch.demo.traffic import Returns
from refundwatch.errors import ApiProblem, ApiUnreachable
from tests.staging import THREE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from refundwatch.demo.balance import Balance
    from refundwatch.demo.sandbox_admin import Execution
    from tests.staging import Running

ACCOUNT = "stripe-uk"
_DELIVERY_TIMEOUT = aiohttp.ClientTimeout(total=30)


class PatientReturns(Returns):
    """A returns system that asks again until the hub has answered."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken: set[str] = set()
        self.problems: Counter[str] = Counter()

    async def _send(self, body: m.RefundBody) -> None:
        while True:
            try:
                made = await self._client.call(
                    "refunds.create", m.CreatedRefundView, body=body
                )
            except ApiUnreachable:
                self.problems["unreachable"] += 1
                await asyncio.sleep(0.05)
            except ApiProblem as problem:
                self.problems[problem.code] += 1
                if problem.http_status < 500:
                    self._tally.refused_requests += 1
                    return
                await asyncio.sleep(0.05)
            else:
                self._tally.requested[str(body.account)] += 1
                self.taken.add(made.refund.id)
                return

    async def ask(self, count: int, until: asyncio.Event | None = None) -> None:
        """Ask for so many refunds, and on until told that it is enough."""
        while len(self.taken) < count or (until is not None and not until.is_set()):
            try:
                await self._restock()
            except ApiUnreachable:
                self.problems["unreachable"] += 1
            except ApiProblem as problem:
                self.problems[problem.code] += 1
            else:
                bodies = [self._draw() for _ in range(10)]
                await asyncio.gather(*(self._send(body) for body in bodies))
            await asyncio.sleep(0.4)


@dataclass(frozen=True, slots=True)
class Event:
    """One signed delivery of a Stripe event about a refund."""

    id: str
    body: bytes
    headers: dict[str, str]


class Deliveries:
    """Signs events of `stripe-uk`, delivers them, remembers what was acknowledged."""

    def __init__(self, system: Running, rng: Random) -> None:
        folder = system.folder
        self._system = system
        self._rng = rng
        self._secret = (folder.path / "stripe.webhook").read_bytes()
        self._number = 0
        self.url = f"http://127.0.0.1:{folder.ports.webhooks}/webhooks/{ACCOUNT}"
        self.acknowledged: set[str] = set()
        self.answers: Counter[int | None] = Counter()

    def sign(self, refund_id: str) -> Event:
        """Sign a new event that says what the gateway's own would."""
        self._number += 1
        event = {
            "id": f"evt_test{self._number}x{self._rng.randrange(10**9)}",
            "object": "event",
            "type": "refund.updated",
            "livemode": False,
            "data": {
                "object": {"id": refund_id, "object": "refund", "status": "succeeded"}
            },
        }
        body = json.dumps(event).encode()
        stamp = str(int(time.time()))
        digest = hmac.new(self._secret, f"{stamp}.".encode() + body, hashlib.sha256)
        signature = f"t={stamp},v1={digest.hexdigest()}"
        return Event(str(event["id"]), body, {"Stripe-Signature": signature})

    async def draw(self) -> Event:
        """Sign an event about a refund that the gateway truly has."""
        rows = await self._system.sandbox.executions()
        ids = [row.refund_id for row in rows if row.account == ACCOUNT]
        return self.sign(self._rng.choice(ids or ["re_of_nobody"]))

    async def post(self, session: aiohttp.ClientSession, event: Event) -> int | None:
        """Deliver once; None when no answer came."""
        try:
            async with session.post(
                self.url,
                data=event.body,
                headers=event.headers,
                timeout=_DELIVERY_TIMEOUT,
            ) as answer:
                status: int | None = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            status = None
        self.note(event, status)
        return status

    def note(self, event: Event, status: int | None) -> None:
        """Remember an answer; 2xx is a promise."""
        self.answers[status] += 1
        if status == 200:
            self.acknowledged.add(event.id)

    async def pour(self, stop: asyncio.Event, pause: float) -> None:
        """Deliver until told to stop, with one repetition in four."""
        async with aiohttp.ClientSession() as session:
            while not stop.is_set():
                event = await self.draw()
                await self.post(session, event)
                if self._rng.random() < 0.25:
                    await self.post(session, event)
                await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the books and the gateways' ledger disagree about; names, to be counted."""

    lost: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def numbers(self) -> dict[str, int]:
        return {"lost": len(self.lost), "paid_twice": len(self.twice)}


async def count_cost(
    system: Running, taken: Iterable[str], acknowledged: Iterable[str] = ()
) -> Cost:
    """Hold what was acknowledged, what is in the books and what was executed together.

    Lost is a refund or delivery that was acknowledged and is in no book, an execution
    that no refund of ours admits, and a refund called paid that nobody executed.
    """
    async with system.client() as client:
        refunds = await all_refunds(client)
    executions = await system.sandbox.executions()
    ran = Counter(one.merchant_reference for one in executions if one.ever_executed)
    lost = _gone("refund", taken, {refund.id for refund in refunds})
    lost += _gone("delivery", acknowledged, delivered(system))
    lost += _unlike(refunds, executions)
    twice = tuple(name for name, times in ran.items() if times > 1)
    return Cost(tuple(lost), twice)


def _gone(what: str, promised: Iterable[str], kept: set[str]) -> list[str]:
    return [f"{what} {name} is in no book" for name in sorted(set(promised) - kept)]


def _unlike(refunds: list[m.RefundView], executions: list[Execution]) -> list[str]:
    standing = {one.merchant_reference for one in executions if one.executed}
    admitted = {it.merchant_reference for it in refunds if it.state in PAID | OPEN}
    paid = {it.merchant_reference for it in refunds if it.state in PAID}
    return [f"{name} was executed unbooked" for name in sorted(standing - admitted)] + [
        f"{name} is paid and was never executed" for name in sorted(paid - standing)
    ]


def delivered(system: Running) -> set[str]:
    """Read the ids of all deliveries in the database itself."""
    with reading(system) as connection:
        rows = connection.execute("SELECT dedupe_id FROM delivery").fetchall()
    return {row[0] for row in rows}


@contextlib.contextmanager
def reading(system: Running) -> Iterator[sqlite3.Connection]:
    path = system.folder.path / "refundwatch.db"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


@dataclass(slots=True)
class Drive:
    """A load on a running system, and what came of it when it had come to rest."""

    system: Running
    returns: PatientReturns
    deliveries: Deliveries
    balance: Balance | None = None
    cost: Cost = field(default_factory=lambda: Cost(("never counted",), ()))

    @property
    def wrong_answers(self) -> list[str]:
        """Give the wrong answers, without those that say that the store refused."""
        found = self.system.stage.tally.wrong_answers
        return [text for text in found if ": store." not in text]


@asynccontextmanager
async def driven(system: Running, refunds: int, seed: int = 3) -> AsyncIterator[Drive]:
    """Ask for refunds, approve and deliver meanwhile; at the end settle and count.

    The daemon is started again before it settles: what a fault made it leave alone for
    a minute is taken up at once.
    """
    async with system.client(system.crew.returns) as client:
        returns = PatientReturns(client, system.sandbox, 5, system.stage.tally, THREE)
        deliveries = Deliveries(system, Random(seed))
        drive = Drive(system, returns, deliveries)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            enough = asyncio.Event()
            asking = group.create_task(returns.ask(refunds, enough))
            group.create_task(system.approve(stop))
            group.create_task(deliveries.pour(stop, 0.05))
            yield drive
            enough.set()
            await asking
            stop.set()
    if system.daemon.returncode is None:
        await processes.end(system.daemon)
    await system.restart()
    await system.approve_all()
    # What a gateway could not deliver meanwhile it sends again, here at once.
    await system.sandbox.flush()
    drive.balance = await system.stage.settle()
    drive.cost = await count_cost(system, returns.taken, deliveries.acknowledged)


def logged(system: Running, event: str) -> list[dict[str, object]]:
    """Read the daemon's log lines of one event."""
    text = (system.folder.path / "daemon.log").read_text("utf-8")
    lines = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


async def ready_word(system: Running) -> tuple[int, str]:
    """Ask the daemon whether it takes work."""
    url = f"http://127.0.0.1:{system.folder.ports.health}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, (await answer.text()).strip()
