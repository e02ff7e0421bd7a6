"""One fit of how much is asked for on a day, and paths of days to come drawn from it.

A day is either without requests, with a chance learned by weekday and holiday, or its
amount is `exp(level + weekday + place in the month + trend + rest)`. The level part is
a Huber regression: amounts have tails so heavy that one day may outweigh a month. The
rest is never given a shape; it is drawn from what remained of past days, the heavy days
included. That the level itself wanders is learned too, and drawn.

Invariant: the same days and the same choice give the same paths, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.forecast.days import WEEKDAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from refundwatch.forecast.days import Days

    Floats = NDArray[np.float64]

PATHS: Final = 1000
YEAR_DAYS: Final = 365.25
HUBER: Final = 1.345
"""Source: P. J. Huber, Robust Statistics (1981): 95 % efficient at the normal."""

_ROUNDS: Final = 6
_WEEKDAY_RIDGE: Final = 2.0
"""As many days of a weekday as weigh as much as the belief that it is like others."""

_ZERO_PRIOR: Final = 2.0
_SURE: Final = 0.01
_SEED: Final = 20_110_831
_LEAST_LEVEL: Final = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model may use: learned by `choosing`, never assumed."""

    half_life_days: float = float("inf")
    trend: bool = False
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model of one series, as known at the end of its days."""

    choice: Choice
    length: int
    coefficients: Floats
    rest: Floats
    rest_weights: Floats
    zero_by_weekday: Floats
    zero_on_holiday: Floats
    level_sd: float
    drift_sd: float


def fit(amounts: Floats, days: Days, choice: Choice) -> Fitted:
    """Learn from days; the last is the newest."""
    length = len(amounts)
    weights = _recency(length, choice.half_life_days)
    zeros, on_holiday = _zero_chances(amounts, days, weights)
    open_days = amounts > 0
    if open_days.sum() < _LEAST_LEVEL:
        return _nearly_nothing(amounts, choice, zeros, on_holiday)
    design = design_of(days, choice, length)[open_days]
    logs, weighed = np.log(amounts[open_days]), weights[open_days]
    coefficients, _ = regress(design, logs, weighed, _ridge(choice))
    rest = logs - design @ coefficients
    weighed = weighed / weighed.sum()
    spread = float(np.sqrt(np.sum(weighed * np.clip(rest, -3, 3) ** 2)))
    return Fitted(
        choice=choice,
        length=length,
        coefficients=coefficients,
        rest=rest,
        rest_weights=weighed,
        zero_by_weekday=zeros,
        zero_on_holiday=on_holiday,
        level_sd=spread * float(np.sqrt(np.sum(weighed**2))),
        drift_sd=_drift(spread, choice.half_life_days),
    )


def centre(fitted: Fitted, days: Days) -> Floats:
    """Give the middle of log amounts of the days that follow the fitted ones."""
    design = design_of(days, fitted.choice, 0)
    middle: Floats = design @ fitted.coefficients
    return middle


def draw(fitted: Fitted, days: Days, paths: int = PATHS) -> Floats:
    """Draw paths of amounts for the days that follow: one row a path."""
    random = np.random.default_rng([_SEED, fitted.length])
    ahead = len(days.weekday)
    steps = random.standard_normal((paths, ahead)) * fitted.drift_sd
    start = random.standard_normal((paths, 1)) * fitted.level_sd
    # Two halves that mirror each other: the wandering level has no direction.
    wander = np.cumsum(steps, axis=1) + start
    wander[paths // 2 :] = -wander[: paths - paths // 2]
    rest = _draw_rest(random, fitted, (paths, ahead))
    amounts = np.exp(centre(fitted, days) + wander + rest)
    chance = fitted.zero_by_weekday[days.weekday]
    chance = np.where(days.holiday, fitted.zero_on_holiday[days.weekday], chance)
    amounts[random.random((paths, ahead)) < chance] = 0.0
    return amounts


def _draw_rest(
    random: np.random.Generator, fitted: Fitted, shape: tuple[int, int]
) -> Floats:
    edges = np.cumsum(fitted.rest_weights)
    places = np.searchsorted(edges, random.random(shape) * edges[-1])
    found: Floats = fitted.rest[np.minimum(places, len(fitted.rest) - 1)]
    return found


def design_of(days: Days, choice: Choice, length: int) -> Floats:
    """Lay out what the level follows; time is zero after `length` days."""
    count = len(days.weekday)
    columns = [np.ones(count)]
    columns += [(days.weekday == day).astype(float) for day in range(WEEKDAYS)]
    columns += [days.shapes[name] for name in choice.shapes]
    if choice.trend:
        columns.append((np.arange(count) - length) / YEAR_DAYS)
    return np.column_stack(columns)


def _ridge(choice: Choice) -> Floats:
    """Weekdays lean to the others; what was chosen by evidence stands free."""
    free = len(choice.shapes) + choice.trend
    return np.array([0.0, *[_WEEKDAY_RIDGE] * WEEKDAYS, *[1e-6] * free])


def regress(
    design: Floats, logs: Floats, weights: Floats, ridge: Floats
) -> tuple[Floats, Floats]:
    """Fit by iterated weights (Huber); return coefficients and the last weights."""
    middle = float(np.median(logs))
    used: Floats = weights
    found: Floats = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        gram = (design * used[:, None]).T @ design + np.diag(ridge + 1e-9)
        found[:] = np.linalg.solve(gram, design.T @ (used * (logs - middle)))
        rest = logs - middle - design @ found
        scale = max(float(np.median(np.abs(rest))) / 0.6745, 1e-9)
        used = weights * np.minimum(1.0, HUBER * scale / np.maximum(np.abs(rest), 1e-9))
    found[0] += middle
    return found, used


def ridge_of(choice: Choice) -> Floats:
    """Give how strongly each part of the level is held back."""
    return _ridge(choice)


def _recency(length: int, half_life_days: float) -> Floats:
    ages = np.arange(length - 1, -1, -1.0)
    return np.power(0.5, ages / half_life_days)


def _zero_chances(
    amounts: Floats, days: Days, weights: Floats
) -> tuple[Floats, Floats]:
    """Learn how often a weekday, and a holiday on it, has no request at all.

    A weekday that never had one, where chance alone would hardly leave it out, is a
    day on which the house is closed.
    """
    empty = (amounts == 0).astype(float)
    plain = ~days.holiday
    overall = float((weights * empty).sum() / max(weights.sum(), 1e-9))
    chances = np.empty(WEEKDAYS)
    for weekday in range(WEEKDAYS):
        own = plain & (days.weekday == weekday)
        others = plain & ~own
        usual = float(empty[others].mean()) if others.any() else overall
        seen, gone = float(weights[own].sum()), float((weights * empty)[own].sum())
        chances[weekday] = (gone + _ZERO_PRIOR * usual) / (seen + _ZERO_PRIOR)
        if own.any() and empty[own].all() and usual ** int(own.sum()) < _SURE:
            chances[weekday] = 1.0
        elif not own.any():
            chances[weekday] = overall
    off = days.holiday & (chances[days.weekday] < 1)
    seen, gone = float(off.sum()), float(empty[off].sum())
    return chances, (gone + _ZERO_PRIOR * chances) / (seen + _ZERO_PRIOR)


def _drift(spread: float, half_life_days: float) -> float:
    """Give how far the level wanders in a day, where this fading foretells best.

    Exponential fading is the best filter of a level that walks at random among noise
    for exactly one ratio of the two; a past that never fades is one that stays.
    Source: J. F. Muth, Optimal Properties of Exponentially Weighted Forecasts (1960).
    """
    gain = 1 - 0.5 ** (1 / half_life_days)
    return float(spread * gain / np.sqrt(1 - gain))


def _nearly_nothing(
    amounts: Floats, choice: Choice, zeros: Floats, on_holiday: Floats
) -> Fitted:
    """Fit days of which hardly one had a request: draw those few as they were."""
    seen = amounts[amounts > 0]
    rest = np.log(seen) if len(seen) else np.zeros(1)
    width = 1 + WEEKDAYS + len(choice.shapes) + choice.trend
    if not len(seen):
        zeros, on_holiday = np.ones(WEEKDAYS), np.ones(WEEKDAYS)
    return Fitted(
        choice=choice,
        length=len(amounts),
        coefficients=np.zeros(width),
        rest=rest,
        rest_weights=np.full(len(rest), 1 / len(rest)),
        zero_by_weekday=zeros,
        zero_on_holiday=on_holiday,
        level_sd=0.0,
        drift_sd=0.0,
    )
