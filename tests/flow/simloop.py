"""An event loop in virtual time whose next callback is drawn by a seeded generator."""

from __future__ import annotations

import asyncio
import heapq
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

START = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)


class DeadlockError(Exception):
    """Nothing is ready and no timer is set."""


class SimLoop(asyncio.BaseEventLoop):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.now = 0.0
        self.steps = 0
        self.on_step: Callable[[int], None] | None = None
        self._rng = random.Random(seed)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, events: object) -> None:
        pass

    def call_soon_threadsafe(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("thread in simulation")

    def run_in_executor(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("executor in simulation")

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        ready: Any = self._ready  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready:
            if not timers:
                raise DeadlockError
            self.now = max(self.now, timers[0]._when)
        while timers and timers[0]._when <= self.now:
            handle = heapq.heappop(timers)
            handle._scheduled = False
            if not handle._cancelled:
                ready.append(handle)
        if not ready:
            return
        position = self._rng.randrange(len(ready))
        handle = ready[position]
        if not handle._cancelled:
            self.steps += 1
            if self.on_step is not None:
                # Before it is taken: what raises here must lose nobody's turn.
                self.on_step(self.steps)
        del ready[position]
        if not handle._cancelled:
            handle._run()


class SimClock:
    """The clock port over a SimLoop; the wall can jump, the monotonic cannot."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.jump = timedelta(0)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time()) + self.jump

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def simulate(main: Callable[[SimLoop], Coroutine[Any, Any, T]], seed: int = 0) -> T:
    """Run `main` to its end in virtual time."""
    loop = SimLoop(seed)
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    try:
        result = loop.run_until_complete(main(loop))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert not errors, errors
    return result
