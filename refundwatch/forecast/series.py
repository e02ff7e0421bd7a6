"""A sum a day, without gaps: what every forecast is made from.

Invariant: amounts are whole minor units of one currency; a day without any is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class DailySeries:
    """Amounts in minor units by day, from `first` on."""

    first: date
    minor: tuple[int, ...]

    def __len__(self) -> int:
        """Count the days."""
        return len(self.minor)

    def day(self, at: int) -> date:
        """Give the day at a place; places past the end are days to come."""
        return self.first + timedelta(days=at)

    def until(self, length: int) -> DailySeries:
        """Give what was known after so many days."""
        return DailySeries(self.first, self.minor[:length])


def series_of(
    amounts: Mapping[date, int], first: date | None = None, last: date | None = None
) -> DailySeries:
    """Lay amounts out by day; days that are not named are zero.

    Raises:
        ValueError: there is no day at all.
    """
    first = min(amounts) if first is None else first
    last = max(amounts) if last is None else last
    length = (last - first).days + 1
    days = (first + timedelta(days=at) for at in range(length))
    return DailySeries(first, tuple(amounts.get(day, 0) for day in days))
