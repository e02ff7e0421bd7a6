"""Cash to come, from a daemon's histories: the numbers and a picture of each.

Invariant: as `refundwatch.api.forecasting` says.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.api.forecasting import holidays_for, learned
from refundwatch.api.models_forecast import DayView, HistoryView, LiquidityView
from refundwatch.forecast.chart import Picture, Point
from refundwatch.forecast.liquidity import Counted, Known, foretell, shortage
from refundwatch.forecast.series import DailySeries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from refundwatch.api.models_forecast import LagView
    from refundwatch.forecast.rolling import Bands

_CUMULATED: Final = "cash out from today until each day's end"


def outlook(
    history: HistoryView, days: int, balance: int | None, places: Iterable[str] = ()
) -> LiquidityView:
    """Foretell the cash of one connection and currency.

    Raises:
        TextInvalid: a place of holidays is not known.
    """
    series = requested(history)
    holidays = holidays_for(places, series)
    found = foretell(_known(history, series), days, holidays)
    short = None if balance is None else shortage(found.bands, balance)
    shown = _days(history, found.bands)
    return LiquidityView(
        account=history.account,
        connection=history.connection,
        currency=history.currency,
        exponent=history.exponent,
        days=shown,
        learned=learned(found.choice),
        history_days=len(series),
        paid_share=found.paid_share,
        balance=balance,
        short_on=_day_at(shown, short.at if short else None),
        likely_short_on=_day_at(shown, short.likely_at if short else None),
        top_up=short.top_up if short else None,
    )


def requested(history: HistoryView) -> DailySeries:
    """Give what was requested, day by day until yesterday."""
    return DailySeries(history.first, tuple(history.requested))


def picture(view: LiquidityView) -> Picture:
    """Draw the sums, since a balance has to carry them."""
    points = [
        Point(it.day.isoformat(), it.sum_p10, it.sum_p50, it.sum_p90)
        for it in view.days
    ]
    title = f"{view.connection}, {view.currency}: {_CUMULATED}"
    return Picture(title, points, unit=10.0**view.exponent)


def _known(history: HistoryView, series: DailySeries) -> Known:
    return Known(
        requested=series,
        paid=history.paid,
        paid_after=_sums(history.paid_after),
        ended_after=_sums(history.ended_after),
        returned_after=_sums(history.returned_after),
        open_by_age=_sums(history.open_by_age),
    )


def _sums(lags: Sequence[LagView]) -> dict[int, Counted]:
    return {it.days: Counted(it.count, it.minor) for it in lags}


def _days(history: HistoryView, bands: Bands) -> list[DayView]:
    return [
        DayView(
            day=history.today + timedelta(days=at),
            **_rounded("p", bands.days[at]),
            **_rounded("sum_p", bands.sums[at]),
        )
        for at in range(len(bands.days))
    ]


def _rounded(prefix: str, values: Iterable[float]) -> dict[str, int]:
    return {
        f"{prefix}{level}": round(float(value))
        for level, value in zip((10, 50, 90), values, strict=True)
    }


def _day_at(days: list[DayView], at: int | None) -> date | None:
    return None if at is None else days[at].day
