"""Years of which is known what is in them; amounts have heavy tails."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

import numpy as np

from refundwatch.forecast.series import DailySeries

WEEK = (1.3, 1.1, 1.0, 1.0, 0.9, 0.0, 0.4)


def year(
    seed: int,
    *,
    peak: float = 1.0,
    growth: float = 0.0,
    tail: float = 1.0,
    days: int = 365,
    closed: frozenset[date] = frozenset(),
) -> DailySeries:
    """Give a year with so high a peak on a month's last three days, growing by so much.

    The house is closed on Saturdays.
    """
    random = np.random.default_rng(seed)
    first = date(2024, 1, 1)
    found = []
    for at in range(days):
        day = first + timedelta(days=at)
        rate = 20 * WEEK[day.weekday()] * (1 + growth) ** (at / 365)
        if monthrange(day.year, day.month)[1] - day.day < 3:
            rate *= peak
        count = 0 if day in closed else random.poisson(rate)
        found.append(round(random.lognormal(3.5, tail, count).sum() * 100))
    return DailySeries(first, tuple(found))
