"""Where work waits inside the daemon: the most that ever did, beside the bound.

Invariant: everything that a storm could fill stands here, with the bound that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.feed import BUFFERED_BYTES, CLIENTS
from refundwatch.flow.confirm import MOST_WAITING
from refundwatch.flow.loops import LONGEST_PARKED
from refundwatch.store.sqlite.store import MAX_WAITING, ThreadedStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.feed import Feed
    from daemon.guard import Gatekeeper
    from daemon.wiring import Wired


@dataclass(frozen=True, slots=True)
class Queue:
    """One place where work waits or runs."""

    name: str
    peak: int
    bound: int


def queues(
    parts: Wired, feed: Feed, gates: Mapping[str, Gatekeeper]
) -> Iterator[Queue]:
    """Give every queue of the daemon."""
    store = parts.store
    if isinstance(store, ThreadedStore):
        # Deliveries on the short way wait beside those that hold a place.
        yield Queue("writer", store.most_waiting, MAX_WAITING + MOST_WAITING)
        # Whoever reads is a request, a watcher, or a job of a room.
        jobs = sum(room.jobs.most for room in parts.house.rooms)
        asking = sum(gate.limits.connections for gate in gates.values())
        yield Queue("reads", store.most_reads, asking + jobs + len(parts.house.rooms))
    for room in parts.house.rooms:
        yield Queue(f"{room.name}_jobs", room.jobs.peak, room.jobs.most)
        yield Queue(f"{room.name}_parked", room.most_parked, LONGEST_PARKED)
    for name, gate in gates.items():
        yield Queue(f"{name}_connections", gate.peak, gate.limits.connections)
    yield Queue("feed_watchers", feed.most_watchers, CLIENTS)
    yield Queue("feed_buffered_bytes", feed.most_buffered_bytes, BUFFERED_BYTES)
