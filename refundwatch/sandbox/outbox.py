"""Webhook deliveries that wait, their retries and their order.

Invariant: an entry leaves the box only when it was accepted, when its retries ran out
or when somebody dropped it; one entry is under way at most once at a time.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Say how a gateway repeats deliveries; seconds before the time scale.

    With ``queue`` set, an entry whose first retries failed joins a queue that is worked
    from its oldest entry: while one is stuck, everything newer waits behind it. Where
    ``answer`` is set, the body of the receiver's answer must be exactly that.
    """

    delays: tuple[float, ...]
    queue: bool = False
    immediate: int = 0
    accepted: frozenset[int] = frozenset(range(200, 300))
    answer: bytes | None = None

    def accepts(self, status: int | None, body: bytes | None) -> bool:
        """Tell whether an answer ends a delivery; a body of None was not looked at."""
        said = body is None or self.answer in {None, body}
        return status in self.accepted and said


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold one delivery; ``attempt`` counts from 1 once it is under way."""

    id: int
    due_at: float
    event: str
    event_id: str
    body: bytes = field(repr=False)
    attempt: int = 0
    under_way: bool = False
    queued: bool = False
    forged: bool = False


class Outbox:
    """Hold the entries of one endpoint."""

    def __init__(self, plan: RetryPlan, time_scale: float) -> None:
        """Start empty; ``time_scale`` multiplies the plan's delays."""
        self.plan = plan
        self.time_scale = time_scale
        self.paused = False
        self.dropped = 0
        self.delivered = 0
        self.delivered_ids: set[str] = set()
        self.exhausted = 0
        self._entries: dict[int, Entry] = {}
        self._heap: list[tuple[float, int]] = []
        self._queue: deque[int] = deque()
        self._last_id = 0

    def __len__(self) -> int:
        """Count the entries that are not delivered yet."""
        return len(self._entries)

    def add(
        self,
        due_at: float,
        event: str,
        event_id: str,
        body: bytes,
        *,
        forged: bool = False,
    ) -> None:
        """Take a delivery that goes out at ``due_at``."""
        self._last_id += 1
        self._put(
            Entry(
                id=self._last_id,
                due_at=due_at,
                event=event,
                event_id=event_id,
                body=body,
                forged=forged,
            )
        )

    def _put(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        if not entry.under_way and not entry.queued:
            heapq.heappush(self._heap, (entry.due_at, entry.id))

    def take(self, now: float) -> list[Entry]:
        """Return what goes out now, each marked as under way."""
        if self.paused:
            return []
        ready = [
            replace(entry, under_way=True, attempt=entry.attempt + 1)
            for entry in (*self._queue_head(now), *self._take_free(now))
        ]
        for entry in ready:
            self._put(entry)
        return ready

    def _take_free(self, now: float) -> list[Entry]:
        free = []
        while self._heap and self._heap[0][0] <= now:
            _, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.under_way or entry.queued:
                continue
            if self._queue and not entry.forged:
                self._enqueue(entry, now)
            elif entry.due_at <= now:
                free.append(entry)
        return free

    def _enqueue(self, entry: Entry, due_at: float) -> None:
        self._entries[entry.id] = replace(
            entry, queued=True, under_way=False, due_at=due_at
        )
        self._queue.append(entry.id)

    def _queue_head(self, now: float) -> list[Entry]:
        while self._queue and self._queue[0] not in self._entries:
            self._queue.popleft()
        if not self._queue:
            return []
        head = self._entries[self._queue[0]]
        return [head] if not head.under_way and head.due_at <= now else []

    def next_due(self) -> float | None:
        """Return when ``take`` has something next, or None."""
        if self.paused:
            return None
        times = [] if not self._heap else [self._heap[0][0]]
        if self._queue:
            head = self._entries.get(self._queue[0])
            if head is not None and not head.under_way:
                times.append(head.due_at)
        return min(times, default=None)

    def answered(
        self,
        entry_id: int,
        status: int | None,
        now: float,
        body: bytes | None = None,
    ) -> None:
        """Take the end of an attempt; ``status`` is None when nothing answered.

        ``body`` is what the receiver answered, None where nobody looked.
        """
        entry = self._entries.get(entry_id)
        if entry is None or not entry.under_way:
            return
        if self.plan.accepts(status, body) or entry.forged:
            if not entry.forged:
                self.delivered += 1
                self.delivered_ids.add(entry.event_id)
            self._remove(entry, now)
        elif entry.attempt > len(self.plan.delays):
            self.exhausted += 1
            self._remove(entry, now)
        else:
            self._again(entry, now)

    def _again(self, entry: Entry, now: float) -> None:
        delay = self.plan.delays[entry.attempt - 1] * self.time_scale
        waiting = replace(entry, under_way=False, due_at=now + delay)
        if entry.queued or not self.plan.queue or entry.attempt <= self.plan.immediate:
            self._put(waiting)
            return
        self._enqueue(entry, now + delay)

    def _remove(self, entry: Entry, now: float) -> None:
        del self._entries[entry.id]
        if entry.queued and self._queue and self._queue[0] == entry.id:
            self._queue.popleft()
            if self._queue and self._queue[0] in self._entries:
                head = self._entries[self._queue[0]]
                self._entries[head.id] = replace(head, due_at=now)

    def drop(self) -> int:
        """Forget everything that waits: silence. Return how many were dropped."""
        gone = [entry for entry in self._entries.values() if not entry.under_way]
        for entry in gone:
            del self._entries[entry.id]
        self._queue = deque(key for key in self._queue if key in self._entries)
        self.dropped += len(gone)
        return len(gone)

    def flush(self, now: float) -> int:
        """Make everything that waits due now. Return how many wait."""
        waiting = [entry for entry in self._entries.values() if not entry.under_way]
        for entry in waiting:
            self._put(replace(entry, due_at=min(entry.due_at, now)))
        return len(waiting)

    def dump(self) -> list[Entry]:
        """Return every entry, for a snapshot; none stays under way."""
        return [replace(entry, under_way=False) for entry in self._entries.values()]

    def load(self, entries: Iterable[Entry]) -> None:
        """Replace everything by the entries of a snapshot."""
        self._entries, self._heap, self._queue = {}, [], deque()
        for entry in sorted(entries, key=lambda entry: entry.id):
            self._last_id = entry.id
            self._put(entry)
            if entry.queued:
                self._queue.append(entry.id)
