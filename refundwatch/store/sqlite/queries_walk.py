"""Walks the streams of a plan in order, never further than a page may cost.

Invariant: what is found is in the list's order with none left out between the first
and the last; where the walk ended early, `searched_to` is the place behind which
nothing was looked at yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from refundwatch.store.sqlite.queries_paging import Found, Place, behind, upto
from refundwatch.store.sqlite.queries_streams import joined
from refundwatch.store.sqlite.queries_weeks import Search, by_weeks

if TYPE_CHECKING:
    from refundwatch.store.sqlite.queries_filter import Condition
    from refundwatch.store.sqlite.queries_streams import Plan
    from refundwatch.store.sqlite.registry import Reading

BUDGET: Final = 10_000
"""Rows that a page looks at before it says how far it came."""

SCATTERED: Final = 4
"""How many times as much a row costs that lies elsewhere than the one before it."""

_FIRST: Final = 1000
"""Rows looked at one by one before a way to what is rare is tried."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a list that is wanted; `skip` rows are left out at its start.

    Rows stand behind `behind`, and at `upto` or before it.
    """

    newest_first: bool
    limit: int
    skip: int = 0
    behind: Place | None = None
    upto: Place | None = None


def read(reading: Reading, plan: Plan, part: Slice) -> list[Place]:
    """Read a slice to its end, whatever it costs."""
    return _ordered(reading, plan, plan.rest, _bounded(plan, part))


def walk(reading: Reading, plan: Plan, part: Slice) -> Found:
    """Find what a slice holds, and stop where a page would cost too much."""
    part = _bounded(plan, part)
    if plan.unordered or not plan.rest or not plan.streams:
        return Found(_ordered(reading, plan, plan.rest, part))
    places: list[Place] = []
    for size in (_FIRST, _budget(plan) - _FIRST):
        edge = _edge(reading, plan, part, size)
        window = part if edge is None else replace(part, upto=edge)
        more = _ordered(reading, plan, plan.rest, window)
        places += more
        if edge is None or len(more) == part.limit:
            return Found(places)
        part = replace(part, behind=edge, limit=part.limit - len(more))
        if size == _FIRST and plan.rows > BUDGET:
            rare = by_weeks(reading, _search(reading, plan, part, edge))
            if rare is not None:
                return Found(places + rare.places, rare.searched_to)
    return Found(places, part.behind)


def _budget(plan: Plan) -> int:
    """Give how many rows may be looked at; only the newest lie in their order."""
    (first, *more) = plan.streams
    scattered = more or first.index != "INDEXED BY refund_newest"
    return BUDGET // SCATTERED if scattered else BUDGET


def counted_to(reading: Reading, plan: Plan, most: int) -> int:
    """Count the rows of streams that answer the whole filter, up to `most`."""
    if not plan.streams:
        return 0
    part = _bounded(plan, Slice(newest_first=True, limit=most))
    sql, values = joined(plan.streams, _places(part))
    sql = f"SELECT count(*) AS count FROM ({sql} LIMIT ?)"  # noqa: S608 - see joined
    row = reading.connection.execute(sql, (*values, most)).fetchone()
    return int(row["count"])


def _bounded(plan: Plan, part: Slice) -> Slice:
    """Take the bounds of time for places: an index follows one bound on each side."""
    low = None if plan.within.low is None else Place(plan.within.low, "")
    high = None if plan.within.high is None else Place(plan.within.high + 1, "")
    near, far = (high, low) if part.newest_first else (low, high)
    known = [place for place in (near, part.behind) if place is not None]
    if not known:
        return replace(part, upto=far)
    tighter = min(known) if part.newest_first else max(known)
    return replace(part, behind=tighter, upto=far)


def _search(reading: Reading, plan: Plan, part: Slice, edge: Place) -> Search:
    end = part.upto
    if end is None:
        last = Slice(not part.newest_first, 1)
        end = _ordered(reading, plan, (), last)[0]
    return Search(plan, part.newest_first, edge, end, part.limit)


def _edge(reading: Reading, plan: Plan, part: Slice, size: int) -> Place | None:
    """Give the place of the last of so many rows; None when there are fewer."""
    rows = _ordered(reading, plan, (), replace(part, limit=1, skip=size - 1))
    return rows[0] if rows else None


def _ordered(
    reading: Reading, plan: Plan, rest: tuple[Condition, ...], part: Slice
) -> list[Place]:
    if not plan.streams:
        return []
    order = "DESC" if part.newest_first else "ASC"
    every, values = joined(plan.streams, (*_places(part), *rest))
    sql = f"{every} ORDER BY created_at {order}, id {order} LIMIT ? OFFSET ?"
    rows = reading.connection.execute(sql, (*values, part.limit, part.skip))
    return [Place(row[0], row[1]) for row in rows]


def _places(part: Slice) -> tuple[Condition, ...]:
    newest = part.newest_first
    return (
        *behind(part.behind, newest_first=newest),
        *upto(part.upto, newest_first=newest),
    )
