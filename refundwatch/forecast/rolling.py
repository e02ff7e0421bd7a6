"""Foretells again and again along a series, and learns from what then came.

At each origin the model draws paths; its P10, P50 and P90 are read from them at levels
that follow what was missed before (adaptive conformal inference: a tail that was missed
too often is moved out, too seldom in), apart for days and for sums, for the next day,
the next week and the next month.
Source: I. Gibbs, E. Candès, Adaptive Conformal Inference (NeurIPS 2021).

Invariant: what an origin foretells depends on the days before it alone; a miss counts
from the day on which it could be seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.forecast.choosing import choose
from refundwatch.forecast.days import days_from
from refundwatch.forecast.model import Choice, draw, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from numpy.typing import NDArray

    from refundwatch.forecast.days import Days
    from refundwatch.forecast.series import DailySeries

    Floats = NDArray[np.float64]

AHEAD: Final = 45
HORIZONS: Final = (1, 7, 30)
LEVELS: Final = (0.1, 0.5, 0.9)
LEAST_DAYS: Final = 28
"""Below four weeks no weekday has been seen often enough."""

_PACE: Final = 0.05
"""How far one miss moves a level: half-way between noise and a season's lag."""

_CHOOSE_EVERY: Final = 14
_BOUNDS: Final = (0.005, 0.995)


@dataclass(frozen=True, slots=True)
class Bands:
    """P10, P50 and P90: `days[i]` of the day i + 1 ahead, `sums[i]` of all until it."""

    days: Floats
    sums: Floats


def _nominal() -> dict[int, Floats]:
    return {horizon: np.array(LEVELS) for horizon in HORIZONS}


@dataclass(slots=True)
class Levels:
    """The levels in force, for each horizon, of days and of sums."""

    days: dict[int, Floats] = field(default_factory=_nominal)
    sums: dict[int, Floats] = field(default_factory=_nominal)

    def bands(self, paths: Floats) -> Bands:
        """Read the bands of paths."""
        return Bands(
            _read(np.sort(paths, axis=0), self.days),
            _read(np.sort(np.cumsum(paths, axis=1), axis=0), self.sums),
        )

    def learn(self, origin: Origin, amounts: Floats, today: int) -> None:
        """Take in what of an origin's horizons came to its end with `today`.

        A day that was known to stay empty teaches nothing.
        """
        for horizon in HORIZONS:
            if origin.length + horizon != today:
                continue
            actual = amounts[origin.length : today]
            bands = origin.bands.days[:horizon]
            told = bands[:, -1] > 0
            if told.any():
                self._move(self.days[horizon], actual[told], bands[told], 1)
            ends = origin.bands.sums[horizon - 1][None, :]
            if ends[0, -1] > 0:
                self._move(self.sums[horizon], actual.sum()[None], ends, horizon)

    @staticmethod
    def _move(levels: Floats, actual: Floats, bands: Floats, horizon: int) -> None:
        """Move levels against what was missed.

        A miss is seen `horizon` days late: a pace above 1 / (e * horizon) would
        overshoot (the bound of a delayed loop without ringing).
        """
        pace = min(_PACE, 1 / (np.e * horizon))
        below = (actual[:, None] < bands).mean(axis=0)
        levels += pace * (np.array(LEVELS) - below)
        np.clip(levels, *_BOUNDS, out=levels)


@dataclass(frozen=True, slots=True)
class Origin:
    """What was foretold after so many days, and by what choice.

    `levels` go on learning while a series is rolled along.
    """

    length: int
    choice: Choice
    paths: Floats
    bands: Bands
    levels: Levels


def _read(ordered: Floats, levels: dict[int, Floats]) -> Floats:
    """Read each column at the levels of its distance, between horizons in between."""
    paths, ahead = ordered.shape
    logs = np.log(np.array(HORIZONS))
    at = np.log(np.arange(1, ahead + 1))
    found = np.empty((ahead, len(LEVELS)))
    for place in range(len(LEVELS)):
        known = np.array([levels[horizon][place] for horizon in HORIZONS])
        spots = np.interp(at, logs, known) * (paths - 1)
        low = np.floor(spots).astype(int)
        share = spots - low
        high = np.minimum(low + 1, paths - 1)
        columns = np.arange(ahead)
        found[:, place] = (
            ordered[low, columns] * (1 - share) + ordered[high, columns] * share
        )
    return np.maximum.accumulate(found, axis=1)


def roll(
    series: DailySeries,
    holidays: frozenset[date] = frozenset(),
    every: int = 1,
    ahead: int = AHEAD,
) -> Iterator[Origin]:
    """Foretell from every origin, the last being the end of the series."""
    amounts = np.array(series.minor, dtype=np.float64)
    length = len(amounts)
    days = days_from(series.first, length + ahead, holidays)
    levels = Levels()
    waiting: list[Origin] = []
    choice, chosen_at = Choice(), -_CHOOSE_EVERY
    start = min(LEAST_DAYS, length)
    start += (length - start) % every
    for origin in range(start, length + 1, every):
        if origin - chosen_at >= _CHOOSE_EVERY or origin == length:
            choice = choose(amounts[:origin], days.part(0, origin))
            chosen_at = origin
        found = _foretell(amounts, days, origin, ahead, choice, levels)
        yield found
        waiting.append(found)
        for today in range(origin + 1, min(origin + every, length) + 1):
            for past in waiting:
                levels.learn(past, amounts, today)
        waiting = [it for it in waiting if it.length + HORIZONS[-1] > origin + every]


def _foretell(  # noqa: PLR0917 - what an origin is made of
    amounts: Floats,
    days: Days,
    origin: int,
    ahead: int,
    choice: Choice,
    levels: Levels,
) -> Origin:
    fitted = fit(amounts[:origin], days.part(0, origin), choice)
    paths = draw(fitted, days.part(origin, origin + ahead))
    return Origin(origin, choice, paths, levels.bands(paths), levels)


def newest(
    series: DailySeries,
    holidays: frozenset[date] = frozenset(),
    ahead: int = AHEAD,
) -> Origin:
    """Foretell what follows the series; levels were learned a few days apart."""
    if not len(series):
        raise ValueError("a series without a day")
    return deque(roll(series, holidays, every=3, ahead=ahead), maxlen=1).pop()
