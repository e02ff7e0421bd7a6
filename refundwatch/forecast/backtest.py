"""Plays a past again: what would have been foretold each day, and what then came.

Beside the model stand two that need no thought: the same weekday of last week
(seasonal-naive), and the mean of the last four weeks.

Invariant: an origin sees the days before it alone; all ways have the same origins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.forecast.days import WEEKDAYS
from refundwatch.forecast.rolling import HORIZONS, LEAST_DAYS, Origin, roll
from refundwatch.forecast.scores import Board, Score

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from refundwatch.forecast.model import Choice
    from refundwatch.forecast.series import DailySeries

    Floats = NDArray[np.float64]

MODEL: Final = "refundwatch"
NAIVE: Final = "seasonal-naive"
AVERAGE: Final = "moving average"
AVERAGE_DAYS: Final = 28
MOST_WARM_DAYS: Final = 91
"""Origins of the first three months, or third of a short past, are not scored."""


@dataclass(frozen=True, slots=True)
class Past:
    """One week ahead as foretold each day, for a plot: sums in minor units."""

    day: date
    low: float
    middle: float
    high: float
    actual: int
    naive: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of it."""

    days: int
    origins: int
    scores: tuple[Score, ...]
    weeks: tuple[Past, ...]
    choice: Choice


def warm_days(length: int) -> int:
    """Give how many days come before the first origin that is scored."""
    return max(LEAST_DAYS, min(MOST_WARM_DAYS, length // 3))


def backtest(
    series: DailySeries, holidays: frozenset[date] = frozenset(), every: int = 1
) -> Backtest:
    """Foretell every day (or every few) of a past from what came before it.

    Raises:
        ValueError: it is too short to foretell anything.
    """
    length = len(series)
    warm = warm_days(length)
    if length <= warm:
        raise ValueError(f"{length} days; a backtest needs more than {warm}")
    amounts = np.array(series.minor, dtype=np.float64)
    board, weeks, origins = Board(), [], 0
    choice = None
    for origin in roll(series, holidays, every, ahead=HORIZONS[-1]):
        choice = origin.choice
        if not warm <= origin.length < length:
            continue
        origins += 1
        _score(board, origin, amounts)
        if origin.length + WEEKDAYS <= length:
            weeks.append(_week(series, origin, amounts))
    if choice is None:
        raise ValueError("a past without an origin")
    return Backtest(length, origins, board.scores(), tuple(weeks), choice)


def naive_days(past: Floats, ahead: int) -> Floats:
    """Repeat the last week."""
    return np.resize(past[-WEEKDAYS:], ahead)


def average_days(past: Floats, ahead: int) -> Floats:
    """Repeat the mean of the last four weeks."""
    return np.full(ahead, past[-AVERAGE_DAYS:].mean())


def _score(board: Board, origin: Origin, amounts: Floats) -> None:
    past = amounts[: origin.length]
    for horizon in HORIZONS:
        actual = amounts[origin.length : origin.length + horizon]
        if len(actual) < horizon:
            continue
        bands = origin.bands.days[:horizon]
        total = origin.bands.sums[horizon - 1]
        ways = {
            MODEL: (bands[:, 1], float(total[1])),
            NAIVE: _with_sum(naive_days(past, horizon)),
            AVERAGE: _with_sum(average_days(past, horizon)),
        }
        for way, (daily, summed) in ways.items():
            tally = board.of(way, horizon, "days")
            for real, told in zip(actual, daily, strict=True):
                tally.add(float(real), float(told))
            if horizon > 1:
                board.of(way, horizon, "sum").add(float(actual.sum()), summed)
        for real, (low, _, high) in zip(actual, bands, strict=True):
            board.of(MODEL, horizon, "days").band(real, low, high)
        if horizon > 1:
            whole = float(actual.sum())
            board.of(MODEL, horizon, "sum").band(whole, total[0], total[2])


def _with_sum(daily: Floats) -> tuple[Floats, float]:
    return daily, float(daily.sum())


def _week(series: DailySeries, origin: Origin, amounts: Floats) -> Past:
    low, middle, high = (float(it) for it in origin.bands.sums[WEEKDAYS - 1])
    start = origin.length
    return Past(
        day=series.day(start),
        low=low,
        middle=middle,
        high=high,
        actual=sum(series.minor[start : start + WEEKDAYS]),
        naive=float(naive_days(amounts[:start], WEEKDAYS).sum()),
    )
