"""Who waits for the writer, and who goes first.

Invariant: nobody is forgotten: a patient unit gives way to those that somebody outside
waits for, but with every so many of them one goes along.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

    from refundwatch.store.contract import Command

MAX_BATCH: Final = 256
PATIENT_AFTER: Final = 4
"""After so many others a patient unit goes along: a flood must first be answered.

Rarer, and what was stored under a steady load would wait ever longer to be applied:
200 deliveries and 50 refunds a second bring some 500 units (`make soak`)."""

PATIENT_BATCH: Final = 16
"""So many patient units go by themselves: who comes meanwhile waits for them."""


@dataclass(frozen=True, slots=True)
class Job:
    """A unit that waits, and where its outcome goes; `placed` holds a place."""

    command: Command[Any]
    outcome: asyncio.Future[Any]
    placed: bool


class Line:
    """The way from the event loop to the writing thread.

    What one turn of the loop brings is handed over at once: each handing over may
    wake the thread, and it must win Python's lock back from the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with nobody waiting."""
        self._loop = loop
        self._fresh: list[Job] = []
        self._handed: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._first: deque[Job] = deque()
        self._patient: deque[Job] = deque()
        self._passed = 0
        self._open = True

    # --- in the event loop --------------------------------------------------------

    def put(self, job: Job) -> None:
        """Let a unit wait."""
        if not self._fresh:
            self._loop.call_soon(self._hand_over)
        self._fresh.append(job)

    def close(self) -> None:
        """Let nobody in after those who wait already."""
        self._hand_over()
        self._handed.put(None)

    def _hand_over(self) -> None:
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._handed.put(fresh)

    # --- in the writing thread ----------------------------------------------------

    def __len__(self) -> int:
        """Count who waits in the thread."""
        return len(self._first) + len(self._patient)

    def take(self) -> list[Job]:
        """Wait for work, and give what goes into the next commit; [] at the end."""
        while self._open and not len(self):
            self._sort(self._handed.get())
        try:
            while True:
                self._sort(self._handed.get_nowait())
        except Empty:
            pass
        chosen = _taken(self._first, MAX_BATCH)
        if not chosen:
            self._passed = 0
            return _taken(self._patient, PATIENT_BATCH)
        along, self._passed = divmod(self._passed + len(chosen), PATIENT_AFTER)
        return chosen + _taken(self._patient, along)

    def _sort(self, handed: list[Job] | None) -> None:
        if handed is None:
            self._open = False
            return
        for job in handed:
            (self._patient if job.command.patient else self._first).append(job)


def _taken(waiting: deque[Job], most: int) -> list[Job]:
    return [waiting.popleft() for _ in range(min(most, len(waiting)))]
