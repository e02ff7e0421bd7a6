"""The daemon's clock: it can jump, and a suspended machine does not count its sleep."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.flow.simloop import START, SimClock

if TYPE_CHECKING:
    from tests.flow.simloop import SimLoop


class DaemonClock(SimClock):
    """The wall may be wrong, the monotonic clock stands still in a suspended machine.

    `truth` is the time of everybody else, in seconds since the epoch.
    """

    def __init__(self, loop: SimLoop) -> None:
        super().__init__(loop)
        self.slept = 0.0

    def monotonic(self) -> float:
        return self._loop.time() - self.slept

    async def sleep(self, seconds: float) -> None:
        """Wait; a wait that floats round away would else never end."""
        await super().sleep(max(seconds, 1e-6) if seconds > 0 else seconds)

    def truth(self) -> float:
        return START.timestamp() + self._loop.time()

    def shift(self, seconds: float) -> None:
        """Let the wall clock jump."""
        self.jump += timedelta(seconds=seconds)

    def suspend(self, seconds: float) -> None:
        """Sleep with the machine: time passes for everybody else."""
        self._loop.now += seconds
        self.slept += seconds
