from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from refundwatch.forecast.choosing import choose
from refundwatch.forecast.days import days_from
from tests.unit.forecast.years import year

if TYPE_CHECKING:
    from refundwatch.forecast.model import Choice
    from refundwatch.forecast.series import DailySeries


def chosen(series: DailySeries) -> Choice:
    amounts = np.array(series.minor, dtype=np.float64)
    return choose(amounts, days_from(series.first, len(series), frozenset()))


@pytest.mark.parametrize("seed", range(5))
def test_peak_at_month_end_and_trend_are_both_found(seed: int) -> None:
    found = chosen(year(seed, peak=2.5, growth=0.8))
    assert found.trend
    assert any(name.startswith("month_end") for name in found.shapes)


@pytest.mark.parametrize("seed", range(8))
def test_year_without_peak_and_trend_gets_neither(seed: int) -> None:
    found = chosen(year(seed, tail=1.0 if seed % 2 else 1.8))
    assert (found.trend, found.shapes) == (False, ())


def test_trend_downward_is_one_too() -> None:
    assert chosen(year(3, growth=-0.5)).trend


def test_few_months_show_no_place_in_the_month() -> None:
    assert chosen(year(1, peak=3.0, days=120)).shapes == ()


def test_few_days_choose_nothing() -> None:
    found = chosen(year(1, peak=3.0, growth=2.0, days=40))
    assert (found.trend, found.shapes) == (False, ())
