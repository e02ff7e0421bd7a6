"""Supervised loops: what runs beside the requests, and who restarts it.

Invariant: a loop that fails is restarted after a pause and raises an alarm; a store
that failed ends the process, because nothing after it can be trusted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from refundwatch.errors import RefundwatchError, StoreFailed
from refundwatch.flow.loops import trouble
from refundwatch.store.contract import CloseAlarm, RaiseAlarm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daemon.hub import Hub

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
HEALTHY_SECONDS: Final = 60.0


class Supervisor:
    """Keeps loops running until it is told to stop."""

    def __init__(self, hub: Hub) -> None:
        """Start with nothing to keep."""
        self._hub = hub
        self._tasks: list[asyncio.Task[None]] = []
        self.stop = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def all_running(self) -> bool:
        """Tell whether every loop is alive."""
        return all(not task.done() for task in self._tasks)

    def hurry(self) -> None:
        """Wait no longer for loops that are to end."""
        self._hurried.set()

    def keep(self, name: str, loop: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        """Run a loop, which ends when its event is set."""
        self._tasks.append(asyncio.create_task(self._keep(name, loop), name=name))

    async def finish(self, seconds: float) -> None:
        """Let every loop end; cancel what is left after so many seconds."""
        self.stop.set()
        if not self._tasks:
            return
        done = asyncio.ensure_future(asyncio.wait(self._tasks, timeout=seconds))
        hurried = asyncio.ensure_future(self._hurried.wait())
        await asyncio.wait({done, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        done.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(
        self, name: str, loop: Callable[[asyncio.Event], Awaitable[None]]
    ) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self.stop.is_set():
            begun = self._hub.clock.monotonic()
            try:
                await loop(self.stop)
            except StoreFailed as error:
                self._hub.log.problem("store:failed", detail=error.message)
                self._hub.failed.set()
                return
            except Exception as error:  # noqa: BLE001 - supervised: alarm and restart
                if self._hub.clock.monotonic() - begun > HEALTHY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await self._alarm(name, error)
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _alarm(self, name: str, error: Exception) -> None:
        self._hub.count("loop_crashes")
        fields = trouble(error)
        self._hub.log.problem("loop:crashed", loop=name, **fields)
        try:
            await self._hub.store.execute(
                RaiseAlarm(
                    self._hub.clock.now(), "loop_crashed", "critical", name, fields
                )
            )
        except RefundwatchError as failure:
            self._hub.log.problem("alarm:lost", loop=name, code=failure.code)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return


async def close_crash_alarms(hub: Hub, names: tuple[str, ...]) -> None:
    """A new start is a new chance: close what the last process raised of its loops."""
    for name in names:
        await hub.store.execute(CloseAlarm(hub.clock.now(), "loop_crashed", name))
