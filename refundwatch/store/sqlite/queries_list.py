"""Which refunds a filter finds, in order, from a place or an offset.

Invariant: a page costs what it holds, also among ten million rows. Where a filter is
rarer than any index knows, the page says how far it looked; what the rollups count is
not counted again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from refundwatch.store.contract import ListRefunds, Page, RefundSummary
from refundwatch.store.rows import micros, moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_paging import (
    Found,
    Place,
    page_size,
    read_cursor,
    write_cursor,
)
from refundwatch.store.sqlite.queries_refunds import summaries
from refundwatch.store.sqlite.queries_streams import Plan, plan_of
from refundwatch.store.sqlite.queries_walk import BUDGET, Slice, counted_to, read, walk
from refundwatch.store.sqlite.registry import Reading, question

_SQL = named_queries("sqlite", "refunds")
_DAY_US: Final = 86_400_000_000
_FAR: Final = 2000
"""Rows that are passed one by one; a place further on is looked for by its day."""

_COUNTED: Final = 500
"""Rows that are counted where nobody knows how many there are."""


@question(ListRefunds)
def _list_refunds(reading: Reading, query: ListRefunds) -> Page[RefundSummary]:
    limit = page_size(query.limit)
    plan = plan_of(reading, query.filter, micros(query.at))
    newest_first = not query.oldest_first
    if query.offset is not None:
        return _by_offset(reading, plan, newest_first, max(query.offset, 0), limit)
    behind = None if query.cursor is None else read_cursor(query.cursor)
    found = walk(reading, plan, Slice(newest_first, limit + 1, behind=behind))
    return _page(reading, found, limit)


def _page(reading: Reading, found: Found, limit: int) -> Page[RefundSummary]:
    places = found.places[:limit]
    items = summaries(reading, [place.id for place in places])
    if len(found.places) > limit:
        return Page(items, write_cursor(places[-1]))
    if found.searched_to is None:
        return Page(items, None)
    reached = found.searched_to
    return Page(items, write_cursor(reached), searched_to=moment(reached.created_at))


# --- windows of a virtual list ----------------------------------------------------


def _by_offset(
    reading: Reading,
    plan: Plan,
    newest_first: bool,  # noqa: FBT001
    offset: int,
    limit: int,
) -> Page[RefundSummary]:
    """Read a window of a virtual list; its far half is reached from the other end."""
    if plan.total is None:
        return _uncounted(reading, plan, newest_first, offset, limit)
    total = plan.total
    size = min(limit, max(total - offset, 0))
    near = Slice(newest_first, size, skip=offset)
    far = Slice(not newest_first, size, skip=max(total - offset - size, 0))
    if offset <= total // 2:
        found = _counted(reading, plan, near)
    else:
        found = _counted(reading, plan, far)
        found = replace(found, places=found.places[::-1])
    return _window(reading, found, offset, total)


def _counted(reading: Reading, plan: Plan, part: Slice) -> Found:
    """Read from an end of the list, past what is skipped."""
    if plan.rest and part.skip + part.limit <= _FAR:
        found = walk(reading, plan, replace(part, skip=0, limit=part.skip + part.limit))
        return replace(found, places=found.places[part.skip :])
    if plan.accounts is not None and part.skip > _FAR:
        part = _jumped(reading, plan.accounts, part)
    return Found(read(reading, plan, part))


def _jumped(reading: Reading, accounts: frozenset[str], part: Slice) -> Slice:
    """Pass whole days by their counts; what is left to skip lies within a day."""
    name = "days_newest" if part.newest_first else "days_oldest"
    # Where no account is asked for, every account counts.
    values = {"accounts": json.dumps(sorted(accounts)) if accounts else None}
    skip = part.skip
    behind = part.behind
    for day, count in reading.connection.execute(_SQL[name], values):
        if count > skip:
            break
        skip -= count
        behind = Place((day if part.newest_first else day + 1) * _DAY_US, "")
    return replace(part, skip=skip, behind=behind)


def _uncounted(
    reading: Reading,
    plan: Plan,
    newest_first: bool,  # noqa: FBT001
    offset: int,
    limit: int,
) -> Page[RefundSummary]:
    """Read a window of a list of which nobody knows how long it is."""
    if plan.unordered or plan.rest:
        most = max(offset + limit, _COUNTED)
        found = walk(reading, plan, Slice(newest_first, most + 1))
        places = found.places[:most]
        reached = _last(places) if len(found.places) > most else found.searched_to
        part = Found(places[offset : offset + limit], reached)
        return _window(reading, part, offset, len(places))
    total = counted_to(reading, plan, BUDGET + 1)
    places = read(reading, plan, Slice(newest_first, limit, skip=offset))
    if total <= BUDGET:
        return _window(reading, Found(places), offset, total)
    # There are more than are counted; those behind are reached all the same.
    total = max(BUDGET, offset + len(places))
    return _window(reading, Found(places, _last(places)), offset, total)


def _last(places: list[Place]) -> Place | None:
    return places[-1] if places else None


def _window(
    reading: Reading, found: Found, offset: int, total: int
) -> Page[RefundSummary]:
    items = summaries(reading, [place.id for place in found.places])
    reached = found.searched_to
    behind = _last(found.places) if offset + len(items) < total else reached
    return Page(
        items,
        None if behind is None else write_cursor(behind),
        total,
        None if reached is None else moment(reached.created_at),
    )
