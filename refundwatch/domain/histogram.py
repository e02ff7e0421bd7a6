"""Counts durations in logarithmic buckets, so that percentiles cost the same for ever.

Invariant: every duration falls into exactly one bucket, counts are exact, and merging
two histograms is the same as having counted everything in one. A percentile is the
middle of the bucket that holds the value of that rank: off by at most
`RELATIVE_ERROR` up to `LONGEST_MS`, and exact below 40 ms.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_MS: Final = 400 * 86_400_000
"""Durations above this (400 days) are counted in the last bucket."""

RELATIVE_ERROR: Final = 0.025
"""Half of a bucket's width; buckets are at most 5 % wide."""


def _lower_bounds() -> tuple[int, ...]:
    bounds = [0]
    while bounds[-1] <= LONGEST_MS:
        last = bounds[-1]
        bounds.append(max(last + 1, last * 105 // 100))
    return tuple(bounds)


# Whole numbers and not powers computed in floats, so that every machine and every
# later version counts into the same bucket.
_BOUNDS: Final = _lower_bounds()


def bucket_of(duration_ms: int) -> int:
    """Give the number of the bucket of a duration; a negative one counts as none."""
    return min(bisect_right(_BOUNDS, max(duration_ms, 0)), len(_BOUNDS) - 1) - 1


def bucket_middle_ms(bucket: int) -> float:
    """Give the duration that stands for every duration of the bucket."""
    return (_BOUNDS[bucket] + _BOUNDS[bucket + 1] - 1) / 2


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket, in ascending order, none of them zero."""

    counts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, durations_ms: Iterable[int]) -> Histogram:
        """Count durations."""
        return cls.of_buckets((bucket_of(duration), 1) for duration in durations_ms)

    @classmethod
    def of_buckets(cls, counts: Iterable[tuple[int, int]]) -> Histogram:
        """Add up counts by bucket, in any order and with repeats."""
        total: Counter[int] = Counter()
        for bucket, count in counts:
            total[bucket] += count
        return cls(tuple(sorted((b, n) for b, n in total.items() if n)))

    @property
    def count(self) -> int:
        """Give how many durations were counted."""
        return sum(count for _, count in self.counts)

    def merged(self, other: Histogram) -> Histogram:
        """Give the histogram of everything that either has counted."""
        return Histogram.of_buckets((*self.counts, *other.counts))

    def percentile_ms(self, percent: int) -> float | None:
        """Give the duration that `percent` of all do not exceed; None for none.

        The rank is the smallest whole number of durations that makes up `percent`.
        """
        return self.percentiles_ms((percent,))[0]

    def percentiles_ms(self, percents: Sequence[int]) -> tuple[float | None, ...]:
        """Give several percentiles at once."""
        upto = list(accumulate(count for _, count in self.counts))
        if not upto:
            return (None,) * len(percents)
        ranks = (-(-upto[-1] * percent // 100) for percent in percents)
        return tuple(
            bucket_middle_ms(self.counts[bisect_left(upto, rank)][0]) for rank in ranks
        )
