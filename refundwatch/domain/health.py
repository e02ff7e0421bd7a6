"""Folds calls and probes into the health of a connection and its outages.

A connection is down from the third failure in a row until the next good answer; the
outage began with the first of the three. Time without any call or probe is
unobserved: it counts neither as up nor as down. Invariant: what is counted as down
was counted as observed, and no moment is counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

FAILURES_TO_DOWN: Final = 3

FAILING_OUTCOMES: Final = frozenset(
    {"server_error", "timeout", "transport", "unauthorized", "malformed"}
)
"""Outcomes of a call that say the connection does not work.

A refusal and a 429 are answers: the connection works, the gateway does not want to.
"""


class Health(StrEnum):
    """How a connection stands, in one word."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """One call or probe that ended at `at`; `failure` names its cause if it failed."""

    at: datetime
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class HealthState:
    """What is remembered of a connection between two observations."""

    seen_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    down_since: datetime | None = None
    last_ok_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_failure: str | None = None

    @property
    def health(self) -> Health:
        """Say how the connection stands."""
        if self.down_since is not None:
            return Health.DOWN
        if self.failures:
            return Health.DEGRADED
        return Health.UNKNOWN if self.seen_at is None else Health.UP


@dataclass(frozen=True, slots=True)
class Span:
    """The time from `start` up to `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """An outage that is now known, and began already at `started_at`."""

    started_at: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What an observation brought.

    `observed` and `down` are times to add to what was counted before; `closed` is
    the outage that a good answer ended.
    """

    state: HealthState
    observed: Span | None
    down: tuple[Span, ...]
    opened: Opened | None = None
    closed: Span | None = None


def observe(state: HealthState, seen: Observation, gap: timedelta) -> Observed:
    """Add an observation; a longer silence than `gap` before it is unobserved.

    One that comes late, after a newer one, counts at the newer one's time. One from
    before that by more than `gap` tells that the clock was set back: time goes on
    from there.
    """
    if state.seen_at is not None and seen.at < state.seen_at <= seen.at + gap:
        seen = replace(seen, at=state.seen_at)
    stretch = _stretch(state.seen_at, seen.at, gap)
    if seen.failure is None:
        return _good(state, seen.at, stretch)
    return _bad(state, seen.at, seen.failure, stretch, gap)


def _stretch(start: datetime | None, end: datetime, gap: timedelta) -> Span | None:
    if start is None or not start < end or end - start > gap:
        return None
    return Span(start, end)


def _good(state: HealthState, at: datetime, stretch: Span | None) -> Observed:
    after = replace(
        state,
        seen_at=at,
        failures=0,
        failing_since=None,
        down_since=None,
        last_ok_at=at,
    )
    if state.down_since is None:
        return Observed(after, stretch, ())
    closed = Span(min(state.down_since, at), at)
    return Observed(after, stretch, _known(stretch), closed=closed)


def _bad(
    state: HealthState,
    at: datetime,
    cause: str,
    stretch: Span | None,
    gap: timedelta,
) -> Observed:
    since = min(state.failing_since or at, at)
    after = replace(
        state,
        seen_at=at,
        failures=state.failures + 1,
        failing_since=since,
        last_failure_at=at,
        last_failure=cause,
    )
    if state.down_since is not None:
        return Observed(after, stretch, _known(stretch))
    if after.failures < FAILURES_TO_DOWN:
        return Observed(after, stretch, ())
    # The three failures may lie apart with silence between them, and only the time
    # that was observed may be called down.
    between = _stretch(since, state.last_failure_at or since, gap)
    return Observed(
        replace(after, down_since=since),
        stretch,
        (*_known(between), *_known(stretch)),
        opened=Opened(since, cause),
    )


def _known(stretch: Span | None) -> tuple[Span, ...]:
    return () if stretch is None else (stretch,)
