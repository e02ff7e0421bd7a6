"""The world of one seed: gateways, a daemon that may die, and the people around both.

Invariant: everything that belongs to the daemon ends with its life; the gateways, the
wire and the post go on. Everything is drawn from the seed, so a seed replays exactly.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from refundwatch.flow.house import build_house
from refundwatch.sandbox.books import Payment
from refundwatch.store.contract import (
    AbandonAttempts,
    AccountSpec,
    ConnectionSpec,
    NewPayment,
    OpenHouse,
    PutPayments,
)
from refundwatch.store.sqlite.connection import open_writer
from refundwatch.store.sqlite.writer import Writer
from tests.flow.fakes import LogBook, settings
from tests.flow.world import Mortal
from tests.sealer import OpenSealer
from tests.simulation.clock import DaemonClock
from tests.simulation.disk import JoiningStore, MortalStore
from tests.simulation.furniture import (
    NAME,
    POLICY,
    empty_database,
    paths_of,
    sandbox_of,
)
from tests.simulation.losses import ORIGIN, Archive, sealer_of, suffer
from tests.simulation.plan import NEIGHBOUR, Plan
from tests.simulation.protocol import STOP_SECONDS
from tests.simulation.rules import Rules
from tests.simulation.tally import Tally
from tests.simulation.wire import Wire

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine
    from random import Random

    from refundwatch.flow.house import House
    from refundwatch.flow.seal import Sealer
    from tests.flow.simloop import SimLoop

T = TypeVar("T")

_IMAGES_KEPT = 6
_YOUNG_SECONDS = 1200
"""Until then everybody looks as often as they would; later they take their time."""


class City:
    """The parts of one run, and the life and death of its daemon."""

    house: House
    disk: JoiningStore
    store: MortalStore
    stop: asyncio.Event
    rooms: list[asyncio.Task[None]]

    def __init__(self, loop: SimLoop, plan: Plan) -> None:
        self.loop = loop
        self.plan = plan
        self.tally = Tally()
        self.clock = DaemonClock(loop)
        self.paths = paths_of(plan)
        self.sandbox = sandbox_of(plan)
        self.settings: dict[str, Any] = {
            name: model.settings for name, model in self.sandbox.models.items()
        }
        self.connection: sqlite3.Connection = open_writer(None)
        self.connection.deserialize(empty_database())
        self.images: list[bytes] = []
        self._dead_disks: list[sqlite3.Connection] = []
        self.log = LogBook()
        self.life: dict[str, bool] = {"alive": False}
        self.life_number = 0
        self.calm = False
        self.healthy_since = 0.0
        self.death: asyncio.Event = asyncio.Event()
        self.post_bell: asyncio.Event = asyncio.Event()
        self.post_bell.set()
        self.ambush: dict[str, int] = {}
        self.at_step: Callable[[], None] | None = None
        self.waiting: dict[str, list[asyncio.Task[Any]]] = {}
        self.story: list[str] = []
        self._hash = sha256()
        self._dice: dict[str, Random] = {}
        # In order, since the order of a set hangs on addresses.
        self._daemon: dict[asyncio.Task[Any], None] = {}
        self._world: dict[asyncio.Task[Any], None] = {}
        self._restarting: asyncio.Task[None] | None = None
        self.archive = Archive()
        self.rules = Rules(self)
        self.wire = Wire(self)

    # --- chance and its trace ---

    def dice(self, part: str) -> Random:
        """Give the generator of one part of the world."""
        if part not in self._dice:
            self._dice[part] = self.plan.dice(part)
        return self._dice[part]

    def trace(self, *what: object) -> None:
        """Note what happened; the hash of all notes is the run's."""
        line = f"{self.loop.time():.3f} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        self.story.append(line)

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()[:16]

    # --- tasks ---

    def world_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run what belongs to the world: it outlives the daemon."""
        return self._kept(self._world, work)

    def daemon_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run what belongs to the daemon: it ends with its life."""
        return self._kept(self._daemon, work)

    def _kept(
        self, tasks: dict[asyncio.Task[Any], None], work: Coroutine[Any, Any, T]
    ) -> asyncio.Task[T]:
        task = self.loop.create_task(work)
        tasks[task] = None
        task.add_done_callback(lambda done: tasks.pop(done, None))
        return task

    async def through(
        self, work: Coroutine[Any, Any, T], kind: str = "request"
    ) -> asyncio.Task[T]:
        """Do something inside the daemon and wait until it ended, however."""
        task = self.daemon_task(work)
        if not self.life["alive"]:
            task.cancel()
        waiting = self.waiting.setdefault(kind, [])
        waiting.append(task)
        try:
            await asyncio.wait({task})
        finally:
            waiting.remove(task)
        return task

    def on_step(self, _: int) -> None:
        """Look after every step of the loop whether all still holds."""
        if self.rules.broken is not None:
            raise self.rules.broken
        if self.at_step is not None:
            self.at_step()

    # --- gateways ---

    def advance(self) -> None:
        """Let the gateways do what they do by themselves up to now."""
        now = self.clock.truth()
        for model in self.sandbox.models.values():
            model.advance(now)

    @property
    def young(self) -> bool:
        """Tell whether this is the time when most trouble happens."""
        return not self.calm and self.loop.time() < _YOUNG_SECONDS

    @property
    def slow_seconds(self) -> float:
        """Give how long whoever is not young waits before looking again."""
        settled = self.calm and self.loop.time() > self.healthy_since + 4 * 3600
        return 4 * 3600 if settled else 1800

    def wake_post(self) -> None:
        self.post_bell.set()

    # --- the daemon's life ---

    def look(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Read the database as it stands, past the daemon."""
        return self.connection.execute(sql, values).fetchall()

    async def start(self) -> None:
        """Start the daemon on the database as it is."""
        self.life = {"alive": True}
        self.life_number += 1
        self.death.clear()
        writer = Writer(
            self.connection,
            entropy=self.dice("entropy").randbytes,
            hook=self._hook,
        )
        self.disk = JoiningStore(
            writer,
            self.connection,
            self.dice("disk"),
            self.daemon_task,
            slow=self.plan.slow_disk and not self.calm,
        )
        self.disk.attach_sealer(OpenSealer())
        self.store = MortalStore(self.disk, self.life)
        rules = settings(longest_sleep_seconds=6 * 3600)
        self.house = build_house(
            store=self.store,
            transport=Mortal(self.wire, self.life),
            clock=self.clock,
            paths=self.paths,
            rules=lambda: rules,
            policy=lambda: POLICY,
            log=self.log,
            probe_every_seconds=600,
        )
        self.disk.subscribe(self.house.wake)
        if self.plan.power and not self.images:
            self.images.append(self.connection.serialize())
        self.trace("start", self.life_number)
        sealer = sealer_of(self)
        recovered = await self.through(self._recover(sealer), "start")
        if recovered.cancelled():
            return
        recovered.result()
        self.rules.on_start()
        self.stop = asyncio.Event()
        self.rooms = [
            self.daemon_task(room.run(self.stop)) for room in self.house.rooms
        ]
        self.daemon_task(self._calendar())
        if self.plan.seals:
            self.disk.subscribe(sealer.wake)
            self.rooms.append(self.daemon_task(sealer.run(self.stop)))

    async def _calendar(self) -> None:
        """Run what is due by the calendar, as the daemon's scheduler does."""
        while not self.stop.is_set():
            await self.house.calendar.run_due(self.clock.now())
            await asyncio.sleep(30 if self.young else self.slow_seconds)

    async def _recover(self, sealer: Sealer) -> None:
        now = self.clock.now()
        specs: dict[str, AccountSpec] = {
            path.account.name: AccountSpec(
                path.account.name, path.gateway.capabilities.name, "UTC"
            )
            for path in self.paths.all()
        }
        await self.store.execute(
            OpenHouse(
                at=now,
                instance="simulation",
                mode="sandbox",
                config_digest="0" * 64,
                version="0",
                accounts=tuple(specs.values()),
                connections=tuple(
                    ConnectionSpec(
                        path.account.name, path.id.split("/")[1], path.endpoint
                    )
                    for path in self.paths.all()
                ),
            )
        )
        await self.store.execute(AbandonAttempts(now, now, all_open=True))
        if self.plan.seals:
            await sealer.begin(ORIGIN)

    def kill(self, why: str, *, power: bool = False) -> None:
        """End the daemon where it stands: what it was about to do never happens."""
        if not self.life["alive"]:
            return
        self.life["alive"] = False
        self.trace("kill", why)
        for room in self.house.rooms:
            for task in room.jobs._tasks.values():
                task.cancel()
        for task in list(self._daemon):
            task.cancel()
        self.disk.die()
        if power:
            self.rules.power_lost(self._image_after_power_loss)
        self.death.set()

    def change_disk(self, image: bytes) -> None:
        """Go on with other bytes: what the old connection holds is gone."""
        self._dead_disks.append(self.connection)
        self.connection = open_writer(None)
        self.connection.deserialize(image)
        if self.images:
            self.images[:] = [image]

    async def revive(self) -> None:
        """Have a daemon that lives, and has started."""
        if self._restarting is not None and not self._restarting.done():
            await self._restarting
        if self.life["alive"] and self.stop.is_set():
            self.kill("stopped")  # whoever waited for its end was cut short
        while not self.life["alive"]:
            await self.restart()

    def close_disks(self) -> None:
        for connection in [*self._dead_disks, self.connection]:
            connection.close()

    def _image_after_power_loss(self) -> bytes:
        """Give what the disk holds: every commit that was reported as durable."""
        return self.images[-1]

    async def stop_in_order(self) -> None:
        """Stop as systemd would: rooms close within one exchange (L4), then it ends."""
        begun = self.loop.time()
        self.trace("stop", self.life_number)
        self.stop.set()
        await asyncio.wait(self.rooms)
        took = self.loop.time() - begun
        if self.life["alive"]:
            fits = took <= STOP_SECONDS or bool(self.plan.clock)
            self.rules.hold("L4", fits, f"stopping took {took:.0f} s")
            self.kill("stopped")

    async def restart(self) -> None:
        """Wait until the dead daemon is gone, and start another one.

        Whoever is cancelled here leaves the start to itself.
        """
        if self._restarting is None or self._restarting.done():
            if self.life["alive"]:
                return  # whoever else found it dead has started it
            self._restarting = self.world_task(self._restart())
        await asyncio.shield(self._restarting)

    async def _restart(self) -> None:
        while self._daemon:
            await asyncio.wait(list(self._daemon))
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        if self.archive.disaster is not None:
            await suffer(self)
        await self.start()

    def _hook(self, place: str) -> None:
        """Stand at the three places of every commit."""
        if place == "after_commit":
            self.rules.on_commit()
            if self.plan.power:
                self.images.append(self.connection.serialize())
                del self.images[:-_IMAGES_KEPT]
        self.crash_point(
            {
                "begin": "crash at begin",
                "before_commit": "crash before commit",
                "after_commit": "crash after commit",
            }[place]
        )

    def crash_point(self, name: str) -> None:
        """Die here if this is where somebody lies in wait."""
        left = self.ambush.get(name)
        if left is None or not self.life["alive"]:
            return
        self.ambush[name] = left - 1
        if left > 1:
            return
        del self.ambush[name]
        self.tally.fired(name)
        power = self.plan.power and "send" not in name and "2xx" not in name
        if power:
            self.tally.fired("power lost while committing")
        self.kill(name, power=power)
        raise asyncio.CancelledError

    # --- opening ---

    async def open(self) -> None:
        """Found the house and take the payments on both sides."""
        await self.start()
        currency = self.plan.currency
        wanted = [(self.plan.account, *one, currency) for one in self.plan.payments]
        if self.plan.neighbour:
            wanted.append((NEIGHBOUR, "pi_neighbour", 900, "EUR"))
        self.sandbox.add_payments(
            Payment(
                account=account,
                reference=reference,
                amount_minor=captured,
                currency=currency,
                created_at=self.clock.truth(),
            )
            for account, reference, captured, currency in wanted
        )
        await self.store.execute(
            PutPayments(
                self.clock.now(),
                "machine:shop",
                tuple(
                    NewPayment(
                        account,
                        reference,
                        captured,
                        currency,
                        customer={"name": NAME},
                    )
                    for account, reference, captured, currency in wanted
                ),
            )
        )
