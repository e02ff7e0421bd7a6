"""The answer about the past by day: sums of what was requested, paid, and still open.

Invariant: every refund of the days asked for is counted once; the database sums, so
that what is carried grows with days and lags, never with refunds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from refundwatch.store.contract import GetHistory, HistoryRow, Sum
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.local_days import local_day, midnight, stretches
from refundwatch.store.sqlite.registry import Reading, question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from refundwatch.store.rows import Row

_SQL = named_queries("sqlite", "history")
_ROLLUPS = named_queries("sqlite", "rollups")
_EPOCH: Final = date(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)


class _Sums:
    """Sums by a number of days."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.minor: Counter[int] = Counter()

    def add(self, at: int, row: Row) -> None:
        self.counts[at] += row["count"]
        self.minor[at] += row["minor"]

    def items(self) -> Mapping[int, Sum]:
        return {
            at: Sum(count, self.minor[at]) for at, count in sorted(self.counts.items())
        }


@dataclass(slots=True)
class _Gathered:
    """What is gathered of one connection and currency; days count from 1970."""

    requested: Counter[int] = field(default_factory=Counter)
    paid: Counter[int] = field(default_factory=Counter)
    paid_after: _Sums = field(default_factory=_Sums)
    ended_after: _Sums = field(default_factory=_Sums)
    returned_after: _Sums = field(default_factory=_Sums)
    open_by_age: _Sums = field(default_factory=_Sums)

    def add(self, row: Row, today: int) -> None:
        day, after = row["day"], max(row["after"], 0)
        self.requested[day] += row["minor"]
        match row["became"]:
            case "paid":
                self.paid[day + after] += row["minor"]
                self.paid_after.add(after, row)
                if row["returned"] is not None:
                    self.returned_after.add(max(row["returned"], 0), row)
            case "ended":
                self.ended_after.add(after, row)
            case _:
                self.open_by_age.add(max(today - day, 0), row)


@question(GetHistory)
def get_history(reading: Reading, query: GetHistory) -> tuple[HistoryRow, ...]:
    """Give every account's history, connection by connection, currency by currency."""
    only = _only_connections(reading)
    found: list[HistoryRow] = []
    for account in reading.connection.execute(_SQL["accounts"]):
        zone = ZoneInfo(account["timezone"])
        today = local_day(query.at, zone)
        gathered: defaultdict[tuple[str, str], _Gathered] = defaultdict(_Gathered)
        for row in _rows(reading, query, account["name"], zone):
            name = row["connection"] or only.get(account["name"], account["name"])
            gathered[name, row["currency"]].add(row, (today - _EPOCH).days)
        found += [
            _history(account, name, currency, today, of_it)
            for (name, currency), of_it in sorted(gathered.items())
        ]
    return tuple(found)


def _rows(
    reading: Reading, query: GetHistory, account: str, zone: ZoneInfo
) -> Iterator[Row]:
    first = local_day(query.at, zone) - timedelta(days=query.days)
    for part in stretches(zone, midnight(first, zone), query.at):
        last = part.end >= query.at
        values = {
            "account": account,
            "at": micros(query.at),
            "offset": part.offset // _MICROSECOND,
            "start": micros(part.start),
            # What is requested in this very moment belongs to it too.
            "end": micros(part.end) + last,
        }
        yield from reading.connection.execute(_SQL["of_span"], values)


def _only_connections(reading: Reading) -> Mapping[str, str]:
    by_account = defaultdict(list)
    for row in reading.connection.execute(_ROLLUPS["configured_connections"]):
        by_account[row["account"]].append(row["id"])
    return {name: ids[0] for name, ids in by_account.items() if len(ids) == 1}


def _history(
    account: Row, name: str, currency: str, today: date, of_it: _Gathered
) -> HistoryRow:
    end = (today - _EPOCH).days
    first = min(of_it.requested, default=end)
    days = range(first, end)
    return HistoryRow(
        account=account["name"],
        connection=name,
        currency=currency,
        timezone=account["timezone"],
        first=_EPOCH + timedelta(days=first),
        today=today,
        requested=tuple(of_it.requested[day] for day in days),
        paid=tuple(of_it.paid[day] for day in days),
        paid_after=of_it.paid_after.items(),
        ended_after=of_it.ended_after.items(),
        returned_after=of_it.returned_after.items(),
        open_by_age=of_it.open_by_age.items(),
    )
