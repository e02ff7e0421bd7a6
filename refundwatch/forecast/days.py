"""What is known of a day before it comes: weekday, place in the month, holidays.

Invariant: everything here follows from the calendar alone, never from amounts.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.errors import TextInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

WEEKDAYS: Final = 7

SHAPES: Final[dict[str, Callable[[date], bool]]] = {
    "month_end_1": lambda day: _left(day) < 1,
    "month_end_2": lambda day: _left(day) < 2,  # noqa: PLR2004 - its name says it
    "month_end_3": lambda day: _left(day) < 3,  # noqa: PLR2004 - its name says it
    "month_end_5": lambda day: _left(day) < 5,  # noqa: PLR2004 - as above
    "month_start_3": lambda day: day.day <= 3,  # noqa: PLR2004 - as above
    "mid_month_3": lambda day: 14 <= day.day <= 16,  # noqa: PLR2004 - as above
}
"""Places in a month where houses may have a peak or a dip; each has to be learned."""


def _left(day: date) -> int:
    """Count the days of a month that follow."""
    return monthrange(day.year, day.month)[1] - day.day


@dataclass(frozen=True, slots=True)
class Days:
    """Days in a row as numbers: what a model reads them by."""

    weekday: NDArray[np.int64]
    holiday: NDArray[np.bool_]
    shapes: dict[str, NDArray[np.float64]]

    def part(self, start: int, end: int) -> Days:
        """Give the days from one place to before another."""
        return Days(
            self.weekday[start:end],
            self.holiday[start:end],
            {name: values[start:end] for name, values in self.shapes.items()},
        )


def days_from(first: date, length: int, holidays: frozenset[date]) -> Days:
    """Read so many days from the calendar."""
    days = [first + timedelta(days=at) for at in range(length)]
    return Days(
        np.array([day.weekday() for day in days], dtype=np.int64),
        np.array([day in holidays for day in days], dtype=np.bool_),
        {
            name: np.array([float(shape(day)) for day in days])
            for name, shape in SHAPES.items()
        },
    )


def holidays_of(places: Iterable[str], years: Iterable[int]) -> frozenset[date]:
    """Give the public holidays of places such as `GB`, `GB-ENG`, `DE-BY`.

    Raises:
        TextInvalid: a place is none that the `holidays` package knows.
    """
    import holidays  # noqa: PLC0415 - weighs more than all else here; asked for rarely

    found: set[date] = set()
    for place in places:
        country, _, part = place.partition("-")
        try:
            known = holidays.country_holidays(
                country, subdiv=part or None, years=list(years)
            )
        except NotImplementedError:
            message = f"{place!a} is no place such as GB, GB-ENG or DE-BY."
            raise TextInvalid(message, field="country") from None
        found.update(known)
    return frozenset(found)
