"""Follows the daemon's live feed, for ever.

Invariant: it only says what happened, through `post`; a lost line is tried again with
growing waits and chance in them, from the last sequence that was seen.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.api.client import ApiClient
from refundwatch.api.models import (
    ChangeFrame,
    MeView,
    ResetFrame,
    SnapshotFrame,
    StatusView,
)
from refundwatch.errors import ApiProblem, ApiUnreachable
from tui.state import Event, FrameArrived, LineLost, LineTried, StatusRead

if TYPE_CHECKING:
    from collections.abc import Callable

    from refundwatch.api.models import Frame

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
_WAYS: Final = random.SystemRandom()


def wait_seconds(failures: int, chance: float) -> float:
    """Give the wait before the next try; `chance` is in 0…1 and spreads clients."""
    longest = min(FIRST_WAIT_SECONDS * float(1 << failures), LONGEST_WAIT_SECONDS)
    return longest * (0.5 + chance / 2)


class Feed:
    """One line to one daemon."""

    def __init__(
        self, server: str, token: str | None, post: Callable[[Event], object]
    ) -> None:
        """Prepare; nothing is opened before `follow`."""
        self._server = server
        self._token = token
        self._post = post
        self._seq: int | None = None
        self._instance: str | None = None
        self._failures = 0

    async def follow(self) -> None:
        """Follow until cancelled."""
        while True:
            self._post(LineTried())
            try:
                await self._once()
                trouble = "The daemon closed the line."
            except (ApiProblem, ApiUnreachable) as error:
                trouble = error.message
            wait = wait_seconds(self._failures, _WAYS.random())
            self._failures = min(self._failures + 1, 10)
            now = _now()
            self._post(LineLost(trouble, now, now + timedelta(seconds=wait)))
            await asyncio.sleep(wait)

    async def _once(self) -> None:
        async with ApiClient(self._server, self._token) as client:
            if self._seq is not None:
                await self._recognise(client)
            async for frame in client.events(self._seq):
                self._failures = 0
                self._note(frame)
                self._post(FrameArrived(frame, _now()))

    async def _recognise(self, client: ApiClient) -> None:
        """Read who answers now: another hub's changes do not continue ours."""
        status = await client.call("status", StatusView)
        me = await client.call("me", MeView)
        if status.instance != self._instance:
            self._seq = None
        self._post(StatusRead(status, me))

    def _note(self, frame: Frame) -> None:
        match frame:
            case SnapshotFrame():
                self._seq, self._instance = frame.seq, frame.status.instance
            case ChangeFrame():
                self._seq = max(frame.seq, -1 if self._seq is None else self._seq)
            case ResetFrame():
                self._seq = None
            case _:
                return


def _now() -> datetime:
    return datetime.now(UTC)
