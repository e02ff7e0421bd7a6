"""What was asked for and paid by day: the past that forecasts are made from.

Invariant: as `refundwatch.store.contract` says; sums are whole minor units, days are
those of the account's zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.store.contract.base import Query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Sum:
    """So many refunds, so much money."""

    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One connection and currency.

    `requested` and `paid` are sums by day from `first` to the day before `today`.
    Refunds that were requested in these days and were paid, or ended unpaid, stand by
    how many days that took; what came back by days from payment; what is open by age.
    What no connection took yet stands under the account's only one, else its name.
    """

    account: str
    connection: str
    currency: str
    timezone: str
    first: date
    today: date
    requested: tuple[int, ...]
    paid: tuple[int, ...]
    paid_after: Mapping[int, Sum]
    ended_after: Mapping[int, Sum]
    returned_after: Mapping[int, Sum]
    open_by_age: Mapping[int, Sum]


@dataclass(frozen=True, slots=True)
class GetHistory(Query[tuple[HistoryRow, ...]]):
    """The history of every account in so many days, read in one pass of its refunds."""

    at: datetime
    days: int
