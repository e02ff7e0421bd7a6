"""How a room works: what is due becomes jobs, then it sleeps until the next is due.

Invariant: a room never polls. It wakes by its bell (a commit that touched its work,
or a job of its own that ended) or at the next due time; a failing job is left alone
for a while, so that nothing spins.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from refundwatch.errors import RefundwatchError
from refundwatch.store.contract import CloseAlarm, NextDue, RaiseAlarm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from refundwatch.flow.equipment import Equipment
    from refundwatch.store.contract import Committed, Query

W = TypeVar("W")
K = TypeVar("K", bound=Hashable)

PARKED_SECONDS: Final = 60
LONGEST_PARKED: Final = 10_000
FAILURES_TO_ALARM: Final = 3
ALARM_FAILS: Final = "job_fails"


class Bell:
    """Wakes one room; ringing twice before it looks is ringing once."""

    def __init__(self) -> None:
        """Start silent."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the room."""
        self._event.set()

    def silence(self) -> None:
        """Forget earlier rings: the room looks now."""
        self._event.clear()

    async def heard(self) -> None:
        """Wait for a ring."""
        await self._event.wait()


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one of these is done, and end the others."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def trouble(error: BaseException) -> dict[str, str]:
    """Describe an error for the log: its kind and place, never its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "unknown"
    if trace is not None:
        file_name = trace.tb_frame.f_code.co_filename.rsplit("/", 1)[-1]
        place = f"{file_name}:{trace.tb_lineno}"
    kind = error.code if isinstance(error, RefundwatchError) else type(error).__name__
    return {"error": kind, "place": place}


class Jobs(Generic[K]):
    """The jobs of one room: at most one a key, and so many in all."""

    def __init__(
        self, most: int, ended: Callable[[K, BaseException | None], None]
    ) -> None:
        """Run at most `most` at once; `ended` hears of each end."""
        self.most = most
        self.peak = 0
        self._ended = ended
        self._tasks: dict[K, asyncio.Task[None]] = {}

    @property
    def keys(self) -> frozenset[K]:
        """Give what is being worked on."""
        return frozenset(self._tasks)

    @property
    def free(self) -> int:
        """Give how many more may start."""
        return self.most - len(self._tasks)

    def start(
        self,
        key: K,
        work: Coroutine[Any, Any, None],
        afterwards: Callable[[], None] | None = None,
    ) -> None:
        """Start a job; `afterwards` runs however it ends."""
        task = asyncio.ensure_future(work)
        self._tasks[key] = task
        self.peak = max(self.peak, len(self._tasks))

        def end(done: asyncio.Task[None]) -> None:
            del self._tasks[key]
            if afterwards is not None:
                afterwards()
            self._ended(key, None if done.cancelled() else done.exception())

        task.add_done_callback(end)

    async def settled(self) -> None:
        """Wait until every job that runs now has ended, however."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def cancel(self) -> None:
        """End every job at its next await, and wait for it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Room(ABC, Generic[K]):
    """One supervised loop over one kind of due work."""

    name: ClassVar[str]
    wakes_on: ClassVar[frozenset[str]]

    def __init__(self, equipment: Equipment, most_jobs: int) -> None:
        """Open with nothing under way."""
        self.at = equipment
        self.bell = Bell()
        self.jobs = Jobs[K](most_jobs, self._job_ended)
        self.closing = False
        self._looked_at: datetime | None = None
        self._parked: dict[K, float] = {}
        self.most_parked = 0
        self._broken_off: dict[K, int] = {}
        self._untold: dict[K, dict[str, str] | None] = {}

    @abstractmethod
    async def step(self) -> int:
        """Start a job for what is due now and fits; return how many started."""

    def wake(self, committed: Committed) -> None:
        """Look again if a commit touched this room's work; give to `subscribe`."""
        if committed.touched & self.wakes_on:
            self.bell.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let the open jobs end within their time.

        Whatever is left then is cancelled; its rows stay as they are. An error of the
        store leaves the open jobs alone: whoever supervises runs the room again.
        """
        self.closing = False
        try:
            while not stop.is_set():
                self.bell.silence()
                await self._call_people()
                if await self.step():
                    continue
                await first_of(
                    self.at.clock.sleep(await self._pause_seconds()),
                    self.bell.heard(),
                    stop.wait(),
                )
            self.closing = True
            await first_of(
                self.at.clock.sleep(self.leave_seconds()), self.jobs.settled()
            )
            await self.jobs.cancel()
        except asyncio.CancelledError:
            self.closing = True
            await self.jobs.cancel()
            raise

    async def drain(self) -> int:
        """Work until nothing more is due now and every job has ended; count them."""
        done = 0
        while True:
            # What ended during the look was passed over by it, and may be due again.
            was_busy = bool(self.jobs.keys)
            started = await self.step()
            if not (started or was_busy or self.jobs.keys):
                return done
            done += started
            await self.jobs.settled()

    def leave_seconds(self) -> float:
        """Give how long open jobs may still take when the room closes."""
        slowest = max((path.timeout_seconds for path in self.at.paths.all()), default=0)
        return slowest + 2

    # --- for the rooms -----------------------------------------------------------

    def look(self) -> datetime:
        """Give the moment of this look and remember it."""
        self._looked_at = self.at.clock.now()
        return self._looked_at

    def out_of_reach(self) -> frozenset[K]:
        """Give what is being worked on or left alone for a while."""
        now = self.at.clock.monotonic()
        for key in [key for key, until in self._parked.items() if until <= now]:
            del self._parked[key]
        return self.jobs.keys | frozenset(self._parked)

    def park(self, key: K, seconds: float = PARKED_SECONDS) -> None:
        """Leave one alone for a while."""
        if len(self._parked) >= LONGEST_PARKED:
            self._parked.clear()
        self._parked[key] = self.at.clock.monotonic() + seconds
        self.most_parked = max(self.most_parked, len(self._parked))

    def rest_seconds(self) -> float | None:
        """Give how long until something left alone may go on; None for no such time."""
        now = self.at.clock.monotonic()
        rests = [until - now for until in self._parked.values()]
        resting = self.at.lanes.rest_seconds()
        if resting is not None:
            rests.append(resting)
        return min(rests, default=None)

    async def fill(
        self,
        due: Callable[[frozenset[K]], Query[tuple[W, ...]] | None],
        key: Callable[[W], K],
        start: Callable[[W], Awaitable[bool]],
    ) -> int:
        """Start due work while places are free, passing over what cannot start now.

        `due` is asked without the keys already seen, and gives None where nothing of
        it could start; `start` says whether it started.
        """
        seen = self.out_of_reach()
        started = 0
        while not self.closing and self.jobs.free > 0:
            query = due(seen)
            works = await self.at.store.read(query) if query is not None else ()
            if not works:
                break
            seen |= {key(work) for work in works}
            for work in works:
                started += await start(work)
        return started

    # --- within ------------------------------------------------------------------

    async def _pause_seconds(self) -> float:
        waits: list[float] = [self.at.settings.longest_sleep_seconds]
        due = await self.at.store.read(NextDue(after=self._looked_at))
        if due is not None:
            waits.append((due - self.at.clock.now()).total_seconds())
        rest = self.rest_seconds()
        if rest is not None:
            waits.append(rest)
        return max(min(waits), 0.0)

    def _job_ended(self, key: K, error: BaseException | None) -> None:
        if error is None:
            if self._broken_off.pop(key, 0) >= FAILURES_TO_ALARM:
                self._untold[key] = None
        else:
            self.park(key)
            self.at.log.problem("job_failed", room=self.name, **trouble(error))
            if len(self._broken_off) >= LONGEST_PARKED:
                self._broken_off.clear()
            self._broken_off[key] = self._broken_off.get(key, 0) + 1
            if self._broken_off[key] == FAILURES_TO_ALARM:
                self._untold[key] = trouble(error)
        self.bell.ring()

    async def _call_people(self) -> None:
        """Call people where a job fails again and again, until it goes well."""
        while self._untold:
            key, detail = next(iter(self._untold.items()))
            subject, now = f"{self.name}/{key}", self.at.clock.now()
            if detail is None:
                await self.at.store.execute(CloseAlarm(now, ALARM_FAILS, subject))
            else:
                alarm = RaiseAlarm(now, ALARM_FAILS, "critical", subject, detail)
                await self.at.store.execute(alarm)
            self._untold.pop(key, None)
