"""What is dropped or emptied when it is old: records of calls, sealed bodies.

Invariant: nothing that a decision depends on is dropped, and what was counted stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.flow.calendar import Job
from refundwatch.store.contract import DropCalls
from refundwatch.store.contract.expiry import EmptyOld

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.store.contract import Store

_EVERY_SECONDS: Final = 3600
_EMPTY_SECONDS: Final = 600
_BATCHES: Final = 100
"""So many commits at once; what is left is due ten minutes later."""


def dropping_calls(store: Store, keep_days: Callable[[], int]) -> Job:
    """Give the job that drops calls older than so many days, asked at each run."""

    async def drop(now: datetime) -> None:
        command = DropCalls(now - timedelta(days=keep_days()))
        # A commit for each few, so that refunds go between.
        dropped = command.at_most
        while dropped >= command.at_most:
            dropped = await store.execute(command)

    return Job(_EVERY_SECONDS, drop)


@dataclass(frozen=True, slots=True)
class BodiesKept:
    """How many days sealed bodies are kept.

    `longest_key_seconds` is how long any gateway here knows an idempotency key:
    within it a request is kept whatever `requests_days` says.
    """

    deliveries_days: int
    requests_days: int
    notes_days: int
    longest_key_seconds: int


def emptying_bodies(store: Store, rules: Callable[[], BodiesKept]) -> Job:
    """Give the job that empties bodies older than that, asked at each run."""

    async def empty(now: datetime) -> None:
        kept = rules()
        requests = max(
            timedelta(days=kept.requests_days),
            timedelta(seconds=kept.longest_key_seconds),
        )
        command = EmptyOld(
            at=now,
            deliveries_before=now - timedelta(days=kept.deliveries_days),
            requests_before=now - requests,
            notes_before=now - timedelta(days=kept.notes_days),
        )
        for _ in range(_BATCHES):
            if not (await store.execute(command)).total:
                return

    return Job(_EMPTY_SECONDS, empty)
