"""Stretches of time in which a zone's clock keeps one distance from UTC.

Invariant: the stretches of a time follow each other without gap or overlap; within one,
a local day is plain arithmetic, which a database can do by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to before `end` (UTC) clocks are `offset` ahead."""

    start: datetime
    end: datetime
    offset: timedelta


def stretches(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Stretch]:
    """Cut a time where the zone's clocks are set forward or back."""
    begun, at, offset = start, start, _offset(zone, start)
    while at < end:
        after = min(at + _DAY, end)
        if _offset(zone, after) != offset:
            change = _change(zone, at, after)
            yield Stretch(begun, change, offset)
            begun, after = change, change
            offset = _offset(zone, change)
        at = after
    if begun < end:
        yield Stretch(begun, end, offset)


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """Give the day that a moment belongs to."""
    return moment.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the moment at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Find the minute of a change between two moments."""
    offset = _offset(zone, before)
    low, high = before, after
    while high - low > _MINUTE:
        middle = low + (high - low) / 2
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high.replace(second=0, microsecond=0)
