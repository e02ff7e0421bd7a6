"""Forecasts for clients: histories in, views out; the way to `refundwatch.forecast`.

Invariant: whoever imports this needs the extra `forecast`; nothing here asks a daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api.models_forecast import (
    BacktestView,
    LearnedView,
    ScoreView,
)
from refundwatch.domain.money import exponent
from refundwatch.errors import RefundwatchError
from refundwatch.forecast.backtest import backtest, warm_days
from refundwatch.forecast.chart import Picture, Point, bars, svg
from refundwatch.forecast.days import holidays_of
from refundwatch.forecast.series import DailySeries, series_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from refundwatch.forecast.backtest import Backtest
    from refundwatch.forecast.model import Choice

__all__ = [
    "DailySeries",
    "Picture",
    "TooShort",
    "bars",
    "play_again",
    "series_of",
    "svg",
]

AHEAD_DAYS: Final = 400
_SHOWN_SHARE: Final = 0.9
"""Of weeks that a plot shows to their height; the heaviest would press all flat."""


class TooShort(RefundwatchError):
    """There is too little past to foretell anything from."""

    code = "forecast.too_short"
    exit_code = 1


def holidays_for(places: Iterable[str], series: DailySeries) -> frozenset[date]:
    """Give the holidays of places for a series and the year that follows it.

    Raises:
        TextInvalid: a place is not known.
    """
    last = series.day(len(series) + AHEAD_DAYS)
    return holidays_of(places, range(series.first.year, last.year + 1))


def play_again(
    series: DailySeries,
    *,
    source: str,
    currency: str,
    connection: str | None = None,
    places: Iterable[str] = (),
    every: int = 1,
) -> tuple[BacktestView, Picture]:
    """Play a past again; return the scores and a picture of it week by week.

    Raises:
        TooShort: there are too few days.
        TextInvalid: a place of holidays is not known.
    """
    if len(series) <= warm_days(len(series)):
        raise TooShort(
            f"{source}: {len(series)} days of {currency}; a backtest needs more than "
            f"{warm_days(len(series))}."
        )
    found = backtest(series, holidays_for(places, series), every)
    view = BacktestView(
        source=source,
        connection=connection,
        currency=currency,
        first=series.first,
        last=series.day(len(series) - 1),
        days=found.days,
        origins=found.origins,
        learned=learned(found.choice),
        scores=_scores(found),
    )
    return view, _picture(found, source, currency)


def _scores(found: Backtest) -> list[ScoreView]:
    scored = found.days - warm_days(found.days)
    return [
        ScoreView(
            way=it.way,
            horizon=it.horizon,
            of=it.of,
            targets=it.targets,
            stretches=scored // it.horizon,
            wape=it.wape,
            bias=it.bias,
            cover=it.cover,
            cover_all=it.cover_all,
        )
        for it in found.scores
    ]


def learned(choice: Choice) -> LearnedView:
    """Say what a model took up."""
    endless = choice.half_life_days == float("inf")
    return LearnedView(
        trend=choice.trend,
        month=list(choice.shapes),
        half_life_days=None if endless else choice.half_life_days,
    )


def _picture(found: Backtest, source: str, currency: str) -> Picture:
    points = [
        Point(it.day.isoformat(), it.low, it.middle, it.high, it.actual, it.naive)
        for it in found.weeks
    ]
    actual = sorted(it.actual for it in found.weeks)
    ceiling = 1.25 * actual[int((len(points) - 1) * _SHOWN_SHARE)] if points else None
    return Picture(
        title=f"{source}, {currency}: requested in the week from each day on",
        points=points,
        unit=10.0 ** exponent(currency),
        ceiling=ceiling,
    )
