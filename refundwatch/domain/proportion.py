"""Two proportions side by side: how far apart they are, and how sure that is.

Invariant: an interval never claims more than the counts hold: with nothing counted on
one side it is everything from -1 to 1.

Source: R. G. Newcombe, "Interval estimation for the difference between independent
proportions: comparison of eleven methods", Statistics in Medicine 17 (1998) 873-890,
method 10 (of two Wilson score intervals without continuity correction).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

Z95: Final = 1.959963984540054
"""Standard normal quantile of a two-sided interval of 95 %."""

Z99: Final = 2.5758293035489004
"""Standard normal quantile of a two-sided interval of 99 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    part: int = 0
    whole: int = 0

    @property
    def rate(self) -> float:
        """Give the share as a number from 0 to 1; 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0

    def __add__(self, other: Share) -> Share:
        """Put two counts together."""
        return Share(self.part + other.part, self.whole + other.whole)

    def __sub__(self, other: Share) -> Share:
        """Take an earlier count off a later one."""
        return Share(self.part - other.part, self.whole - other.whole)


@dataclass(frozen=True, slots=True)
class Difference:
    """What came after minus what was before, and the bounds of its interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Tell whether chance alone does not explain it."""
        return self.low > 0 or self.high < 0


def wilson(share: Share, z: float = Z95) -> tuple[float, float]:
    """Give the Wilson score interval of a share; everything where nothing counted."""
    if not share.whole:
        return 0.0, 1.0
    rate, square = share.rate, z * z
    middle = rate + square / (2 * share.whole)
    reach = z * sqrt(
        rate * (1 - rate) / share.whole + square / (4 * share.whole * share.whole)
    )
    scale = 1 + square / share.whole
    low = 0.0 if share.part == 0 else max((middle - reach) / scale, 0.0)
    high = 1.0 if share.part == share.whole else min((middle + reach) / scale, 1.0)
    return low, high


def difference(before: Share, after: Share, z: float = Z95) -> Difference:
    """Give the difference of two independent shares with Newcombe's interval."""
    value = after.rate - before.rate
    if not before.whole or not after.whole:
        return Difference(value, -1.0, 1.0)
    (low, high), (least, most) = wilson(before, z), wilson(after, z)
    down = sqrt((after.rate - least) ** 2 + (high - before.rate) ** 2)
    up = sqrt((most - after.rate) ** 2 + (before.rate - low) ** 2)
    return Difference(value, max(value - down, -1.0), min(value + up, 1.0))
