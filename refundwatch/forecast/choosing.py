"""Learns what a series has: a trend, peaks in the month, how fast the past fades.

A part is taken up only on the word of two witnesses: its effect is beyond what chance
makes of as many tries (robust t value with Newey-West errors, so that days in a row are
no independent witnesses), and with it days that the fit had not seen were foretold
better by more than an error's width. So a peak is found where there is one, and not
invented where there is none.

Invariant: a choice depends on the days before its origin alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.forecast.days import SHAPES
from refundwatch.forecast.model import Choice, centre, design_of, fit, regress, ridge_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from refundwatch.forecast.days import Days

    Floats = NDArray[np.float64]

HALF_LIVES: Final = (float("inf"), 112.0, 56.0, 28.0)
"""Days after which a day weighs half; the slowest that is as good is taken."""

CERTAIN: Final = 3.2
"""The t value that a part needs: chance passes it once in some 700 tries."""

_FOLD_DAYS: Final = 28
_STEP_DAYS: Final = 14
_FOLDS: Final = 8
_LEAST_DAYS: Final = 56
_LEAST_TREND_DAYS: Final = 120
_LEAST_PEAKS: Final = 6
"""Months in which a place must have been seen: half a year, or it is no pattern."""


def choose(amounts: Floats, days: Days) -> Choice:
    """Choose for the days that are known."""
    if len(amounts) < _LEAST_DAYS or (amounts > 0).sum() < _LEAST_DAYS // 2:
        return Choice()
    choice = _with_shapes(amounts, days, Choice())
    if len(amounts) >= _LEAST_TREND_DAYS:
        grown = replace(choice, trend=True)
        # A trend shows slowly: each stretch gains little by it.
        stands_out = abs(_t_value(amounts, days, grown)) > CERTAIN
        if stands_out and _foretells_more(amounts, days, choice, grown, errors=0):
            choice = grown
            if not choice.shapes:
                choice = _with_shapes(amounts, days, choice)
    return _fading(amounts, days, choice)


def _with_shapes(amounts: Floats, days: Days, choice: Choice) -> Choice:
    """Take up places in the month, the clearest first, while any stands out."""
    while True:
        best, best_t = None, CERTAIN
        for name in SHAPES:
            if name in choice.shapes or not _seen_often(days.shapes[name], amounts):
                continue
            # Its own t value is the last of those of the shapes.
            tried = replace(choice, shapes=(*choice.shapes, name), trend=False)
            found = abs(_t_value(amounts, days, tried))
            if found > best_t:
                best, best_t = name, found
        if best is None:
            return choice
        grown = replace(choice, shapes=(*choice.shapes, best))
        if not _foretells_more(amounts, days, choice, grown):
            return choice
        choice = grown


def _seen_often(shape: Floats, amounts: Floats) -> bool:
    """Tell whether enough stretches of a shape were days with requests."""
    on = (shape > 0) & (amounts > 0)
    begins = np.flatnonzero(on)
    stretches = 1 + int((np.diff(begins) > _STEP_DAYS).sum()) if len(begins) else 0
    return stretches >= _LEAST_PEAKS


def _t_value(amounts: Floats, days: Days, choice: Choice) -> float:
    """Give the t value of the choice's last part."""
    length = len(amounts)
    on = amounts > 0
    design = design_of(days, choice, length)[on]
    logs = np.log(amounts[on])
    ridge = ridge_of(choice)
    found, used = regress(design, logs, np.ones(len(logs)), ridge)
    scores = design * (used * (logs - design @ found))[:, None]
    bread = np.linalg.inv((design * used[:, None]).T @ design + np.diag(ridge + 1e-9))
    reach = int(np.sqrt(len(logs)))
    meat = scores.T @ scores
    for lag in range(1, reach + 1):
        joint = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (reach + 1)) * (joint + joint.T)
    variance = float((bread @ meat @ bread)[-1, -1])
    return float(found[-1] / np.sqrt(max(variance, 1e-12)))


def _foretells_more(
    amounts: Floats, days: Days, choice: Choice, grown: Choice, errors: float = 1
) -> bool:
    """Tell whether unseen days are foretold better by what has a part more.

    By more than so many of the gain's own standard errors over the stretches: a part
    has to be worth it again and again.
    """
    gain = _losses(amounts, days, choice) - _losses(amounts, days, grown)
    error = float(np.std(gain) / np.sqrt(len(gain)))
    return bool(np.mean(gain) > errors * error)


def _fading(amounts: Floats, days: Days, choice: Choice) -> Choice:
    """Choose how fast the past fades: slower ones win ties within one error."""
    best = choice
    least = _losses(amounts, days, choice)
    for half_life in HALF_LIVES[1:]:
        tried = replace(choice, half_life_days=half_life)
        losses = _losses(amounts, days, tried)
        gain = least - losses
        error = float(np.std(gain) / np.sqrt(len(gain)))
        if float(np.mean(gain)) > error:
            best, least = tried, losses
    return best


def _losses(amounts: Floats, days: Days, choice: Choice) -> Floats:
    """Foretell past stretches from what came before them: the mean miss of each."""
    length = len(amounts)
    losses = []
    for back in range(_FOLDS):
        end = length - back * _STEP_DAYS
        start = end - _FOLD_DAYS
        if start < _LEAST_DAYS // 2:
            break
        fitted = fit(amounts[:start], days.part(0, start), choice)
        middle = centre(fitted, days.part(start, end))
        actual = amounts[start:end]
        on = actual > 0
        if on.any():
            losses.append(float(np.mean(np.abs(np.log(actual[on]) - middle[on]))))
    return np.array(losses or [0.0])
