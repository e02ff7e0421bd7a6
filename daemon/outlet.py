"""The alarms' one way out: a program, or an address.

Invariant: an alarm is marked as sent only after the outlet took it; one that could not
be sent is tried again, for ever, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from daemon.handing import TROUBLE, post, run_program
from refundwatch.store.contract import ListAlarms, MarkAlarmsSent

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from daemon.hub import Hub
    from refundwatch.config import AlarmsConfig
    from refundwatch.store.contract import AlarmRow, Committed

SECONDS: Final = 15.0
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 300.0


class Outlet:
    """Sends open alarms that have not left yet."""

    def __init__(self, hub: Hub, config: AlarmsConfig) -> None:
        """Use the command or the address of the configuration, or neither."""
        self._hub = hub
        self._config = config
        self._bell = asyncio.Event()
        self._bell.set()
        self._pause = FIRST_PAUSE_SECONDS

    def use(self, config: AlarmsConfig) -> None:
        """Use another outlet from now on, at once for what waits."""
        if config != self._config:
            self._config = config
            self._pause = FIRST_PAUSE_SECONDS
            self._bell.set()

    def wake(self, committed: Committed) -> None:
        """Look again when a commit touched an alarm."""
        if "alarm" in committed.touched:
            self._bell.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send alarms as they come until told to stop."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._bell.clear()
                sent = await _unless(stopped, self.step())
                again = None if sent else self._pause
                rung = asyncio.ensure_future(self._bell.wait())
                await asyncio.wait(
                    {rung, stopped},
                    timeout=again,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                rung.cancel()
        finally:
            stopped.cancel()

    async def step(self) -> bool:
        """Send what waits, oldest first; False when something could not leave.

        Without an outlet nothing waits to leave.
        """
        if not self._config.command and self._config.url is None:
            return True
        waiting = await self._hub.store.read(ListAlarms(unsent_only=True))
        for alarm in sorted(waiting, key=lambda one: one.id):
            if not await self._send(alarm):
                self._hub.count("alarm_outlet_failures")
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
                return False
            await self._hub.store.execute(
                MarkAlarmsSent(self._hub.clock.now(), (alarm.id,))
            )
            self._pause = FIRST_PAUSE_SECONDS
        return True

    async def _send(self, alarm: AlarmRow) -> bool:
        content = json.dumps(
            {
                "instance": self._hub.instance,
                "mode": self._hub.mode,
                "id": alarm.id,
                "kind": alarm.kind,
                "severity": alarm.severity,
                "subject": alarm.subject,
                "opened_at": alarm.opened_at.isoformat(),
                "detail": dict(alarm.detail),
            }
        ).encode()
        try:
            async with asyncio.timeout(SECONDS):
                if self._config.command:
                    return await self._run(content)
                url = str(self._config.url)
                return await post(url, content, "application/json", SECONDS)
        except TROUBLE as error:
            self._hub.log.problem("alarm:unsent", error=type(error).__name__)
            return False

    async def _run(self, content: bytes) -> bool:
        code = await run_program(self._config.command, content)
        if code:
            self._hub.log.problem("alarm:unsent", exit_code=code)
        return code == 0


async def _unless(
    stopped: asyncio.Future[Any], work: Coroutine[Any, Any, bool]
) -> bool:
    """Do the work, but leave it where it is when the daemon stops; give its answer."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
    return not working.cancelled() and working.result()
