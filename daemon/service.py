"""The daemon from start to stop: listeners up, loops running, then everything down.

Invariant: nothing is sent before the store is recovered, and nothing new is claimed
once it was told to stop; what is open then ends within its time or stays as recorded.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.app import build_app
from daemon.descriptors import LEAST, granted, share_out
from daemon.express import ExpressHandler
from daemon.feed import Feed
from daemon.guard import Gatekeeper, GuardedRunner, GuardLimits
from daemon.health import build_health
from daemon.loops import Supervisor, close_crash_alarms
from daemon.notary import HASHED_AT_START
from daemon.notify import notify, watchdog_seconds
from daemon.outlet import Outlet
from daemon.queues import queues
from daemon.refusals import NAME as STORE_WATCH
from daemon.reload import NAME as RELOAD
from daemon.sockets import CannotListen, make_room, open_to
from daemon.throttle import rate_of
from daemon.tls import following
from daemon.webhooks import build_webhooks
from daemon.wiring import recover
from refundwatch.errors import StoreFailed
from refundwatch.flow.loops import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.wiring import Wired
    from refundwatch.config import Address, ApiConfig
    from refundwatch.flow.confirm import Reception
    from refundwatch.gateways.contract import RawDelivery

API_LIMITS: Final = GuardLimits(10.0, 30.0, 500, 400)
# A full queue of a Unix socket refuses at once, and asyncio's clients take that for a
# connection that was lost; the gatekeeper's caps are what should refuse.
BACKLOG: Final = 1024
# Without descriptors asyncio begins to listen anew for each connection that it may
# accept in one turn: a thousand of them grow into an endless storm. Nor may a burst at
# the door take, until it is turned away, the descriptors that everything else needs.
ACCEPTED_AT_ONCE: Final = 64
SHUTDOWN_SECONDS: Final = 5.0
CALENDAR_SECONDS: Final = 1.0
OUTLET: Final = "alarm-outlet"
RECOVERY: Final = "audit-recovery"


class Service:
    """One running daemon."""

    def __init__(self, parts: Wired) -> None:
        """Prepare; nothing listens yet."""
        self._parts = parts
        self._hub = parts.hub
        self._supervisor = Supervisor(parts.hub)
        self._told = asyncio.Event()
        self._stack = AsyncExitStack()
        self.addresses: dict[str, str] = {}

    async def run(self) -> int:
        """Start, serve until a signal or a failed store, stop; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.tell)
        loop.add_signal_handler(signal.SIGHUP, self._parts.reloader.ask)
        try:
            await self.start()
            await self._until_told()
        finally:
            await self.stop()
        return StoreFailed.exit_code if self._hub.failed.is_set() else 0

    def tell(self) -> None:
        """Ask the daemon to stop; a second time only shortens the waiting."""
        if self._told.is_set():
            self._supervisor.hurry()
        self._told.set()

    async def start(self) -> None:
        """Compare the log, recover, listen, and let the rooms work.

        A log that lost its end is shown and changed by nobody: the rooms wait.
        """
        notary = self._hub.notary
        unmet = None if notary is None else await notary.examine(HASHED_AT_START)
        self._hub.recovery = None if unmet is None else unmet.sentence
        left = await recover(self._parts)
        if left:
            self._hub.log.problem("recovery:unknown", refunds=len(left))
        await self._listen()
        rooms = (room.name for room in self._parts.house.rooms)
        names = (*rooms, OUTLET, STORE_WATCH, self._hub.keys.name, RELOAD)
        await close_crash_alarms(self._hub, names)
        outlet = Outlet(self._hub, self._parts.config.alarms)
        self._stack.callback(self._hub.store.subscribe(outlet.wake))
        self._parts.live.subscribe(lambda: outlet.use(self._parts.config.alarms))
        self._supervisor.keep(OUTLET, outlet.run)
        self._supervisor.keep(STORE_WATCH, self._parts.watch.run)
        self._supervisor.keep(self._hub.keys.name, self._hub.keys.run)
        self._supervisor.keep(RELOAD, self._parts.reloader.run)
        if notary is not None and unmet is not None:
            await notary.alarm(unmet)
            self._supervisor.keep(RECOVERY, self._after_recovery)
        else:
            await self._work()
        self._schedule()
        self._hub.ready = True
        self._hub.log.event("daemon:ready", pid=os.getpid(), **self.addresses)
        notify("READY=1", f"STATUS=serving {self._hub.instance}")

    async def _work(self) -> None:
        """Let rooms, calendar and the log's keeper begin."""
        if self._hub.notary is not None:
            await self._hub.notary.over()
            await self._hub.notary.begin()
            self._hub.notary.keep(self._supervisor)
        for room in self._parts.house.rooms:
            self._supervisor.keep(room.name, room.run)

    async def _after_recovery(self, stop: asyncio.Event) -> None:
        """Begin to work once two people have accepted what was lost."""
        await first_of(self._hub.resumed.wait(), stop.wait())
        if not stop.is_set():
            await self._work()
            self._hub.recovery = None
            self._hub.log.event("audit:recovered")

    async def stop(self) -> None:
        """Take nothing new, let open attempts end, close every socket."""
        self._hub.draining = True
        notify("STOPPING=1", "STATUS=draining")
        self._hub.log.event("daemon:draining")
        await self._supervisor.finish(self._parts.config.dispatch.shutdown_seconds)
        await self._stack.aclose()
        self._hub.log.event("daemon:stopped")

    async def _until_told(self) -> None:
        waits = [
            asyncio.ensure_future(event.wait())
            for event in (self._told, self._hub.failed)
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # --- listeners -----------------------------------------------------------------

    async def _listen(self) -> None:
        config, live = self._parts.config, self._parts.live
        receptionist = self._parts.house.receptionist
        api_limits, door_limits = self._limits()
        gate, door = Gatekeeper(api_limits), Gatekeeper(door_limits)

        def limit_anew() -> None:
            gate.limits, door.limits = self._limits()

        def body_limit_bytes() -> int:
            return live.config.webhooks.body_limit_bytes

        def door_line(*line: Any, **kwargs: Any) -> ExpressHandler:
            desk = self._receive_at_once
            return ExpressHandler(desk, body_limit_bytes(), *line, **kwargs)

        live.subscribe(limit_anew)
        feed = Feed(self._hub)
        gates = {"api": gate, "webhooks": door}
        health = web.AppRunner(
            build_health(
                self._hub,
                receptionist.counted,
                lambda: queues(self._parts, feed, gates),
            ),
            access_log=None,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._serve("health", health, config.health)
        webhooks = GuardedRunner(
            build_webhooks(self._hub, receptionist, door, body_limit_bytes),
            door,
            door_line,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._serve("webhooks", webhooks, config.webhooks.listen)
        # The last: whoever is answered here finds the other two listening.
        api = GuardedRunner(
            build_app(
                self._hub, gate, feed, rate_of(config.api), config.api.tls_certificate
            ),
            gate,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await self._serve_api(api, config.api)

    def _receive_at_once(
        self, account: str, raw: RawDelivery, answer: Callable[[Reception], None]
    ) -> bool:
        """Take a delivery the short way, where deliveries are taken at all."""
        if self._hub.recovery is not None:
            return False
        return self._parts.house.receptionist.receive_at_once(account, raw, answer)

    def _limits(self) -> tuple[GuardLimits, GuardLimits]:
        """Return the caps of API and webhook listener, as descriptors allow them."""
        wanted = self._parts.config.webhooks
        calls = sum(path.concurrency for path in self._parts.live.all())
        limit = granted()
        shares = share_out(
            limit,
            calls,
            API_LIMITS,
            GuardLimits(
                wanted.header_deadline_seconds,
                wanted.body_deadline_seconds,
                wanted.connections,
                wanted.connections_per_peer,
            ),
        )
        if limit < shares.wanted:
            self._hub.log.problem(
                "descriptors:few",
                limit=limit,
                wanted=shares.wanted,
                api_connections=shares.api.connections,
                webhook_connections=shares.webhooks.connections,
            )
        return shares.api, shares.webhooks

    async def _serve(self, name: str, runner: web.AppRunner, address: Address) -> None:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(
            runner, address.host, address.port, backlog=_accepted_at_once(runner)
        )
        with _listening_on(name, str(address)):
            await site.start()
            _lengthen_queue(site)
        host, port = runner.addresses[-1][:2]
        self.addresses[name] = f"{host}:{port}"

    async def _serve_api(self, runner: GuardedRunner, config: ApiConfig) -> None:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        at_once = _accepted_at_once(runner)
        site = web.UnixSite(runner, str(config.socket), backlog=at_once)
        with _listening_on("api", str(config.socket)):
            make_room(config.socket, config.socket_group)
            await site.start()
            _lengthen_queue(site)
            open_to(config.socket, config.socket_mode, config.socket_group)
        self._stack.callback(config.socket.unlink, missing_ok=True)
        self.addresses["api"] = f"unix:{config.socket}"
        if config.tcp is not None:
            tls = following(lambda: self._parts.live.prepared.tls)
            tcp = web.TCPSite(
                runner,
                config.tcp.host,
                config.tcp.port,
                ssl_context=tls,
                backlog=at_once,
            )
            with _listening_on("api_tcp", str(config.tcp)):
                await tcp.start()
                _lengthen_queue(tcp)
            found = [one for one in runner.addresses if isinstance(one, tuple)]
            self.addresses["api_tcp"] = f"{found[-1][0]}:{found[-1][1]}"

    # --- the calendar ---------------------------------------------------------------

    def _schedule(self) -> None:
        """Let APScheduler call the calendar; due times stand in our own table."""
        scheduler = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={
                "misfire_grace_time": None,
                "coalesce": True,
                "max_instances": 1,
            },
        )
        scheduler.add_listener(
            self._scheduler_trouble, EVENT_JOB_ERROR | EVENT_JOB_MISSED
        )
        scheduler.add_job(self._run_due, "interval", seconds=CALENDAR_SECONDS)
        watchdog = watchdog_seconds()
        if watchdog is not None:
            scheduler.add_job(self._pat_watchdog, "interval", seconds=watchdog)
        scheduler.start()
        self._stack.callback(scheduler.shutdown, wait=False)

    async def _run_due(self) -> None:
        self._parts.troubles.probe()
        if not self._hub.draining and self._hub.recovery is None:
            await self._parts.house.calendar.run_due(self._hub.clock.now())

    async def _pat_watchdog(self) -> None:
        if self._supervisor.all_running:
            notify("WATCHDOG=1")

    def _scheduler_trouble(self, event: object) -> None:
        self._hub.count("calendar_troubles")
        kind = type(getattr(event, "exception", None)).__name__
        self._hub.log.problem("calendar:trouble", error=kind)


@contextmanager
def _listening_on(name: str, address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"Cannot listen on {address} ({name}): {why}.") from error


def _accepted_at_once(runner: web.AppRunner) -> int:
    """Give how many connections one turn of the loop accepts: as many as may stay."""
    if not isinstance(runner, GuardedRunner):
        return LEAST
    return min(ACCEPTED_AT_ONCE, runner.gate.limits.connections)


def _lengthen_queue(site: web.BaseSite) -> None:
    """Let more connections wait in the kernel than are accepted in one turn."""
    server = site._server  # noqa: SLF001 - of the pinned minor version, see the guard
    for listening in getattr(server, "sockets", ()):
        with socket.socket(fileno=os.dup(listening.fileno())) as same:
            same.listen(BACKLOG)
