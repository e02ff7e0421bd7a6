"""A whole house in virtual time: real store, real rooms, a toy gateway."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from refundwatch.domain.policy import Band, Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.flow.house import House, build_house
from refundwatch.store.contract import (
    AbandonAttempts,
    AccountSpec,
    ConnectionSpec,
    GetPayment,
    GetRefund,
    ListAlarms,
    NewPayment,
    NewRefund,
    OpenHouse,
    Policy,
    PutPayments,
)
from refundwatch.store.sqlite.store import SqliteStore, open_sqlite_store
from tests.flow.fakes import FakePaths, LogBook, a_path, settings
from tests.flow.simloop import SimClock, SimLoop, simulate
from tests.flow.toy import Bank

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.confirm import Reception
    from refundwatch.flow.ports import ConnectionPath, FlowSettings
    from refundwatch.gateways.contract import RawDelivery
    from refundwatch.store.contract import PaymentRow, RefundDetail

S = RefundState

SHOP = Principal("machine:shop", frozenset({Role.REQUESTER}))
HOUR = 3600


class GlassSealer:
    """Seals nothing, but notices when bytes are opened in another place."""

    def seal(self, table: str, primary_key: str, column: str, plain: bytes) -> bytes:
        return f"{table}|{primary_key}|{column}|".encode() + plain

    def open(self, table: str, primary_key: str, column: str, sealed: bytes) -> bytes:
        mark = f"{table}|{primary_key}|{column}|".encode()
        assert sealed.startswith(mark), (mark, sealed)
        return sealed[len(mark) :]

    def blind_index(self, column: str, value: str) -> bytes:
        return sha256(f"{column}|{value}".encode()).digest()

    def prove(self, kind: str, content: bytes) -> bytes:
        return sha256(kind.encode() + content).digest()


class Mortal:
    """A port of one daemon: when that daemon dies, nothing gets through any more."""

    def __init__(self, inner: Any, life: dict[str, bool]) -> None:
        self._inner = inner
        self._life = life

    async def _through(self, name: str, *args: Any) -> Any:
        self._check()
        result = await getattr(self._inner, name)(*args)
        self._check()
        return result

    def _check(self) -> None:
        if not self._life["alive"]:
            raise asyncio.CancelledError

    async def execute(self, command: Any) -> Any:
        return await self._through("execute", command)

    async def read(self, query: Any) -> Any:
        return await self._through("read", query)

    async def exchange(self, *args: Any) -> Any:
        return await self._through("exchange", *args)

    def subscribe(self, listener: Any) -> Any:
        return self._inner.subscribe(listener)

    async def close(self) -> None:
        return None


def easy_policy() -> Policy:
    return Policy("v1", (Band("EUR", 10**9, 10**9),), approvals_expiry_seconds=86_400)


@dataclass
class World:
    """The parts, and short ways to make a refund walk."""

    loop: SimLoop
    clock: SimClock
    store: SqliteStore
    bank: Any
    paths: Any
    settings: FlowSettings
    house: House
    log: LogBook = field(default_factory=LogBook)
    policy: Policy = field(default_factory=easy_policy)
    life: dict[str, bool] = field(default_factory=lambda: {"alive": True})
    daemon: list[asyncio.Task[Any]] = field(default_factory=list)

    async def a_payment(
        self,
        reference: str = "pi_1",
        captured: int = 10_000,
        account: str = "toy-eu",
    ) -> PaymentRow:
        await self.store.execute(
            PutPayments(
                self.clock.now(),
                "machine:shop",
                (NewPayment(account, reference, captured, "EUR"),),
            )
        )
        row = await self.store.read(GetPayment(reference, account))
        assert row is not None
        return row

    async def a_refund(
        self,
        request_id: str = "r-1",
        amount: int = 500,
        payment: str = "pi_1",
        account: str = "toy-eu",
    ) -> Refund:
        if await self.store.read(GetPayment(payment, account)) is None:
            await self.a_payment(payment, account=account)
        new = NewRefund(request_id, payment, amount, "EUR", "returned", account=account)
        created = await self.house.intake.create(SHOP, new)
        return created.refund

    async def show(self, refund_id: str) -> RefundDetail:
        detail = await self.store.read(GetRefund(refund_id))
        assert detail is not None
        return detail

    async def row(self, refund: Refund) -> Refund:
        return (await self.show(refund.id)).summary.refund

    async def payment(self, reference: str = "pi_1") -> PaymentRow:
        row = await self.store.read(GetPayment(reference, "toy-eu"))
        assert row is not None
        return row

    async def alarms(self) -> set[str]:
        rows = await self.store.read(ListAlarms())
        return {row.kind for row in rows}

    async def send(self, request_id: str = "r-1", **changes: Any) -> Refund:
        """Make a refund and let the dispatcher do what it can now."""
        refund = await self.a_refund(request_id, **changes)
        await self.house.dispatcher.drain()
        return await self.row(refund)

    async def settle(self, seconds: float = 0) -> None:
        """Let time pass, then work until nothing is due."""
        await asyncio.sleep(seconds)
        await self.house.drain()

    async def walk(
        self, refund: Refund, seconds: float, probe_every: float | None = None
    ) -> Refund:
        """Let the rooms run by themselves for a while, with probes if asked for."""
        stop = asyncio.Event()
        rooms = [asyncio.ensure_future(room.run(stop)) for room in self.house.rooms]
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            await asyncio.sleep(min(probe_every or seconds, end - self.loop.time()))
            if probe_every is not None:
                await self.house.prober.probe_all()
        stop.set()
        await asyncio.gather(*rooms)
        return await self.row(refund)

    async def hear(self, raw: RawDelivery) -> Reception:
        """Deliver a webhook and let the inbox apply it."""
        reception = await self.house.receptionist.receive("toy-eu", raw)
        await self.house.inbox.drain()
        return reception

    def count_reads(self) -> list[str]:
        """Count the questions put to the store from now on, by name."""
        asked: list[str] = []
        original = self.store.read

        async def counted(query: Any) -> Any:
            asked.append(type(query).__name__)
            return await original(query)

        self.store.read = counted  # type: ignore[method-assign]
        return asked

    def count_commands(self) -> list[str]:
        """Count the commands given to the store from now on, by name."""
        given: list[str] = []
        original = self.store.execute

        async def counted(command: Any) -> Any:
            given.append(type(command).__name__)
            return await original(command)

        self.store.execute = counted  # type: ignore[method-assign]
        return given

    def rebuild(self) -> None:
        """Build the rooms anew, as a daemon that starts again on the same store."""
        self.life = {"alive": True}
        self.house = build_house(
            store=Mortal(self.store, self.life),
            transport=Mortal(self.bank, self.life),
            clock=self.clock,
            paths=self.paths,
            rules=lambda: self.settings,
            policy=lambda: self.policy,
            log=self.log,
            probe_every_seconds=600,
        )
        self.store._listeners.clear()
        self.store.subscribe(self.house.wake)

    def start(self) -> None:
        """Let the rooms run by themselves until the daemon is killed or stopped."""
        never = asyncio.Event()
        self.daemon = [
            asyncio.ensure_future(room.run(never)) for room in self.house.rooms
        ]

    def kill(self) -> None:
        """End the daemon where it stands: what it was about to do never happens."""
        self.life["alive"] = False
        for room in self.house.rooms:
            for task in room.jobs._tasks.values():
                task.cancel()
        for task in self.daemon:
            task.cancel()

    async def restart(self) -> None:
        """Start again: every open attempt is unknown from now on."""
        await asyncio.gather(*self.daemon, return_exceptions=True)
        self.daemon = []
        self.rebuild()
        now = self.clock.now()
        await self.store.execute(AbandonAttempts(now, now, all_open=True))


async def open_world(
    loop: SimLoop,
    bank: Any = None,
    paths: tuple[ConnectionPath, ...] | Any = None,
    flow: FlowSettings | None = None,
    hook: Callable[[str], None] | None = None,
) -> World:
    """Open a house on an empty store in memory."""
    entropy = random.Random(1)
    store = await open_sqlite_store(
        None,
        GlassSealer(),
        inline=True,
        hook=hook,
        entropy=entropy.randbytes,
    )
    clock = SimClock(loop)
    known: Any = paths or (a_path(),)
    if isinstance(known, tuple):
        known = FakePaths(known)
    await store.execute(
        OpenHouse(
            at=clock.now(),
            instance="test",
            mode="sandbox",
            config_digest="0" * 64,
            version="0",
            accounts=tuple(
                AccountSpec(name, gateway, "UTC")
                for name, gateway in sorted(
                    {
                        path.account.name: path.gateway.capabilities.name
                        for path in known.paths
                    }.items()
                )
            ),
            connections=tuple(
                ConnectionSpec(path.account.name, path.id.split("/")[1], path.endpoint)
                for path in known.paths
            ),
        )
    )
    world = World(
        loop=loop,
        clock=clock,
        store=store,
        bank=bank or Bank(),
        paths=known,
        settings=flow or settings(),
        house=None,  # type: ignore[arg-type] # built at once below
    )
    world.rebuild()
    return world


def in_world(
    main: Callable[[World], Coroutine[Any, Any, None]],
    *,
    seed: int = 0,
    quiet: bool = True,
    **parts: Any,
) -> None:
    """Run `main` in a new world; unless told otherwise nothing may go wrong in it."""

    async def within(loop: SimLoop) -> None:
        world = await open_world(loop, **parts)
        await main(world)
        if quiet:
            world.log.check_quiet()
        world.bank.check_once()
        await world.store.close()

    simulate(within, seed)
