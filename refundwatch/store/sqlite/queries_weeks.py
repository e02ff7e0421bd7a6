"""Finds amounts that are rare week by week, through an index of each week's amounts.

Invariant: a week is read whole or not at all, and what is found is in the list's
order. What it costs grows with the weeks of the list and with what is found, not with
the refunds that lie between.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.filter_terms import AmountTerm, Column, Compare, ValueTerm
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_filter import LARGEST, OPPOSITE, all_of
from refundwatch.store.sqlite.queries_paging import Found, Place, behind, upto

if TYPE_CHECKING:
    from refundwatch.domain.filter_terms import Term
    from refundwatch.store.sqlite.queries_streams import Plan
    from refundwatch.store.sqlite.registry import Reading

_SQL = named_queries("sqlite", "refunds")
WEEK_US: Final = 604_800_000_000
_MOST_WEEKS: Final = 64
_GROWTH: Final = 4
_BUDGET: Final = 2000
"""Rows looked at in all; they lie scattered, so each costs a page of the database."""

_Range = tuple[str, int, int]

_WEEKS_AND_AMOUNTS: Final = """
WITH RECURSIVE
    week (n) AS (SELECT ?1 UNION ALL SELECT n + ?2 FROM week WHERE n <> ?3),
    wanted (currency, low, high) AS (VALUES {ranges})
SELECT r.rowid FROM week CROSS JOIN wanted
CROSS JOIN refund AS r INDEXED BY refund_of_week
    ON r.created_at / 604800000000 = week.n
    AND r.currency = wanted.currency
    AND r.amount_minor BETWEEN wanted.low AND wanted.high
LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class _Weeks:
    """Weeks in the list's order, both ends included."""

    first: int
    last: int
    step: int

    def __contains__(self, week: int) -> bool:
        return (self.last - week) * self.step >= 0


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: rows behind `behind` and up to `upto`, in this order."""

    plan: Plan
    newest_first: bool
    behind: Place
    upto: Place
    limit: int


def by_weeks(reading: Reading, search: Search) -> Found | None:
    """Find what lies behind a place; None where the filter's amounts are no help."""
    ranges = _ranges(reading, search.plan.terms)
    if ranges is None:
        return None
    if not ranges:
        return Found([])
    first = search.behind.created_at // WEEK_US
    last = search.upto.created_at // WEEK_US
    return _found(
        reading, search, ranges, _Weeks(first, last, -1 if search.newest_first else 1)
    )


def _found(
    reading: Reading, search: Search, ranges: list[_Range], weeks: _Weeks
) -> Found | None:
    budget = max(_BUDGET, search.limit * 2)
    places: list[Place] = []
    week, size = weeks.first, 1
    while week in weeks:
        end = week + weeks.step * (size - 1)
        end = end if end in weeks else weeks.last
        some = _Weeks(week, end, weeks.step)
        rows = _rows_of(reading, ranges, some, budget + 1)
        if len(rows) > budget and size > 1:
            size = 1
            continue
        if len(rows) > budget:
            # Common where the looking began: walking finds it. Later: go on from here.
            here = week == weeks.first
            return None if here else Found(places, _start_of(week, weeks))
        budget -= len(rows)
        places += _of(reading, search, rows)
        if len(places) >= search.limit:
            return Found(places[: search.limit])
        week, size = end + weeks.step, min(size * _GROWTH, _MOST_WEEKS)
    return Found(places)


def _rows_of(
    reading: Reading, ranges: list[_Range], weeks: _Weeks, most: int
) -> list[int]:
    """Give the rows of these weeks whose amounts can fit, from the index alone."""
    marks = ", ".join(["(?, ?, ?)"] * len(ranges))
    sql = _WEEKS_AND_AMOUNTS.format(ranges=marks)
    named = (value for one in ranges for value in one)
    values = (weeks.first, weeks.step, weeks.last, *named, most)
    return [row[0] for row in reading.connection.execute(sql, values)]


def _of(reading: Reading, search: Search, rows: list[int]) -> list[Place]:
    if not rows:
        return []
    newest = search.newest_first
    held = all_of(
        (
            *behind(search.behind, newest_first=newest),
            *upto(search.upto, newest_first=newest),
            *search.plan.every,
        )
    )
    sql = (
        "SELECT r.created_at, r.id FROM json_each(?) AS one "  # noqa: S608 - own words
        f"CROSS JOIN refund AS r ON r.rowid = one.value WHERE {held.sql}"
    )
    found = reading.connection.execute(sql, (json.dumps(rows), *held.values))
    return sorted((Place(row[0], row[1]) for row in found), reverse=newest)


def _start_of(week: int, weeks: _Weeks) -> Place:
    """Give the place between a week and the one before it in the list's order."""
    return Place((week + 1) * WEEK_US if weeks.step < 0 else week * WEEK_US, "")


# --- amounts ----------------------------------------------------------------------


def _ranges(reading: Reading, terms: tuple[Term, ...]) -> list[_Range] | None:
    """Give the amounts that can fit, by currency; None where every amount can."""
    amounts = [term for term in terms if isinstance(term, AmountTerm)]
    found = [
        (currency, *_bounds(amounts, EXPONENTS[currency]))
        for currency in _currencies(reading, terms)
    ]
    if all(low <= 1 and high == LARGEST for _, low, high in found):
        return None
    return [one for one in found if one[1] <= one[2]]


def _currencies(reading: Reading, terms: tuple[Term, ...]) -> list[str]:
    present = [
        row["currency"] for row in reading.connection.execute(_SQL["currencies"])
    ]
    for term in terms:
        if isinstance(term, ValueTerm) and term.column is Column.CURRENCY:
            present = [c for c in present if (c in term.values) is not term.negated]
    return present


def _bounds(amounts: list[AmountTerm], exponent: int) -> tuple[int, int]:
    low, high = 1, LARGEST
    for term in amounts:
        compare, number = term.bound(exponent)
        if term.negated:
            if compare is Compare.EQUAL:
                continue
            compare = OPPOSITE[compare]
        match compare:
            case Compare.MORE:
                low = max(low, number + 1)
            case Compare.AT_LEAST:
                low = max(low, number)
            case Compare.LESS:
                high = min(high, number - 1)
            case Compare.AT_MOST:
                high = min(high, number)
            case Compare.EQUAL:
                low, high = max(low, number), min(high, number)
    # No stored amount is near the largest number that SQLite holds.
    return min(low, LARGEST), high
