"""Listening for webhooks that stay away, by the calendar.

Invariant: it moves no refund; a silence makes its account's pending refunds due, and
the room that polls does the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.flow.calendar import Job
from refundwatch.flow.pace import can_be_read
from refundwatch.store.contract import ListenForWebhooks

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.flow.ports import Paths
    from refundwatch.store.contract import Store

EVERY_SECONDS: Final = 30
"""A quarter of the shortest gap that is ever expected."""


def listening(store: Store, paths: Paths) -> Job:
    """Give the calendar's job that listens to every account."""

    async def listen(now: datetime) -> None:
        readable = {
            it.account.name
            for it in paths.all()
            if can_be_read(it.gateway.capabilities)
        }
        await store.execute(ListenForWebhooks(now, frozenset(readable)))

    return Job(EVERY_SECONDS, listen)
