"""Work that is due by the calendar, in our own table so that a restart catches up.

Invariant: a job that is due is handed out once for its time; a clock that jumps back
does not keep it from running again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from refundwatch.store.contract import MendDueTimes, TakeDueJobs
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import unit

if TYPE_CHECKING:
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "calendar")


@unit(TakeDueJobs)
def _take_due_jobs(tx: Transaction, command: TakeDueJobs) -> tuple[str, ...]:
    now = micros(command.at)
    taken = []
    for name, seconds in sorted(command.intervals.items()):
        following = micros(command.at + timedelta(seconds=seconds))
        row = tx.one(_SQL["due"], (name,))
        # Later than one interval from now is what a clock that was wrong left behind.
        if row is None or row["due_at"] <= now or row["due_at"] > following:
            tx.change(_SQL["plan"], (name, following, now))
            taken.append(name)
    return tuple(taken)


@unit(MendDueTimes)
def _mend_due_times(tx: Transaction, command: MendDueTimes) -> int:
    latest = command.at + timedelta(seconds=command.longest_seconds)
    values: dict[str, SqlValue] = {
        "at": micros(command.at),
        "latest": micros(latest),
    }
    mended = tx.change(_SQL["mend_refunds"], values)
    if mended:
        tx.touch("send", "lookup")
    items = tx.change(_SQL["mend_deliveries"], values)
    if items:
        tx.touch("inbox")
    return mended + items
