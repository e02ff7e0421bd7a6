"""What a refund's move adds to the three numbers, and which sums make a window.

Invariant: each refund adds at most one first final word, at most one duration to each
stage but `approval`, and a bounce never takes a success back. A window is the
disjoint union of `Piece`s, so every tally is counted in it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.histogram import bucket_of
from refundwatch.domain.refund import RefundState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from refundwatch.domain.health import Span
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied

S = RefundState
MAX_CODE: Final = 64
UNNAMED: Final = "unnamed"


class Measure(StrEnum):
    """What is counted; times in milliseconds, each stage counts by bucket."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    BOUNCED = "bounced"
    OBSERVED = "observed_ms"
    DOWN = "down_ms"
    SENT = "sent"
    ACCEPTED = "accepted"
    PAID_OUT = "paid_out"
    APPROVAL = "approval"


STAGES: Final = (Measure.SENT, Measure.ACCEPTED, Measure.PAID_OUT, Measure.APPROVAL)
"""The stages of the processing time, each from the request."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Something to add; `code` says why it was declined, `bucket` how long it took."""

    measure: Measure
    amount: int = 1
    code: str = ""
    bucket: int = 0


def tallies(applied: Applied, at: datetime) -> tuple[Tally, ...]:
    """Give what a move that became known at `at` adds to the numbers."""
    return (*_final_word(applied), *_durations(applied, at))


def _final_word(applied: Applied) -> Iterator[Tally]:
    """Count the first final word only; what comes later is shown as a bounce."""
    before, after = applied.before, applied.after
    reached = {move.after for move in applied.moves}
    first = before.final_at is None
    if first and reached & {S.SUCCEEDED, S.REVERSED}:
        yield Tally(Measure.SUCCEEDED)
    elif first and S.DECLINED in reached:
        code = (after.refused_code or UNNAMED)[:MAX_CODE]
        yield Tally(Measure.DECLINED, code=code)
    if S.REVERSED in reached:
        yield Tally(Measure.BOUNCED)


def _durations(applied: Applied, at: datetime) -> Iterator[Tally]:
    before, after = applied.before, applied.after
    if _left_for_good(before, after):
        yield _stage(Measure.SENT, after, after.last_sent_at or at)
    if before.accepted_at is None and after.accepted_at is not None:
        yield _stage(Measure.ACCEPTED, after, after.accepted_at)
    if before.succeeded_at is None and after.succeeded_at is not None:
        yield _stage(Measure.PAID_OUT, after, after.succeeded_at)
    if before.state is S.AWAITING_APPROVAL and after.state is S.QUEUED:
        yield _stage(Measure.APPROVAL, after, at)


def _left_for_good(before: Refund, after: Refund) -> bool:
    """Tell the first attempt that may have reached the gateway from all others.

    An attempt that certainly did nothing returns to the queue and does not count; a
    later one of the same refund, or of its next generation, is not the first.
    """
    return (
        before.state is S.SENDING
        and after.state not in {S.SENDING, S.QUEUED}
        and not before.ambiguous
        and before.generation == 0
        and before.first_sent_at == before.last_sent_at
    )


def _stage(measure: Measure, refund: Refund, moment: datetime) -> Tally:
    duration = (moment - refund.created_at) // timedelta(milliseconds=1)
    return Tally(measure, bucket=bucket_of(duration))


# --- windows ----------------------------------------------------------------------


class Grain(StrEnum):
    """How long one sum lasts; each begins at a full one of UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


_LENGTH: Final = {
    Grain.MINUTE: timedelta(minutes=1),
    Grain.HOUR: timedelta(hours=1),
    Grain.DAY: timedelta(days=1),
}
KEEP_MINUTES: Final = timedelta(hours=25)
"""Sums by minute older than this are dropped; the others stay."""

_BY_MINUTE_UP_TO: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Piece:
    """The sums of one grain that begin from `start` up to, not including, `end`."""

    grain: Grain
    start: datetime
    end: datetime


def floor(moment: datetime, grain: Grain) -> datetime:
    """Give the beginning of the minute, hour or day (UTC) that holds the moment."""
    match grain:
        case Grain.MINUTE:
            return moment.replace(second=0, microsecond=0)
        case Grain.HOUR:
            return moment.replace(minute=0, second=0, microsecond=0)
        case Grain.DAY:
            return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def pieces(at: datetime, window: timedelta) -> tuple[Piece, ...]:
    """Give the sums that make up the window which ends at `at` (UTC).

    A window of up to 24 hours begins with the full minute, a longer one with the
    full hour, in which `at - window` lies; the newest sums end where time has come.
    """
    finest = Grain.MINUTE if window <= _BY_MINUTE_UP_TO else Grain.HOUR
    start = floor(at - window, finest)
    end = floor(at, Grain.MINUTE) + _LENGTH[Grain.MINUTE]
    found = []
    for grain, coarser in ((Grain.MINUTE, Grain.HOUR), (Grain.HOUR, Grain.DAY)):
        if finest is Grain.HOUR and grain is Grain.MINUTE:
            continue
        upto = ceiling(start, coarser)
        if start < upto:
            found.append(Piece(grain, start, min(upto, end)))
        if upto >= end:
            return tuple(found)
        start = upto
    return (*found, Piece(Grain.DAY, start, end))


def ceiling(moment: datetime, grain: Grain) -> datetime:
    """Give the first full minute, hour or day (UTC) that is not before the moment."""
    full = floor(moment, grain)
    return full if full == moment else full + _LENGTH[grain]


def split(span: Span, grain: Grain) -> tuple[tuple[datetime, int], ...]:
    """Give the milliseconds of a span by the beginning of each sum it touches.

    The parts add up to the whole span, rounded down once.
    """
    parts = []
    start = floor(span.start, grain)
    while start < span.end:
        following = start + _LENGTH[grain]
        upto = min(following, span.end)
        passed = _milliseconds(upto - span.start)
        earlier = _milliseconds(max(start, span.start) - span.start)
        if passed > earlier:
            parts.append((start, passed - earlier))
        start = following
    return tuple(parts)


def _milliseconds(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)
