"""Reads a CSV file of refund requests as sums by day.

Invariant: amounts are read exactly; a row that cannot be read is refused with its line,
and then nothing is foretold from the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from refundwatch.api.amounts import parse_amount
from refundwatch.api.forecasting import series_of
from refundwatch.commands.csv_rows import CsvFile, Fault
from refundwatch.commands.problems import UsageProblem
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.api.forecasting import DailySeries
    from refundwatch.commands.csv_rows import Row

WHEN: Final = ("requested_at", "created_at", "refunded_at", "date", "day")
AMOUNT: Final = ("amount", "total")
CURRENCY: Final = ("currency", "currency_code")


def series_by_currency(path: Path, only: str | None) -> dict[str, DailySeries]:
    """Read a file; days are the file's own, whatever zone they were written in.

    Every currency reaches from the file's first day to its last: days without are zero.

    Raises:
        UsageProblem: the file, its header or a row cannot be read.
    """
    file = CsvFile(path)
    when, amount, currency = (
        _column(file, names) for names in (WHEN, AMOUNT, CURRENCY)
    )
    sums: defaultdict[str, Counter[date]] = defaultdict(Counter)
    days: set[date] = set()
    for row in file.rows():
        if isinstance(row, Fault):
            raise UsageProblem(f"{path}, {row}.")
        day, code = _day(path, row, when), row.cells[currency]
        sums[code][day] += _amount(path, row, amount, code)
        days.add(day)
    if not days:
        raise UsageProblem(f"{path} has no row.")
    if only is not None and only not in sums:
        raise UsageProblem(f"{path} has nothing in {only!a}.")
    return {
        code: series_of(by_day, min(days), max(days))
        for code, by_day in sorted(sums.items())
        if only in {None, code}
    }


def _column(file: CsvFile, names: tuple[str, ...]) -> str:
    for name in names:
        if name in file.header:
            return name
    raise UsageProblem(f"{file.path}, line 1: no column {' or '.join(names)}.")


def _day(path: Path, row: Row, column: str) -> date:
    try:
        return datetime.fromisoformat(row.cells[column]).date()
    except ValueError:
        raise UsageProblem(
            f"{path}, line {row.line}, column {column}: no ISO date or time."
        ) from None


def _amount(path: Path, row: Row, column: str, code: str) -> int:
    try:
        return parse_amount(row.cells[column], code)
    except RefundwatchError as error:
        raise UsageProblem(
            f"{path}, line {row.line}, column {column}: {error.message}"
        ) from error
