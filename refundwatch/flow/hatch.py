"""Places on a connection for what deliveries make us read before they are believed.

Invariant: such a read holds a place of its connection, so that its declared
concurrency is never passed; strangers, who choose how much is read, get half of the
places at most, and half of the time where there is but one.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from refundwatch.flow.lanes import Lanes
    from refundwatch.flow.ports import Clock, ConnectionPath

LONGEST_WAIT_SECONDS: Final = 4.0
"""A gateway waits for its answer: who finds no place by then is asked to come again."""


class Hatch:
    """Lets the reads of deliveries into the lanes."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        """Start with nobody reading."""
        self._lanes = lanes
        self._clock = clock
        self._gates: dict[str, tuple[int, asyncio.Semaphore]] = {}

    @asynccontextmanager
    async def place(self, path: ConnectionPath) -> AsyncIterator[bool]:
        """Hold a place of the connection; False where none came in time."""
        gate, lane = self._gate(path), self._lanes.lane(path)
        if not await _both(gate, lane):
            yield False
            return
        begun = self._clock.monotonic()
        try:
            yield True
        finally:
            lane.release()
            alone = path.concurrency == 1
            took = self._clock.monotonic() - begun if alone else 0.0
            # As long as it was held, the only place is left to others.
            asyncio.get_running_loop().call_later(took, gate.release)

    def _gate(self, path: ConnectionPath) -> asyncio.Semaphore:
        width, gate = self._gates.get(path.id, (0, None))
        wanted = max(path.concurrency // 2, 1)
        if gate is None or width != wanted:
            gate = asyncio.Semaphore(wanted)
            self._gates[path.id] = (wanted, gate)
        return gate


async def _both(gate: asyncio.Semaphore, lane: asyncio.Semaphore) -> bool:
    """Acquire both or neither."""
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await gate.acquire()
            try:
                await lane.acquire()
            except BaseException:
                gate.release()
                raise
    except TimeoutError:
        return False
    return True
