from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from refundwatch.errors import InvariantBroken
from refundwatch.flow.lanes import Lanes
from refundwatch.flow.loops import Jobs, Room, first_of, trouble
from refundwatch.store.contract import CloseAlarm, Committed, NextDue, RaiseAlarm
from tests.flow.fakes import FakePaths, FakeStore, LogBook, a_path, settings
from tests.flow.simloop import START, SimClock, SimLoop, simulate

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.flow.equipment import Equipment


@dataclass
class Bench:
    """As much equipment as a room's loop touches."""

    clock: SimClock
    store: FakeStore
    paths: FakePaths
    lanes: Lanes
    log: LogBook = field(default_factory=LogBook)
    settings: Any = field(default_factory=lambda: settings(longest_sleep_seconds=300))


class Diary(Room[int]):
    """A room whose work is a list of (due second, how long it takes)."""

    name: ClassVar[str] = "diary"
    wakes_on: ClassVar[frozenset[str]] = frozenset({"send"})

    def __init__(self, loop: SimLoop, work: dict[int, tuple[float, float]]) -> None:
        self.work = work
        self.done: list[tuple[int, float]] = []
        self.looks: list[float] = []
        self.broken: set[int] = set()
        self.loop = loop
        store = FakeStore({"NextDue": self._next_due})
        clock, paths = SimClock(loop), FakePaths((a_path(),))
        bench: Any = Bench(clock, store, paths, Lanes(paths, clock))
        equipment: Equipment = bench
        super().__init__(equipment, 2)

    def _next_due(self, asked: NextDue) -> datetime | None:
        moments = [START + timedelta(seconds=due) for due, _ in self.work.values()]
        return min(
            (one for one in moments if asked.after is None or one > asked.after),
            default=None,
        )

    async def step(self) -> int:
        self.look()
        self.looks.append(self.loop.time())
        started = 0
        for key in sorted(set(self.work) - self.out_of_reach()):
            if self.work[key][0] <= self.loop.time() and self.jobs.free > 0:
                self.jobs.start(key, self._job(key))
                started += 1
        return started

    async def _job(self, key: int) -> None:
        if key in self.broken:
            raise InvariantBroken("secret words")
        await asyncio.sleep(self.work[key][1])
        del self.work[key]
        self.done.append((key, self.loop.time()))


def told(diary: Diary) -> list[tuple[str, str]]:
    """The alarms that the room raised and closed, by subject."""
    store: Any = diary.at.store
    kinds = (RaiseAlarm, CloseAlarm)
    commands = [one for one in store.commands if isinstance(one, kinds)]
    return [(type(one).__name__, one.subject) for one in commands]


def run_for(diary: Diary, seconds: float) -> Any:
    async def main() -> None:
        stop = asyncio.Event()
        room = asyncio.ensure_future(diary.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await room

    return main()


def test_room_sleeps_until_the_next_due_row_and_does_not_poll() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (10, 1), 2: (200, 1)})
        await run_for(diary, 250)

        assert diary.done == [(1, 11), (2, 201)]
        assert len(diary.looks) < 10

    simulate(main)


def test_room_wakes_by_a_commit_that_touches_its_work() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {})
        room = asyncio.ensure_future(run_for(diary, 100))
        await asyncio.sleep(20)
        diary.work[7] = (20, 1)
        diary.wake(Committed(1, frozenset({"alarm"}), health=False))
        await asyncio.sleep(5)
        assert diary.done == []
        diary.wake(Committed(2, frozenset({"send", "alarm"}), health=False))
        await room

        assert diary.done == [(7, 26)]

    simulate(main)


def test_room_looks_again_after_the_longest_sleep_whatever_the_clock_says() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (10_000, 1)})
        await run_for(diary, 300 + 1)

        assert diary.looks == [0, 300]

    simulate(main)


def test_row_that_is_due_but_blocked_does_not_spin() -> None:
    class Blocked(Diary):
        async def step(self) -> int:
            self.look()
            self.looks.append(self.loop.time())
            return 0

    async def main(loop: SimLoop) -> None:
        diary = Blocked(loop, {1: (0, 1)})
        await run_for(diary, 100)

        assert len(diary.looks) == 1

    simulate(main)


def test_failing_job_is_left_alone_for_a_while_and_logged_without_its_text() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (0, 1)})
        diary.broken = {1}
        await run_for(diary, 150)

        problems = diary.at.log.problems  # type: ignore[attr-defined]
        assert [name for name, _ in problems] == ["job_failed"] * 3
        assert problems[0][1]["error"] == "internal.invariant_broken"
        assert "secret" not in str(problems)

    simulate(main)


def test_at_most_so_many_jobs_run_at_once() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, dict.fromkeys(range(6), (0, 10)))
        await run_for(diary, 40)

        assert [at for _, at in diary.done] == [10, 10, 20, 20, 30, 30]

    simulate(main)


def test_stop_waits_for_open_jobs_and_starts_no_more() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (0, 10), 2: (0, 10), 3: (0, 10)})
        await run_for(diary, 5)

        assert sorted(key for key, _ in diary.done) == [1, 2]
        assert loop.time() == 10

    simulate(main)


def test_stop_does_not_wait_for_ever() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (0, 1000)})
        await run_for(diary, 5)

        assert diary.done == []
        assert loop.time() == pytest.approx(5 + 20 + 2)
        assert not diary.jobs.keys

    simulate(main)


def test_cancelled_room_cancels_its_jobs() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (0, 1000)})
        room = asyncio.ensure_future(diary.run(asyncio.Event()))
        await asyncio.sleep(5)
        room.cancel()
        await asyncio.gather(room, return_exceptions=True)

        assert not diary.jobs.keys
        assert loop.time() == 5

    simulate(main)


def test_error_of_a_step_leaves_open_jobs_alone() -> None:
    class Moody(Diary):
        async def step(self) -> int:
            if self.loop.time() >= 3:
                raise OSError
            return await super().step()

    async def main(loop: SimLoop) -> None:
        diary = Moody(loop, {1: (0, 10), 2: (3, 1)})
        with pytest.raises(OSError, match=r"^$"):
            await diary.run(asyncio.Event())
        assert diary.jobs.keys == {1}
        await diary.jobs.settled()

        assert diary.done == [(1, 10)]

    simulate(main)


def test_drain_works_until_nothing_is_due() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {**dict.fromkeys(range(5), (0, 3)), 9: (500, 1)})

        assert await diary.drain() == 5
        assert sorted(key for key, _ in diary.done) == [0, 1, 2, 3, 4]
        assert await diary.drain() == 0

    simulate(main)


def test_first_of_ends_the_others() -> None:
    ended: list[str] = []

    async def wait(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            ended.append(name)

    async def main(loop: SimLoop) -> None:
        await first_of(wait("slow", 100), wait("quick", 1))
        assert loop.time() == 1

    simulate(main)
    assert sorted(ended) == ["quick", "slow"]


def test_afterwards_runs_even_when_a_job_is_cancelled_before_it_began() -> None:
    given_back: list[int] = []

    async def never() -> None:
        raise AssertionError

    async def main(loop: SimLoop) -> None:
        jobs = Jobs[int](1, lambda key, error: None)
        jobs.start(1, never(), lambda: given_back.append(1))
        await jobs.cancel()
        assert jobs.free == 1

    simulate(main)
    assert given_back == [1]


def test_trouble_names_kind_and_place_alone() -> None:
    try:
        int("4111 1111 1111 1111")
    except ValueError as error:
        told = trouble(error)

    assert told["error"] == "ValueError"
    assert told["place"].startswith("test_loops.py:")


def test_job_that_fails_again_and_again_calls_people_until_it_goes_well() -> None:
    async def main(loop: SimLoop) -> None:
        diary = Diary(loop, {1: (0, 0), 2: (0, 0)})
        diary.broken = {1}
        stop = asyncio.Event()
        room = asyncio.ensure_future(diary.run(stop))
        await asyncio.sleep(100)
        assert told(diary) == []
        await asyncio.sleep(200)
        assert told(diary) == [("RaiseAlarm", "diary/1")]
        diary.broken = set()
        await asyncio.sleep(100)
        assert told(diary) == [("RaiseAlarm", "diary/1"), ("CloseAlarm", "diary/1")]
        stop.set()
        await room

    simulate(main)
