"""Cash out by day: what is open, what will be asked for, less what comes back.

Invariant: everything here is a statistic; the whole numbers that leave it are rounded
forecasts, never amounts of a refund.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from refundwatch.forecast.lags import Lags, learn
from refundwatch.forecast.model import PATHS, Choice
from refundwatch.forecast.rolling import AHEAD, Bands, Levels, newest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from refundwatch.forecast.series import DailySeries

    Floats = NDArray[np.float64]

_SEED: Final = 45


@dataclass(frozen=True, slots=True)
class Counted:
    """So many refunds, so much in minor units."""

    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class Known:
    """One connection's past in one currency; the series end yesterday."""

    requested: DailySeries
    paid: Sequence[int]
    paid_after: Mapping[int, Counted]
    ended_after: Mapping[int, Counted]
    returned_after: Mapping[int, Counted]
    open_by_age: Mapping[int, Counted]


@dataclass(frozen=True, slots=True)
class Outlook:
    """Cash out from today on."""

    bands: Bands
    choice: Choice
    paid_share: float


@dataclass(frozen=True, slots=True)
class Shortage:
    """When a balance may end: in one case of ten, and of two; None is not at all."""

    at: int | None
    likely_at: int | None
    top_up: int


def foretell(
    known: Known, days: int, holidays: frozenset[date] = frozenset()
) -> Outlook:
    """Foretell the cash that leaves on each of so many days, today the first."""
    lags = learn(
        _counts(known.paid_after),
        _counts(known.ended_after),
        _counts(known.open_by_age),
    )
    levels, choice = Levels(), Choice()
    # Levels are learned at every horizon, whatever is shown: a day's word does not
    # depend on how many days were asked for.
    width = max(days, AHEAD)
    asked: Floats = np.zeros((PATHS, width))
    if len(known.requested):
        origin = newest(known.requested, holidays, ahead=width)
        asked, levels, choice = origin.paths, origin.levels, origin.choice
    cash = asked @ _spread(lags.paid, width) + _of_open(known, lags, width)
    cash -= _returned(known, cash)
    bands = levels.bands(cash)
    return Outlook(Bands(bands.days[:days], bands.sums[:days]), choice, lags.share)


def shortage(bands: Bands, balance: int) -> Shortage:
    """Tell when a balance ends, and what would carry it to the last day."""
    return Shortage(
        _first_above(bands.sums[:, 2], balance),
        _first_above(bands.sums[:, 1], balance),
        max(int(np.ceil(bands.sums[-1, 2])) - balance, 0),
    )


def _first_above(sums: Floats, balance: int) -> int | None:
    places = np.flatnonzero(sums > balance)
    return int(places[0]) if len(places) else None


def _counts(sums: Mapping[int, Counted]) -> dict[int, int]:
    return {days: it.count for days, it in sums.items()}


def _spread(chances: Floats, days: int) -> Floats:
    """Lay chances by lag out as what a request's day gives to each day."""
    found = np.zeros((days, days))
    for lag, chance in enumerate(chances[:days]):
        found += np.eye(days, k=lag) * chance
    return found


def _of_open(known: Known, lags: Lags, days: int) -> Floats:
    """Draw when the refunds that are open now are paid.

    Those of today are left out: today's requests are foretold as a whole day.
    """
    random = np.random.default_rng([_SEED, len(known.requested)])
    cash: Floats = np.zeros((PATHS, days))
    for age, it in sorted(known.open_by_age.items()):
        if age == 0 and len(known.requested):
            continue
        chances = lags.ahead(age, days)
        never = max(1.0 - float(chances.sum()), 0.0)
        whole = np.append(chances, never)
        drawn = random.multinomial(it.count, whole / whole.sum(), size=PATHS)
        cash += drawn[:, :days] * (it.minor / it.count)
    return cash


def _returned(known: Known, cash: Floats) -> Floats:
    """Give what comes back of what was paid, and of what will be."""
    back: Floats = np.zeros_like(cash)
    paid = sum(it.minor for it in known.paid_after.values())
    if not paid:
        return back
    past = np.array(known.paid, dtype=np.float64)
    days = cash.shape[1]
    for lag, it in known.returned_after.items():
        share = it.minor / paid
        if lag < days:
            back[:, lag:] += cash[:, : days - lag] * share
        # Day t has what was paid on day t - lag, before today where that is negative.
        for day in range(min(lag, days)):
            if lag - day <= len(past):
                back[:, day] += past[day - lag] * share
    return back
