"""Answers for the wall: the three numbers, and refunds by state, from rollups only.

Invariant: what a question costs depends on its window and on how many connections,
currencies and codes there are, never on how many refunds.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.histogram import Histogram
from refundwatch.domain.numbers import STAGES, Measure, pieces
from refundwatch.domain.refund import RefundState
from refundwatch.store.contract import (
    CountStates,
    GetNumbers,
    Percentiles,
    ThreeNumbers,
)
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_recent import Sums, recent
from refundwatch.store.sqlite.registry import Reading, question

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

_SQL = named_queries("sqlite", "rollups")
EVERYWHERE: Final = "*"
LONGEST_WINDOW_SECONDS: Final = 10 * 366 * 86_400
"""A longer window shows these ten years."""

_NO_CURRENCY: Final = ""


@question(CountStates)
def count_states(reading: Reading, _: CountStates) -> Mapping[RefundState, int]:
    """Count refunds by state; every state is named."""
    rows = reading.connection.execute(_SQL["count_states"])
    counts = {RefundState(row["state"]): row["count"] for row in rows}
    return {state: counts.get(state, 0) for state in RefundState}


@question(GetNumbers)
def get_numbers(reading: Reading, query: GetNumbers) -> tuple[ThreeNumbers, ...]:
    """Give the numbers of every configured connection, then of all together.

    What happened before a connection was known (a request, a wait for approval)
    counts for the account's connection where it has exactly one, else in a row that
    bears the account's name. With `by_currency` each row is followed by one for every
    currency seen in it; uptime has no currency and is repeated there.
    """
    if not query.by_currency:
        with recent(reading, query.at, _window(query)) as kept:
            if kept is not None:
                return _of_kept(_Names(reading), kept, query.window_seconds)
    sums = _summed(reading, query)
    return tuple(
        _numbers(connection, currency, counted, query.window_seconds)
        for connection, by_currency in sums.items()
        for currency, counted in by_currency.items()
        if currency is None or query.by_currency
    )


def _of_kept(
    names: _Names, kept: Mapping[str, Sums], window_seconds: int
) -> tuple[ThreeNumbers, ...]:
    sums = {connection: Sums() for connection in names.connections}
    every = Sums()
    for subject, counted in kept.items():
        if counted.is_empty():
            continue
        own = sums.setdefault(names.of(subject), Sums())
        own.merge(counted)
        every.merge(counted)
    sums[EVERYWHERE] = every
    return tuple(
        _numbers(connection, None, counted, window_seconds)
        for connection, counted in sums.items()
    )


def _summed(
    reading: Reading, query: GetNumbers
) -> Mapping[str, Mapping[str | None, Sums]]:
    names = _Names(reading)
    sums: dict[str, dict[str | None, Sums]] = {
        connection: {None: Sums()} for connection in names.connections
    }
    every: dict[str | None, Sums] = {None: Sums()}
    for subject, currency, measure, code, bucket, amount in _tallies(reading, query):
        own = sums.setdefault(names.of(subject), {None: Sums()})
        for rows in (own, every):
            rows[None].add(measure, code, bucket, amount)
            if currency != _NO_CURRENCY:
                rows.setdefault(currency, Sums()).add(measure, code, bucket, amount)
    sums[EVERYWHERE] = every
    return {name: _with_uptime(rows) for name, rows in sums.items()}


def _with_uptime(rows: dict[str | None, Sums]) -> Mapping[str | None, Sums]:
    for currency, counted in rows.items():
        if currency is not None:
            for measure in (Measure.OBSERVED, Measure.DOWN):
                counted.totals[measure] = rows[None].totals[measure]
    ordered = sorted(rows, key=lambda currency: currency or "")
    return {currency: rows[currency] for currency in ordered}


class _Names:
    """Which connection stands for a subject of the rollups."""

    def __init__(self, reading: Reading) -> None:
        by_account = defaultdict(list)
        for row in reading.connection.execute(_SQL["configured_connections"]):
            by_account[row["account"]].append(row["id"])
        self.connections = [name for names in by_account.values() for name in names]
        self._only = {
            account: names[0]
            for account, names in by_account.items()
            if len(names) == 1
        }

    def of(self, subject: str) -> str:
        name: str = self._only.get(subject, subject)
        return name


def _tallies(
    reading: Reading, query: GetNumbers
) -> Iterator[tuple[str, str, Measure, str, int, int]]:
    for piece in pieces(query.at, _window(query)):
        values = (piece.grain.value, micros(piece.start), micros(piece.end))
        for row in reading.connection.execute(_SQL["sum_tallies"], values):
            subject, currency, measure, code, bucket, amount = row
            yield subject, currency, Measure(measure), code, bucket, amount


def _window(query: GetNumbers) -> timedelta:
    seconds = min(max(query.window_seconds, 1), LONGEST_WINDOW_SECONDS)
    return timedelta(seconds=seconds)


def _numbers(
    connection: str, currency: str | None, counted: Sums, window_seconds: int
) -> ThreeNumbers:
    totals = counted.totals
    succeeded, declined = totals[Measure.SUCCEEDED], totals[Measure.DECLINED]
    observed, down = totals[Measure.OBSERVED], totals[Measure.DOWN]
    return ThreeNumbers(
        connection=connection,
        currency=currency,
        window_seconds=window_seconds,
        processing={
            stage.value: _percentiles(counted.buckets[stage]) for stage in STAGES
        },
        succeeded=succeeded,
        declined=declined,
        bounced=totals[Measure.BOUNCED],
        requested=totals[Measure.REQUESTED],
        declined_by=dict(sorted(counted.codes.items())),
        success_rate=_ratio(succeeded, succeeded + declined),
        uptime=_ratio(observed - down, observed),
        observed_seconds=observed // 1000,
        down_seconds=down // 1000,
    )


def _percentiles(buckets: Counter[int]) -> Percentiles:
    histogram = Histogram(tuple(sorted(buckets.items())))
    p50, p95, p99 = map(_seconds, histogram.percentiles_ms((50, 95, 99)))
    return Percentiles(histogram.count, p50, p95, p99)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
