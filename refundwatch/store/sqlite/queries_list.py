"""Which refunds a filter finds, in order, from a place or an offset.

Invariant: a page costs what it holds, also among a million rows, when nothing or only
states are asked for: each state is read in order from its own index and the streams
are merged; what the rollups count is not counted again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.filter_terms import (
    Column,
    RefundFilter,
    StateTerm,
    Term,
    ValueTerm,
)
from refundwatch.domain.refund import RefundState
from refundwatch.store.contract import ListRefunds, Page, RefundSummary
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_filter import Condition, all_of, conditions
from refundwatch.store.sqlite.queries_paging import (
    Place,
    page_size,
    read_cursor,
    write_cursor,
)
from refundwatch.store.sqlite.queries_refunds import summaries
from refundwatch.store.sqlite.registry import Reading, question

if TYPE_CHECKING:
    from collections.abc import Iterable

_SQL = named_queries("sqlite", "refunds")
_EVERY_STATE: Final = frozenset(RefundState)
_BY_ONE_ROW: Final = frozenset({Column.REQUEST, Column.PAYMENT})


@dataclass(frozen=True, slots=True)
class _Slice:
    """The part of a list that is wanted; `skip` rows are left out at its start."""

    newest_first: bool
    limit: int
    skip: int = 0
    behind: Place | None = None


@question(ListRefunds)
def _list_refunds(reading: Reading, query: ListRefunds) -> Page[RefundSummary]:
    limit = page_size(query.limit)
    at_us = micros(query.at)
    if query.offset is not None:
        return _by_offset(reading, query, max(query.offset, 0), limit)
    behind = None if query.cursor is None else read_cursor(query.cursor)
    wanted = _Slice(not query.oldest_first, limit + 1, behind=behind)
    places = _places(reading, query.filter, at_us, wanted)
    more = len(places) > limit
    return _page(reading, places[:limit], more=more, total=None)


def _by_offset(
    reading: Reading, query: ListRefunds, offset: int, limit: int
) -> Page[RefundSummary]:
    """Read a window of a virtual list; its far half is reached from the other end."""
    at_us = micros(query.at)
    newest_first = not query.oldest_first
    total = _total(reading, query.filter, at_us)
    size = min(limit, max(total - offset, 0))
    if offset <= total // 2:
        wanted = _Slice(newest_first, size, skip=offset)
        places = _places(reading, query.filter, at_us, wanted)
    else:
        wanted = _Slice(not newest_first, size, skip=max(total - offset - size, 0))
        places = _places(reading, query.filter, at_us, wanted)[::-1]
    return _page(reading, places, more=offset + size < total, total=total)


def _page(
    reading: Reading, places: list[Place], *, more: bool, total: int | None
) -> Page[RefundSummary]:
    items = summaries(reading, [place.id for place in places])
    cursor = write_cursor(places[-1]) if more and places else None
    return Page(items, cursor, total)


# --- which rows -------------------------------------------------------------------


def _places(
    reading: Reading, wanted: RefundFilter, at_us: int, part: _Slice
) -> list[Place]:
    order = "DESC" if part.newest_first else "ASC"
    every, values = _streams(wanted, at_us, part)
    sql = f"{every} ORDER BY created_at {order}, id {order} LIMIT ? OFFSET ?"
    rows = reading.connection.execute(sql, (*values, part.limit, part.skip))
    return [Place(row["created_at"], row["id"]) for row in rows]


def _streams(
    wanted: RefundFilter, at_us: int, part: _Slice | None
) -> tuple[str, tuple[str | int, ...]]:
    """Write one ordered stream for each index section that can hold a match."""
    found = list(conditions(wanted, at_us))
    if part is not None and part.behind is not None:
        sign = "<" if part.newest_first else ">"
        place = (part.behind.created_at, part.behind.id)
        found.append(Condition(f"(r.created_at, r.id) {sign} (?, ?)", place))
    parts: list[str] = []
    values: list[str | int] = []
    for section in _sections(wanted):
        condition = all_of((*section.condition, *found))
        # Own names and marks only: what people typed is among the values.
        parts.append(
            f"SELECT r.created_at, r.id FROM refund AS r {section.index} "  # noqa: S608
            f"WHERE {condition.sql}"
        )
        values.extend(condition.values)
    return " UNION ALL ".join(parts), tuple(values)


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of an index that is in the list's order, and what all its rows are."""

    index: str = ""
    condition: tuple[Condition, ...] = ()


def _sections(wanted: RefundFilter) -> list[_Section]:
    values = [term for term in wanted.terms if isinstance(term, ValueTerm)]
    if any(term.column in _BY_ONE_ROW and not term.negated for term in values):
        return [_Section()]
    states = _states(wanted.terms)
    if states != _EVERY_STATE:
        return [
            _Section(
                "INDEXED BY refund_in_state", (Condition("r.state = ?", (state,)),)
            )
            for state in sorted(str(state) for state in states)
        ] or [_Section("", (Condition("FALSE"),))]
    accounts = [t for t in values if t.column is Column.ACCOUNT and not t.negated]
    if accounts:
        return [
            _Section(
                "INDEXED BY refund_of_account", (Condition("r.account = ?", (a,)),)
            )
            for a in sorted(accounts[0].values)
        ]
    return [_Section()]


def _states(terms: Iterable[Term]) -> frozenset[RefundState]:
    states = _EVERY_STATE
    for term in terms:
        if isinstance(term, StateTerm):
            states &= _EVERY_STATE - term.states if term.negated else term.states
    return states


# --- how many ---------------------------------------------------------------------


def _total(reading: Reading, wanted: RefundFilter, at_us: int) -> int:
    """Count what the filter finds; from the rollups where they know it."""
    if all(_is_counted(term) for term in wanted.terms):
        return _counted(reading, wanted)
    every, values = _streams(wanted, at_us, None)
    sql = f"SELECT count(*) AS count FROM ({every})"  # noqa: S608 - see _streams
    return int(reading.connection.execute(sql, values).fetchone()["count"])


def _is_counted(term: Term) -> bool:
    match term:
        case StateTerm():
            return True
        case ValueTerm(column=Column.ACCOUNT | Column.GATEWAY, negated=False):
            return True
        case _:
            return False


def _counted(reading: Reading, wanted: RefundFilter) -> int:
    accounts = None
    for term in wanted.terms:
        if isinstance(term, ValueTerm):
            named = _accounts(reading, term)
            accounts = named if accounts is None else accounts & named
    values = {
        "states": json.dumps(sorted(_states(wanted.terms))),
        "accounts": None if accounts is None else json.dumps(sorted(accounts)),
    }
    row = reading.connection.execute(_SQL["counted"], values).fetchone()
    return int(row["count"])


def _accounts(reading: Reading, term: ValueTerm) -> frozenset[str]:
    if term.column is Column.ACCOUNT:
        return term.values
    listed = json.dumps(sorted(term.values))
    rows = reading.connection.execute(_SQL["accounts_of_gateways"], (listed,))
    return frozenset(row["name"] for row in rows)
