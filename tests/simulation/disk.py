"""The store as the daemon runs it, less its thread: units that meet commit together.

The units that wait when the disk is free go into one commit, so what a commit does for
many at once is played too, and every unit of it lives or dies with the others.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from refundwatch.store.sqlite.store import InlineStore
from refundwatch.store.sqlite.writer import Done
from tests.flow.world import Mortal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine
    from random import Random

    from refundwatch.store.sqlite.writer import Writer

QUICK = (0.0, 0.0, 0.002, 0.02)
SLOW = (0.02, 0.3, 1.5)
"""How long a sync may take, in seconds: on a slow disk many units meet."""


class JoiningStore(InlineStore):
    """Runs what waits in one commit, in a task of the daemon's."""

    def __init__(
        self,
        writer: Writer,
        connection: sqlite3.Connection,
        dice: Random,
        start: Callable[[Coroutine[Any, Any, None]], object],
        *,
        slow: bool,
    ) -> None:
        super().__init__(writer, connection)
        self._dice = dice
        self._start = start
        self._syncs = SLOW if slow else QUICK
        self._line: list[tuple[Any, asyncio.Future[Any]]] = []
        self._committing: list[tuple[Any, asyncio.Future[Any]]] = []
        self._busy = False

    async def execute(self, command: Any) -> Any:
        outcome = self.submit(command)
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            while not outcome.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((outcome,))
            raise

    def submit(self, command: Any) -> asyncio.Future[Any]:
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._line.append((command, outcome))
        if not self._busy:
            self._busy = True
            self._start(self._work())
        return outcome

    async def _work(self) -> None:
        while self._line:
            await asyncio.sleep(self._dice.choice(self._syncs))
            self._committing, self._line = self._line, []
            self._commit(self._committing)
            self._committing = []
        self._busy = False

    def die(self) -> None:
        """Let nobody wait for a dead disk: what waits is never heard of again."""
        for _, outcome in [*self._committing, *self._line]:
            outcome.cancel()

    def _commit(self, jobs: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        batch = self._writer.run([command for command, _ in jobs])
        self._publish(batch.committed)
        for (_, future), outcome in zip(jobs, batch.outcomes, strict=True):
            if isinstance(outcome, Done):
                future.set_result(outcome.value)
            else:
                future.set_exception(outcome.error)


class MortalStore(Mortal):
    """The port of one daemon's life."""

    def submit(self, command: Any) -> asyncio.Future[Any]:
        """Hand on; what dies with the daemon is never answered."""
        self._check()
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def tell(outcome: asyncio.Future[Any]) -> None:
            if outcome.cancelled() or not self._life["alive"]:
                return
            if outcome.exception() is not None:
                heard.set_exception(outcome.exception())  # type: ignore[arg-type]
            else:
                heard.set_result(outcome.result())

        self._inner.submit(command).add_done_callback(tell)
        return heard
