"""Which connection a refund takes, and how many calls a connection bears.

Invariant: a connection never has more jobs than its limit, one that rests, is paused
or whose circuit is not closed gets no new refund, and what waits for one connection
never holds a place of another.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Final

from refundwatch.domain.circuit import Part, Standing
from refundwatch.domain.routing import Candidate, RouteNote, route
from refundwatch.flow.bucket import Bucket
from refundwatch.flow.scores import Scores
from refundwatch.store.contract import ListConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from refundwatch.domain.refund import Refund
    from refundwatch.domain.routing import Route
    from refundwatch.flow.ports import Clock, ConnectionPath, Paths
    from refundwatch.store.contract import (
        CallRecord,
        Committed,
        ConnectionRow,
        Store,
    )

LONGEST_REST_SECONDS: Final = 600.0
LEAST_REST_SECONDS: Final = 1.0


def pinned_note(path: ConnectionPath) -> tuple[RouteNote, ...]:
    """Say why an open question is sent again where it was sent."""
    return (RouteNote(path.id, "pinned"),)


class Lane(asyncio.Semaphore):
    """The places of one connection; `freed` hears of each that is given back."""

    def __init__(self, width: int, freed: Callable[[], None]) -> None:
        """Open with every place free."""
        super().__init__(width)
        self.width = width
        self._freed = freed

    def release(self) -> None:
        """Give a place back, and say so."""
        super().release()
        self._freed()


class Lanes:
    """The bulkheads between connections, and what is known of their health."""

    def __init__(
        self,
        paths: Paths,
        clock: Clock,
        scaled: Callable[[int], int] = lambda seconds: seconds,
    ) -> None:
        """Start with every lane free; `scaled` gives an asked rest as long as here."""
        self._scaled = scaled
        self._paths = paths
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._missed: set[str] = set()
        self._on_free: Callable[[], None] | None = None
        self._rests: dict[str, float] = {}
        self._health: dict[str, ConnectionRow] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._scores = Scores()

    # --- calls -------------------------------------------------------------------

    def began(self, path: ConnectionPath) -> None:
        """Count a call against the connection's rate."""
        bucket = self._bucket(path)
        if bucket is not None:
            bucket.spend(self._clock.monotonic())

    def ended(self, path: ConnectionPath, call: CallRecord) -> None:
        """Note how well the connection did with an order."""
        self._scores.saw(path.id, call, self._clock.monotonic())

    def _bucket(self, path: ConnectionPath) -> Bucket | None:
        rate = path.rate_per_second
        if rate is None:
            return None
        bucket = self._buckets.get(path.id)
        if bucket is None or (bucket.rate, bucket.burst) != (rate, path.burst):
            now = self._clock.monotonic()
            bucket = Bucket(rate, path.burst, float(path.burst), now)
            self._buckets[path.id] = bucket
        return bucket

    def _token_seconds(self, path: ConnectionPath) -> float:
        bucket = self._bucket(path)
        return bucket.seconds_to_token(self._clock.monotonic()) if bucket else 0.0

    # --- places ------------------------------------------------------------------

    def lane(self, path: ConnectionPath) -> asyncio.Semaphore:
        """Give the semaphore whose places a job on this connection must hold."""
        lane = self._lanes.get(path.id)
        if lane is None or lane.width != path.concurrency:
            lane = Lane(path.concurrency, partial(self._freed, path.id))
            self._lanes[path.id] = lane
        return lane

    def on_free(self, ring: Callable[[], None]) -> None:
        """Have `ring` called when a place frees after one was looked for in vain.

        Reads share the places with orders, and their end touches no order's work.
        """
        self._on_free = ring

    def _freed(self, connection: str) -> None:
        if connection in self._missed and self._on_free is not None:
            self._missed.discard(connection)
            self._on_free()

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
        rest = self._scaled(ceil(min(seconds, LONGEST_REST_SECONDS)))
        until = self._clock.monotonic() + rest
        self._rests[path.id] = max(until, self._rests.get(path.id, until))

    def is_resting(self, path: ConnectionPath) -> bool:
        """Tell whether a connection asked to be left alone for now."""
        return self._rests.get(path.id, 0.0) > self._clock.monotonic()

    def rest_seconds(self) -> float | None:
        """Give how long until the first connection that rests may go on.

        One whose rate is used up rests until its next token.
        """
        now = self._clock.monotonic()
        for name in [name for name, until in self._rests.items() if until <= now]:
            del self._rests[name]
        waits = [until - now for until in self._rests.values()]
        waits += [wait for wait in map(self._token_seconds, self._paths.all()) if wait]
        return min(waits, default=None)

    def may_read(self, path: ConnectionPath) -> bool:
        """Tell whether a read may begin now; through a half-open circuit it may."""
        return (
            not self.is_resting(path)
            and not self._token_seconds(path)
            and not self.reads_stopped(path)
        )

    def reads_stopped(self, path: ConnectionPath) -> bool:
        """Tell whether the circuit of a connection's reads is open now."""
        return self._circuit(path, Part.READS) is Standing.OPEN

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
        """Give the best usable connection of an account that has a place free.

        One that is down is used only where none is well, not where one is busy; None
        when there is none now.
        """
        return self.choose_noted(account)[0]

    def choose_noted(
        self, account: str
    ) -> tuple[ConnectionPath | None, tuple[RouteNote, ...]]:
        """Give it with the reasons; an account with one connection needs none."""
        paths = self._paths.of_account(account)
        if len(paths) == 1:
            (path,) = paths
            barred = self._barrier(path) is not None or self._is_busy(path)
            return (None if barred else path), ()
        found = route([self._candidate(path) for path in paths])
        chosen = next((path for path in paths if path.id == found.chosen), None)
        return chosen, found.notes

    def explain(self, account: str) -> Route:
        """Say for each connection of an account why it would be taken now, or not."""
        paths = self._paths.of_account(account)
        return route([self._candidate(path) for path in paths])

    def _candidate(self, path: ConnectionPath) -> Candidate:
        answered, latency = self._scores.of(path.id, self._clock.monotonic())
        return Candidate(
            connection=path.id,
            barrier=self._barrier(path),
            down=self._is_down(path),
            busy=self._is_busy(path),
            success_permille=answered,
            latency_ms=latency,
            fee_basis_points=path.fee_basis_points,
        )

    def _barrier(self, path: ConnectionPath) -> str | None:
        """Name what keeps orders from a connection, in a code and its detail."""
        row = (self._health or {}).get(path.id)
        if row is not None and row.paused is not None:
            return f"paused:{row.paused}"
        standing = self._circuit(path, Part.ORDERS)
        if standing is not Standing.CLOSED:
            return f"circuit_{standing}:{self._because(path)}"
        return "resting" if self.is_resting(path) else None

    def _because(self, path: ConnectionPath) -> str:
        row = (self._health or {}).get(path.id)
        circuit = row.circuits.get(Part.ORDERS) if row is not None else None
        if circuit is None:
            return ""
        by = f" by {circuit.actor}" if circuit.actor else ""
        until = f" until {circuit.until:%H:%M:%S}" if circuit.until else ""
        return f"{circuit.reason or ''}{by}{until}".strip()

    def _circuit(self, path: ConnectionPath, part: Part) -> Standing:
        row = (self._health or {}).get(path.id)
        circuit = row.circuits.get(part) if row is not None else None
        if circuit is None:
            return Standing.CLOSED
        return circuit.standing(self._clock.now())

    def _is_busy(self, path: ConnectionPath) -> bool:
        full = self.lane(path).locked()
        if full:
            self._missed.add(path.id)
        return full or self._token_seconds(path) > 0

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
        barred = self._barrier(path) is not None or self._token_seconds(path) > 0
        return None if barred else path

    def busy_accounts(self) -> frozenset[str]:
        """Give the accounts over which nothing can be sent now."""
        accounts = {path.account.name for path in self._paths.all()}
        return frozenset(name for name in accounts if self.choose(name) is None)

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
        readable = self._lanes.may_read
        return max(
            (self._left(path) for path in self._paths.all() if readable(path)),
            default=0,
        )

    def _is_full(self, path: ConnectionPath) -> bool:
        return self._left(path) <= 0 or not self._lanes.may_read(path)

    def _left(self, path: ConnectionPath) -> int:
        return max(path.concurrency // 2, 1) - self._taken.get(path.id, 0)
