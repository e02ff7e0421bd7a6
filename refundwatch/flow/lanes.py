"""Which connection a refund takes, and how many calls a connection bears.

Invariant: a connection never has more jobs than its limit, a resting or paused one
gets no new refund, and what waits for one connection never holds a place of another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from refundwatch.store.contract import ListConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.ports import Clock, ConnectionPath, Paths
    from refundwatch.store.contract import (
        CallRecord,
        Committed,
        ConnectionRow,
        Store,
    )

LONGEST_REST_SECONDS: Final = 600.0
LEAST_REST_SECONDS: Final = 1.0


class Lanes:
    """The bulkheads between connections, and what is known of their health."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        """Start with every lane free."""
        self._paths = paths
        self._clock = clock
        self._lanes: dict[str, tuple[int, asyncio.Semaphore]] = {}
        self._rests: dict[str, float] = {}
        self._health: dict[str, ConnectionRow] | None = None

    # --- places ------------------------------------------------------------------

    def lane(self, path: ConnectionPath) -> asyncio.Semaphore:
        """Give the semaphore whose places a job on this connection must hold."""
        width, lane = self._lanes.get(path.id, (0, None))
        if lane is None or width != path.concurrency:
            lane = asyncio.Semaphore(path.concurrency)
            self._lanes[path.id] = (path.concurrency, lane)
        return lane

    def obey(self, path: ConnectionPath, calls: Sequence[CallRecord]) -> None:
        """Let a connection rest if one of its answers asked for that."""
        waits = [
            max(call.retry_after_seconds or 0, LEAST_REST_SECONDS)
            for call in calls
            if call.outcome == "throttled" or call.retry_after_seconds is not None
        ]
        if waits:
            self.rest(path, max(waits))

    def rest(self, path: ConnectionPath, seconds: float) -> None:
        """Give a connection no new work for a while."""
        until = self._clock.monotonic() + min(seconds, LONGEST_REST_SECONDS)
        self._rests[path.id] = max(until, self._rests.get(path.id, until))

    def is_resting(self, path: ConnectionPath) -> bool:
        """Tell whether a connection asked to be left alone for now."""
        return self._rests.get(path.id, 0.0) > self._clock.monotonic()

    def rest_seconds(self) -> float | None:
        """Give how long until the first resting connection may go on."""
        now = self._clock.monotonic()
        for name in [name for name, until in self._rests.items() if until <= now]:
            del self._rests[name]
        if not self._rests:
            return None
        return min(self._rests.values()) - now

    # --- choice ------------------------------------------------------------------

    async def see_health(self, store: Store) -> None:
        """Read which connections are paused or down, if that may have changed."""
        if self._health is None:
            rows = await store.read(ListConnections())
            self._health = {row.id: row for row in rows}

    def forget_health(self) -> None:
        """Read the connections' health again before the next choice."""
        self._health = None

    def wake(self, committed: Committed) -> None:
        """Note that a commit changed a connection's health; give to `subscribe`."""
        if committed.health:
            self._health = None

    def choose(self, account: str) -> ConnectionPath | None:
        """Give the first usable connection of an account that has a place free.

        One that is down is used only where none is well, not where one is busy; None
        when there is none now.
        """
        usable = [
            path
            for path in self._paths.of_account(account)
            if not self._is_paused(path) and not self.is_resting(path)
        ]
        well = [path for path in usable if not self._is_down(path)]
        free = (path for path in well or usable if not self.lane(path).locked())
        return next(free, None)

    def of_refund(self, refund: Refund) -> ConnectionPath | None:
        """Give the connection a sent refund is asked about: its own, else the first."""
        paths = self._paths.of_account(refund.account)
        own = [path for path in paths if path.id == refund.connection]
        return next(iter(own or paths), None)

    def pinned(self, refund: Refund) -> ConnectionPath | None:
        """Give the one connection over which an open question may be sent again.

        Keys can be valid for one endpoint alone, so no other will do.
        """
        path = self.of_refund(refund)
        if path is None or path.id != refund.connection:
            return None
        return None if self._is_paused(path) or self.is_resting(path) else path

    def busy_accounts(self) -> frozenset[str]:
        """Give the accounts over which nothing can be sent now."""
        accounts = {path.account.name for path in self._paths.all()}
        return frozenset(name for name in accounts if self.choose(name) is None)

    def _is_paused(self, path: ConnectionPath) -> bool:
        row = (self._health or {}).get(path.id)
        return row is not None and row.paused is not None

    def _is_down(self, path: ConnectionPath) -> bool:
        row = (self._health or {}).get(path.id)
        return row is not None and row.down_since is not None


class Share:
    """One reading room's part of each connection: half its places, at least one.

    A room asks only as much as its share, so that sends always find a place.
    """

    def __init__(self, paths: Paths, lanes: Lanes) -> None:
        """Start with nothing taken."""
        self._paths = paths
        self._lanes = lanes
        self._taken: dict[str, int] = {}

    def enter(self, path: ConnectionPath) -> Callable[[], None] | None:
        """Take a part; give how to return it, or None where there is none now."""
        if self._is_full(path):
            return None
        self._taken[path.id] = self._taken.get(path.id, 0) + 1

        def leave() -> None:
            self._taken[path.id] -= 1

        return leave

    def full_accounts(self) -> frozenset[str]:
        """Give the accounts over whose connections nothing can be asked now."""
        accounts = {path.account.name for path in self._paths.all()}
        return frozenset(
            name
            for name in accounts
            if all(self._is_full(path) for path in self._paths.of_account(name))
        )

    def free(self) -> int:
        """Count the free places of the connection that has most of them."""
        resting = self._lanes.is_resting
        return max(
            (self._left(path) for path in self._paths.all() if not resting(path)),
            default=0,
        )

    def _is_full(self, path: ConnectionPath) -> bool:
        return self._left(path) <= 0 or self._lanes.is_resting(path)

    def _left(self, path: ConnectionPath) -> int:
        return max(path.concurrency // 2, 1) - self._taken.get(path.id, 0)
