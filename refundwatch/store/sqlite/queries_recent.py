"""The sums of a window that ends now, kept from one question to the next.

Minutes that are over do not change any more, so a question adds those that ended since
the last one and takes off those that fell out of the window. What it costs is what
happened in these minutes, not what the whole window holds.

Invariant: the sums are those of the rows from `start` up to `end`. What may still be
written about (`late`: a call tells of the time since the one before it) is never kept
but read anew each time, and all is read anew each hour.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.numbers import (
    KEEP_MINUTES,
    STAGES,
    Grain,
    Measure,
    Piece,
    ceiling,
    floor,
)
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.connection import ReadingConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refundwatch.store.sqlite.registry import Reading

_SQL = named_queries("sqlite", "rollups")
_LONGEST: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)
_ANEW: Final = timedelta(hours=1)


@dataclass(slots=True)
class Sums:
    """What was counted for one connection within a window."""

    totals: Counter[Measure] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    buckets: defaultdict[Measure, Counter[int]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    def add(self, measure: Measure, code: str, bucket: int, amount: int) -> None:
        """Add an amount, or with a minus take it off; nothing leaves no trace."""
        if measure in STAGES:
            self.buckets[measure][bucket] += amount
            if not self.buckets[measure][bucket]:
                del self.buckets[measure][bucket]
            return
        self.totals[measure] += amount
        if code:
            self.codes[code] += amount
            if not self.codes[code]:
                del self.codes[code]

    def merge(self, other: Sums) -> None:
        """Add all of another one."""
        self.totals.update(other.totals)
        self.codes.update(other.codes)
        for measure, counted in other.buckets.items():
            self.buckets[measure].update(counted)

    def is_empty(self) -> bool:
        """Tell whether nothing was counted."""
        return not any(self.totals.values()) and not any(self.buckets.values())


@dataclass(slots=True)
class Kept:
    """Sums by subject, and where their minutes begin and end."""

    made: datetime
    start: datetime
    end: datetime
    sums: defaultdict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))

    def count(self, reading: Reading, piece: Piece, sign: int) -> None:
        """Add the rows of a piece, or take them off."""
        values = (piece.grain.value, micros(piece.start), micros(piece.end))
        for row in reading.connection.execute(_SQL["sum_subjects"], values):
            subject, measure, code, bucket, amount = row
            self.sums[subject].add(Measure(measure), code, bucket, sign * amount)


@contextmanager
def recent(
    reading: Reading, at: datetime, window: timedelta
) -> Iterator[dict[str, Sums] | None]:
    """Give the sums by subject of a window; None where none can be kept.

    They are to be read within the context only.
    """
    connection = reading.connection
    start = floor(at - window, Grain.MINUTE)
    end = floor(at - _late(reading), Grain.MINUTE)
    if not isinstance(connection, ReadingConnection) or window > _LONGEST:
        yield None
        return
    if end <= start:
        yield None
        return
    kept = connection.kept.pop(window, None)
    if not isinstance(kept, Kept) or not _follows(kept, start, end, at):
        kept = _read(reading, start, end)
    else:
        kept.count(reading, Piece(Grain.MINUTE, kept.start, start), -1)
        kept.count(reading, Piece(Grain.MINUTE, kept.end, end), 1)
        kept.start, kept.end = start, end
    still = Piece(Grain.MINUTE, end, floor(at, Grain.MINUTE) + _MINUTE)
    kept.count(reading, still, 1)
    yield kept.sums
    # A question that fails keeps nothing: the next one reads all of it.
    kept.count(reading, still, -1)
    connection.kept[window] = kept


def _follows(kept: Kept, start: datetime, end: datetime, at: datetime) -> bool:
    """Tell whether the minutes between then and now are still there, and few."""
    return (
        kept.start <= start
        and kept.end <= end
        and kept.end >= start
        and kept.start > at - KEEP_MINUTES + _MINUTE
        and end - kept.made < _ANEW
    )


def _read(reading: Reading, start: datetime, end: datetime) -> Kept:
    """Read minutes up to a full hour, whole hours, and minutes again."""
    kept = Kept(end, start, end)
    first, last = ceiling(start, Grain.HOUR), floor(end, Grain.HOUR)
    if first >= last:
        kept.count(reading, Piece(Grain.MINUTE, start, end), 1)
        return kept
    kept.count(reading, Piece(Grain.MINUTE, start, first), 1)
    kept.count(reading, Piece(Grain.HOUR, first, last), 1)
    kept.count(reading, Piece(Grain.MINUTE, last, end), 1)
    return kept


def _late(reading: Reading) -> timedelta:
    """Give how long after its time a row may still be written."""
    row = reading.connection.execute(_SQL["observation_gap"]).fetchone()
    gap = 0 if row is None else int(row["observation_gap_us"])
    return timedelta(microseconds=gap) + _MINUTE
