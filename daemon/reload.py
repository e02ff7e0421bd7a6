"""Loading the configuration anew while the daemon runs: on SIGHUP, or when asked.

Invariant: everything is read, every secret fetched and the store asked before anything
changes; what cannot be taken up whole leaves the configuration in force as it is, and
people are told which key of which file is in the way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.changes import Change, changes_between, must_not_wait_for_a_restart
from daemon.logs import open_log
from daemon.notify import notify
from refundwatch import __version__
from refundwatch.config import load_config
from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import (
    ConfigError,
    ConfigNotLoaded,
    StoreBusy,
    StoreFull,
    StoreMismatch,
)
from refundwatch.flow.loops import first_of
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.live import Live
    from daemon.wiring import Prepared
    from refundwatch.config import Config
    from refundwatch.errors import RefundwatchError
    from refundwatch.flow.house import House

NAME: Final = "config-reload"
ALARM: Final = "config_not_loaded"
AGAIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load changed, or would; digests are the policy versions."""

    before: str
    digest: str
    changes: tuple[Change, ...]


def opening(
    config: Config,
    at: datetime,
    actor: str = SYSTEM.id,
    changes: tuple[Change, ...] | None = None,
) -> c.OpenHouse:
    """Say to the store which configuration holds; `changes` None at a start."""
    return c.OpenHouse(
        at=at,
        instance=config.instance,
        mode=config.mode,
        config_digest=config.digest,
        version=__version__,
        accounts=tuple(
            c.AccountSpec(it.name, it.gateway, it.timezone) for it in config.accounts
        ),
        connections=tuple(
            c.ConnectionSpec(account.name, it.name, it.endpoint)
            for account in config.accounts
            for it in account.connections
        ),
        # One probe may come late; two that do not come are a silence.
        observation_gap_seconds=2 * config.probe.interval_seconds
        + config.probe.timeout_seconds,
        actor=actor,
        changed=None if changes is None else tuple(it.key for it in changes),
    )


class Reloader:
    """Exchanges the configuration in force for what the file says now."""

    def __init__(
        self, live: Live, house: House, prepare: Callable[[Config], Prepared]
    ) -> None:
        """Work on what is live; nothing is read before it is asked for."""
        self._live = live
        self._house = house
        self._prepare = prepare
        self._at = house.equipment
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._probes: set[asyncio.Task[None]] = set()

    def ask(self) -> None:
        """Load soon: a signal came."""
        self._asked.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Load whenever a signal asked for it, until told to stop."""
        while not stop.is_set():
            await first_of(self._asked.wait(), stop.wait())
            if stop.is_set() or not self._asked.is_set():
                continue
            self._asked.clear()
            moment = round(self._at.clock.monotonic() * 1_000_000)
            notify("RELOADING=1", f"MONOTONIC_USEC={moment}")
            try:
                loaded = await self.load(SYSTEM.id)
            except (StoreBusy, StoreFull) as error:
                self._at.log.problem("config:waits", code=error.code)
                self._asked.set()
                pause = self._at.clock.sleep(AGAIN_SECONDS)
                await first_of(pause, stop.wait())
            except ConfigNotLoaded:
                notify("READY=1", "STATUS=the configuration was refused, see the log")
            else:
                notify("READY=1", f"STATUS=policy version {loaded.digest[:16]}")

    async def load(self, actor: str, *, only_try: bool = False) -> Loaded:
        """Take up what the file says now, whole or not at all.

        Raises:
            ConfigNotLoaded: it cannot be, and why; what held before still holds.
        """
        async with self._one_at_a_time:
            try:
                return await self._load(actor, only_try=only_try)
            except (ConfigError, StoreMismatch) as error:
                if not only_try:
                    await self._refused(actor, error)
                raise ConfigNotLoaded(error.message, error.field) from error

    async def close_alarm(self) -> None:
        """Take the alarm back: a configuration was loaded."""
        await self._at.store.execute(
            c.CloseAlarm(self._at.clock.now(), ALARM, self._file)
        )

    def close(self) -> None:
        """End what still runs."""
        for probe in self._probes:
            probe.cancel()

    @property
    def _file(self) -> str:
        return self._live.config.path.name

    async def _load(self, actor: str, *, only_try: bool) -> Loaded:
        live, before = self._live, self._live.config
        config, prepared = await asyncio.to_thread(self._read)
        changes = changes_between(live, config, prepared)
        must_not_wait_for_a_restart(live, config, prepared, changes)
        loaded = Loaded(before.digest, config.digest, changes)
        if only_try:
            return loaded
        command = opening(config, self._at.clock.now(), actor, changes)
        await self._at.store.execute(command)
        self._adopt(config, prepared)
        await self.close_alarm()
        self._at.log.event(
            "config:loaded",
            by=actor,
            policy_version=config.digest[:16],
            changes=len(changes),
        )
        return loaded

    def _read(self) -> tuple[Config, Prepared]:
        config = load_config(self._live.config.path)
        return config, self._prepare(config)

    def _adopt(self, config: Config, prepared: Prepared) -> None:
        """Change over in one step; what is open goes on with what it was given."""
        before, log = self._live.prepared.directory, self._live.config.log
        renewed = {
            name
            for name, credentials in before.secrets.items()
            if prepared.directory.secrets.get(name) != credentials
        }
        self._live.adopt(config, prepared)
        if config.log != log:
            open_log(config.log.level, config.log.format)
        self._house.look_again(renewed)
        for path in self._live.all():
            if path.id in renewed or path.id not in before.secrets:
                # Whether the new credentials are taken is known at once, and a
                # connection that had stopped for the old ones goes on.
                probe = asyncio.ensure_future(self._house.prober.probe(path))
                self._probes.add(probe)
                probe.add_done_callback(self._probes.discard)

    async def _refused(self, actor: str, error: RefundwatchError) -> None:
        """Tell people; of several refusals the last is the one that stands open."""
        key, now = error.field or "-", self._at.clock.now()
        self._at.log.problem(
            "config:refused", by=actor, code=error.code, key=key, detail=error.message
        )
        note = c.AuditNote(
            now, "config:refused", actor, {"key": key, "code": error.code}
        )
        await self._at.store.execute(note)
        await self.close_alarm()
        detail = {
            "file": str(self._live.config.path),
            "key": key,
            "detail": error.message,
        }
        await self._at.store.execute(
            c.RaiseAlarm(now, ALARM, "warning", self._file, detail)
        )
