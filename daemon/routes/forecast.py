"""The history that forecasts are made from; whoever asks computes.

Invariant: as `daemon.routes` says; the daemon needs no numerics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models_forecast as mf
from refundwatch.domain.money import exponent
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_DAYS: Final = 730


async def history(call: Call) -> Answer:
    """Show requests and payments by day, and how long payments took."""
    days = call.integer("days", DEFAULT_DAYS)
    currency = call.text("currency")
    rows = await call.hub.store.read(c.GetHistory(call.now, days))
    items = [_history(row) for row in rows if currency in {None, row.currency}]
    return Answer(mf.HistoriesView(at=call.now, items=items))


def _history(row: c.HistoryRow) -> mf.HistoryView:
    return mf.HistoryView(
        account=row.account,
        connection=row.connection,
        currency=row.currency,
        exponent=exponent(row.currency),
        timezone=row.timezone,
        first=row.first,
        today=row.today,
        requested=list(row.requested),
        paid=list(row.paid),
        paid_after=_lags(row.paid_after),
        ended_after=_lags(row.ended_after),
        returned_after=_lags(row.returned_after),
        open_by_age=_lags(row.open_by_age),
    )


def _lags(sums: Mapping[int, c.Sum]) -> list[mf.LagView]:
    return [
        mf.LagView(days=days, count=it.count, minor=it.minor)
        for days, it in sums.items()
    ]


HANDLERS: Final[dict[str, RouteHandler]] = {"forecast.history": history}
