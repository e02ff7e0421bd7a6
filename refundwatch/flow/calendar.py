"""What runs by the calendar: due times stand in our own table, whoever calls.

Invariant: a job that is due runs once, however often and late `run_due` is called; a
failing job neither stops the others nor is lost, it is due again at its next time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from refundwatch.flow.loops import trouble
from refundwatch.store.contract import (
    AbandonAttempts,
    ExpireApprovals,
    MendDueTimes,
    RaiseDoubtAlarms,
    TakeDueJobs,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.probe import Prober


@dataclass(frozen=True, slots=True)
class Job:
    """One entry of the calendar: how often, and what is done at a moment."""

    every_seconds: int
    run: Callable[[datetime], Awaitable[None]]


class Calendar:
    """Runs what is due."""

    def __init__(self, equipment: Equipment, jobs: Mapping[str, Job]) -> None:
        """Hold the jobs by their names."""
        self._at = equipment
        self._jobs = dict(jobs)

    def retime(self, name: str, every_seconds: int) -> None:
        """Run a job this often from now on."""
        self._jobs[name] = replace(self._jobs[name], every_seconds=every_seconds)

    def add(self, jobs: Mapping[str, Job]) -> None:
        """Enter more jobs, before anything runs."""
        self._jobs.update(jobs)

    async def run_due(self, now: datetime) -> tuple[str, ...]:
        """Run every job that is due at `now`, side by side; return their names."""
        intervals = {name: job.every_seconds for name, job in self._jobs.items()}
        names = await self._at.store.execute(TakeDueJobs(now, intervals))
        known = [name for name in names if name in self._jobs]
        await asyncio.gather(*(self._run(name, now) for name in known))
        return tuple(known)

    async def _run(self, name: str, now: datetime) -> None:
        try:
            await self._jobs[name].run(now)
        except Exception as error:  # noqa: BLE001 - it is due again at its next time
            self._at.log.problem("calendar_job_failed", job=name, **trouble(error))


def standard_jobs(
    equipment: Equipment, prober: Prober, probe_every_seconds: int
) -> dict[str, Job]:
    """Give the jobs that the money path needs."""
    store = equipment.store

    async def expire_approvals(now: datetime) -> None:
        await store.execute(ExpireApprovals(now))

    async def raise_doubts(now: datetime) -> None:
        ages = equipment.settings.doubt_alarm_seconds
        await store.execute(RaiseDoubtAlarms(now, ages))

    async def abandon(now: datetime) -> None:
        first = equipment.settings.backoff_seconds[0]
        due_at = now + timedelta(seconds=first)
        await store.execute(AbandonAttempts(now, due_at, all_open=False))

    async def mend(now: datetime) -> None:
        longest = equipment.pace.longest_seconds
        mended = await store.execute(MendDueTimes(now, longest))
        if mended:
            equipment.log.problem("clock_was_ahead", rows=mended)

    async def probe(now: datetime) -> None:
        del now
        await prober.probe_all()

    return {
        "approvals:expire": Job(60, expire_approvals),
        "doubts:alarm": Job(60, raise_doubts),
        "leases:abandon": Job(30, abandon),
        "due:mend": Job(60, mend),
        "probe": Job(probe_every_seconds, probe),
    }
