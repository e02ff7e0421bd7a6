"""Checkpoints on their way out: to files, programs, syslog and addresses.

Invariant: each place gets the newest checkpoint, tried until it took it; a place that
refuses raises an alarm and keeps no other one waiting.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from daemon.checkpoint_file import write_checkpoint
from daemon.handing import TROUBLE, post, run_program
from refundwatch.errors import RefundwatchError
from refundwatch.flow.loops import Bell, first_of
from refundwatch.store.contract import CloseAlarm, RaiseAlarm

if TYPE_CHECKING:
    from daemon.hub import Hub
    from refundwatch.config.audit import AuditOutletConfig
    from refundwatch.domain.checkpoint import SignedCheckpoint

ALARM_FAILED: Final = "audit_outlet_failed"
SECONDS: Final = 15.0
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 300.0
_NOTICE_OF_AUTHPRIV: Final = 10 * 8 + 5
_PLAIN: Final = "text/plain; charset=utf-8"


class AuditOutlet:
    """Sends checkpoints to one place."""

    def __init__(self, hub: Hub, config: AuditOutletConfig) -> None:
        """Send nothing yet."""
        self._hub = hub
        self._config = config
        self._newest: SignedCheckpoint | None = None
        self._bell = Bell()
        self._failing = True
        self.name = config.name

    def publish(self, signed: SignedCheckpoint) -> None:
        """Let a checkpoint leave when its turn comes; only the newest does."""
        self._newest = signed
        self._bell.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Send checkpoints as they come until told to stop, and the last one then."""
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            await first_of(self._bell.heard(), stop.wait())
            self._bell.silence()
            if self._newest is None:
                continue
            if await self.step():
                pause = FIRST_PAUSE_SECONDS
                rest = self._config.every_seconds
            else:
                rest, pause = pause, min(pause * 2, LONGEST_PAUSE_SECONDS)
                self._bell.ring()
            await first_of(self._hub.clock.sleep(rest), stop.wait())
        await self.step()

    async def step(self) -> bool:
        """Send the newest checkpoint; False where the place did not take it."""
        signed = self._newest
        if signed is None:
            return True
        try:
            async with asyncio.timeout(SECONDS):
                taken = await self._send(signed)
        except TROUBLE as error:
            taken = False
            self._hub.log.problem("audit:unsent", error=type(error).__name__)
        await self._tell(taken=taken)
        if taken and self._newest is signed:
            self._newest = None
        return taken

    async def _tell(self, *, taken: bool) -> None:
        now = self._hub.clock.now()
        try:
            if not taken:
                self._failing = True
                await self._hub.store.execute(
                    RaiseAlarm(now, ALARM_FAILED, "critical", self.name)
                )
            elif self._failing:
                # What an earlier process raised ends here too.
                await self._hub.store.execute(CloseAlarm(now, ALARM_FAILED, self.name))
                self._failing = False
        except RefundwatchError as error:
            self._hub.log.problem("alarm:lost", kind=ALARM_FAILED, code=error.code)

    async def _send(self, signed: SignedCheckpoint) -> bool:
        config = self._config
        if config.file is not None:
            await asyncio.to_thread(write_checkpoint, config.file, signed.note)
            return True
        if config.command:
            return await run_program(config.command, signed.note) == 0
        if config.syslog is not None:
            line = _syslog_line(self._hub.instance, signed)
            await asyncio.to_thread(_to_syslog, config.syslog, line)
            return True
        return await post(str(config.url), signed.note, _PLAIN, SECONDS)


def _syslog_line(instance: str, signed: SignedCheckpoint) -> bytes:
    """Write a checkpoint on one line: its lines, joined by a bar."""
    flat = signed.note.decode().rstrip("\n").replace("\n", "|")
    return f"<{_NOTICE_OF_AUTHPRIV}>refundwatch: checkpoint {instance} {flat}".encode()


def _to_syslog(place: str, line: bytes) -> None:
    if place.startswith("/"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.settimeout(SECONDS)
            local.connect(place)
            local.send(line)
        return
    host, _, port = place.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as remote:
        remote.settimeout(SECONDS)
        remote.sendto(line, address)
