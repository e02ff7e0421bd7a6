"""Forecasts as JSON, and the history that they are made from on the wire.

Invariant: as `refundwatch.api.models` says. Amounts of forecasts are statistics in
whole minor units, never amounts that were booked.
"""

from __future__ import annotations

from datetime import date, datetime

from refundwatch.api.models import View


class ScoreView(View):
    """One way at one horizon; shares of 1, null where nothing can be said.

    `cover` counts days (or sums) not known to be empty, `cover_all` those too.
    `stretches` is how many horizons lie side by side in the past: sums over horizons
    that overlap say less than their number.
    """

    way: str
    horizon: int
    of: str
    targets: int
    stretches: int
    wape: float | None
    bias: float | None
    cover: float | None
    cover_all: float | None


class LearnedView(View):
    """What the newest model took up: a part that is not here was not found."""

    trend: bool
    month: list[str]
    half_life_days: float | None


class BacktestView(View):
    """A past played again."""

    source: str
    connection: str | None
    currency: str
    first: date
    last: date
    days: int
    origins: int
    learned: LearnedView
    scores: list[ScoreView]


class BacktestsView(View):
    """Every currency (and connection) of a past."""

    items: list[BacktestView]


class LagView(View):
    """So many refunds took so many days (or are so many days old)."""

    days: int
    count: int
    minor: int


class HistoryView(View):
    """One connection and currency: requests and payments by day of the account's zone.

    `requested` and `paid` are sums by day from `first` on, today's unfinished day
    left out. Lags are days from the request to the gateway's word that it was paid, to
    an end without payment, and from the payment to its return.
    """

    account: str
    connection: str
    currency: str
    exponent: int
    timezone: str
    first: date
    today: date
    requested: list[int]
    paid: list[int]
    paid_after: list[LagView]
    ended_after: list[LagView]
    returned_after: list[LagView]
    open_by_age: list[LagView]


class HistoriesView(View):
    """What forecasts are made from."""

    at: datetime
    items: list[HistoryView]


class DayView(View):
    """Cash out on a day, and from today until its end, in minor units."""

    day: date
    p10: int
    p50: int
    p90: int
    sum_p10: int
    sum_p50: int
    sum_p90: int


class LiquidityView(View):
    """Cash out of one connection in one currency.

    `short_on` is the first day on which the balance may not suffice in one case of ten,
    `likely_short_on` in one of two; `top_up` is what keeps nine of ten cases covered
    until the last day.
    """

    account: str
    connection: str
    currency: str
    exponent: int
    days: list[DayView]
    learned: LearnedView
    history_days: int
    paid_share: float
    balance: int | None
    short_on: date | None
    likely_short_on: date | None
    top_up: int | None


class LiquiditiesView(View):
    """Cash out of all connections."""

    at: datetime
    items: list[LiquidityView]
