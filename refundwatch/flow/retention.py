"""What is dropped when it is old: records of single calls.

Invariant: nothing that a decision depends on is dropped, and what was counted stays.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.flow.calendar import Job
from refundwatch.store.contract import DropCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.store.contract import Store

_EVERY_SECONDS: Final = 3600


def dropping_calls(store: Store, keep_days: Callable[[], int]) -> Job:
    """Give the job that drops calls older than so many days, asked at each run."""

    async def drop(now: datetime) -> None:
        command = DropCalls(now - timedelta(days=keep_days()))
        # A commit for each few, so that refunds go between.
        dropped = command.at_most
        while dropped >= command.at_most:
            dropped = await store.execute(command)

    return Job(_EVERY_SECONDS, drop)
