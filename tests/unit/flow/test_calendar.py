from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from refundwatch.flow.calendar import Calendar, Job, standard_jobs
from refundwatch.flow.probe import Prober
from refundwatch.store.contract import (
    AbandonAttempts,
    ExpireApprovals,
    RaiseDoubtAlarms,
    TakeDueJobs,
)
from tests.flow.fakes import FakeStore, LogBook, settings
from tests.flow.simloop import START, SimClock, SimLoop, simulate

if TYPE_CHECKING:
    from datetime import datetime


def bench(loop: SimLoop, store: FakeStore) -> Any:
    return SimpleNamespace(
        store=store, clock=SimClock(loop), log=LogBook(), settings=settings()
    )


def test_only_due_jobs_run_and_the_store_says_which() -> None:
    ran: list[str] = []

    async def job(now: datetime) -> None:
        assert now == START
        ran.append("a")

    async def main(loop: SimLoop) -> None:
        store = FakeStore({"TakeDueJobs": ("a", "long gone")})
        jobs = {"a": Job(60, job), "b": Job(30, job)}
        calendar = Calendar(bench(loop, store), jobs)

        assert await calendar.run_due(START) == ("a",)
        assert store.of(TakeDueJobs)[0].intervals == {"a": 60, "b": 30}

    simulate(main)
    assert ran == ["a"]


def test_failing_job_does_not_stop_the_others() -> None:
    ran: list[str] = []

    async def good(now: datetime) -> None:
        await asyncio.sleep(1)
        ran.append("good")

    async def bad(now: datetime) -> None:
        raise ValueError("secret")

    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, FakeStore({"TakeDueJobs": ("bad", "good")}))
        calendar = Calendar(equipment, {"bad": Job(1, bad), "good": Job(1, good)})
        await calendar.run_due(START)

        assert equipment.log.problems[0][1]["job"] == "bad"
        assert "secret" not in str(equipment.log.problems)

    simulate(main)
    assert ran == ["good"]


def test_standard_jobs_expire_alarm_and_abandon() -> None:
    async def main(loop: SimLoop) -> None:
        store = FakeStore()
        equipment = bench(loop, store)
        jobs = standard_jobs(equipment, Prober(equipment), 45)
        for name in ("approvals:expire", "doubts:alarm", "leases:abandon"):
            await jobs[name].run(START)

        assert jobs["probe"].every_seconds == 45
        kinds = [type(one) for one in store.commands]
        assert kinds == [ExpireApprovals, RaiseDoubtAlarms, AbandonAttempts]
        assert store.commands[1].ages_seconds == (900, 86_400, 259_200)
        assert store.commands[2].all_open is False

    simulate(main)
