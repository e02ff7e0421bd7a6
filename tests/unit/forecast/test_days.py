from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from refundwatch.errors import TextInvalid
from refundwatch.forecast.days import days_from, holidays_of
from refundwatch.forecast.model import Choice, fit
from refundwatch.forecast.series import series_of
from tests.unit.forecast.years import year


def test_days_without_any_amount_are_zero() -> None:
    found = series_of({date(2024, 2, 28): 5, date(2024, 3, 1): 7})
    assert (found.first, found.minor) == (date(2024, 2, 28), (5, 0, 7))
    assert found.day(3) == date(2024, 3, 2)


def test_end_of_the_month_is_the_calendars() -> None:
    shapes = days_from(date(2024, 2, 26), 6, frozenset()).shapes
    assert shapes["month_end_1"].tolist() == [0, 0, 0, 1, 0, 0]
    assert shapes["month_end_3"].tolist() == [0, 1, 1, 1, 0, 0]
    assert shapes["month_start_3"].tolist() == [0, 0, 0, 0, 1, 1]


def test_holidays_are_the_places_own() -> None:
    found = holidays_of(["GB-ENG", "DE"], [2024])
    assert date(2024, 8, 26) in found
    assert date(2024, 10, 3) in found
    assert date(2024, 8, 27) not in found


def test_place_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(TextInvalid, match="'XX-YY' is no place"):
        holidays_of(["XX-YY"], [2024])


def test_house_that_closes_on_holidays_is_known_to() -> None:
    off = frozenset(date(2024, month, 12) for month in range(1, 13))
    for closed, least, most in ((off, 0.7, 1.0), (frozenset(), 0.0, 0.3)):
        series = year(2, closed=closed)
        found = fit(
            np.array(series.minor, dtype=np.float64),
            days_from(series.first, len(series), off),
            Choice(),
        )
        assert least <= found.zero_on_holiday[2] <= most
