"""Chooses where a list is read from: ordered parts of one index that hold every match.

Invariant: the streams chosen together hold every row that the filter lets through,
each row once, and each stream is in the list's order; `rest` is what must still be
asked of each row. What the rollups count is not counted again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from refundwatch.domain.filter_terms import (
    AgeTerm,
    Column,
    Compare,
    Flag,
    FlagTerm,
    RefundFilter,
    Since,
    StateTerm,
    Term,
    ValueTerm,
)
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_filter import (
    Condition,
    age_bound,
    all_of,
    condition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from refundwatch.store.sqlite.registry import Reading

_SQL = named_queries("sqlite", "refunds")
PROBE: Final = 2000
"""Rows counted at most to learn whether something is rare."""

_BY_ONE_ROW: Final = frozenset({Column.REQUEST, Column.PAYMENT})
_COUNTED: Final = frozenset({Column.ACCOUNT, Column.GATEWAY, Column.CONNECTION})


@dataclass(frozen=True, slots=True)
class Stream:
    """A part of an index in the list's order, and what all its rows are."""

    index: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Within:
    """When the refunds wanted began: microseconds, both ends included."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to read, and what else must hold.

    The streams hold about `rows`. `within` bounds the time and is found by every index;
    `rest` is asked of each row, and `every` is the whole filter. A few rows that an
    index finds by their ids are `unordered`. `total` is what the rollups count of the
    whole filter, None where they do not know it.
    """

    streams: tuple[Stream, ...]
    rows: int = 0
    within: Within = field(default_factory=Within)
    rest: tuple[Condition, ...] = ()
    every: tuple[Condition, ...] = ()
    terms: tuple[Term, ...] = ()
    unordered: bool = False
    total: int | None = None
    accounts: frozenset[str] | None = None
    """Where only accounts are asked for, these; their days are counted."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """So many refunds are in a state, over one connection of an account."""

    account: str
    gateway: str
    connection: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """Streams that would do, how many rows they hold, and the terms they answer."""

    streams: tuple[Stream, ...]
    rows: int
    answered: frozenset[Term]


def plan_of(reading: Reading, wanted: RefundFilter, at_us: int) -> Plan:
    """Choose the streams that hold the fewest rows."""
    terms = wanted.terms
    within = _within(terms, at_us)
    others = tuple(t for t in terms if not is_created(t))
    every = tuple(condition(t, at_us) for t in terms)
    if any(_is_positive(t, _BY_ONE_ROW) for t in others):
        whole = Stream("", all_of(()))
        return Plan((whole,), rest=every, every=every, terms=terms, unordered=True)
    counted = tuple(t for t in others if _is_counted(t))
    cells = _cells(reading) if counted else ()
    fitting = tuple(c for c in cells if all(_fits(t, c) for t in counted))
    best = min(_choices(reading, others, counted, cells, fitting), key=_rows)
    asked = [t for t in others if t not in best.answered]
    plain = len(counted) == len(terms)
    return Plan(
        streams=best.streams if fitting or not counted else (),
        rows=best.rows,
        within=within,
        rest=tuple(condition(t, at_us) for t in asked),
        every=every,
        terms=terms,
        total=_total(reading, counted, fitting) if plain else None,
        accounts=_only_accounts(counted, fitting) if plain and not asked else None,
    )


def _within(terms: tuple[Term, ...], at_us: int) -> Within:
    lows: list[int] = []
    highs: list[int] = []
    for term in terms:
        if isinstance(term, AgeTerm) and is_created(term):
            compare, bound = age_bound(term, at_us)
            match compare:
                case Compare.MORE | Compare.AT_LEAST:
                    lows.append(bound + (compare is Compare.MORE))
                case Compare.LESS | Compare.AT_MOST:
                    highs.append(bound - (compare is Compare.LESS))
                case Compare.EQUAL:
                    # The language compares no age so.
                    lows.append(bound)
                    highs.append(bound)
    return Within(max(lows, default=None), min(highs, default=None))


def is_created(term: Term) -> bool:
    """Tell whether a term bounds the time by which lists are ordered."""
    return isinstance(term, AgeTerm) and term.since is Since.CREATED


def _rows(choice: _Choice) -> int:
    return choice.rows


def _choices(
    reading: Reading,
    others: tuple[Term, ...],
    counted: tuple[Term, ...],
    cells: tuple[_Cell, ...],
    fitting: tuple[_Cell, ...],
) -> Iterator[_Choice]:
    """Give every way to read; the first of equals is taken."""
    everything = sum(c.count for c in cells) or 1 << 62
    if counted:
        yield from _counted_choices(counted, cells, fitting)
    for term in others:
        if (found := _rare(term)) is not None:
            streams = tuple(found)
            rows = _probed(reading, streams)
            # More than the probe counts is common until something else is known.
            rows = rows if rows <= PROBE else max(everything // 10, PROBE)
            yield _Choice(streams, rows, frozenset({term}))
    newest = Stream("INDEXED BY refund_newest", all_of(()))
    yield _Choice((newest,), everything, frozenset())


def _counted_choices(
    counted: tuple[Term, ...], cells: tuple[_Cell, ...], fitting: tuple[_Cell, ...]
) -> Iterator[_Choice]:
    """Read by state, by account or by connection: the rollups know how much each is."""
    ways = (
        ("state", "refund_in_state", _is_state),
        ("account", "refund_of_account", _is_account),
        ("connection", "refund_of_connection", _is_connection),
    )
    for column, index, is_of in ways:
        answered = frozenset(t for t in counted if is_of(t))
        names = sorted({str(getattr(cell, column)) for cell in fitting})
        if not answered or "" in names:
            continue
        rows = sum(c.count for c in cells if getattr(c, column) in names)
        streams = tuple(_stream(index, f"r.{column}", name) for name in names)
        yield _Choice(streams, rows, answered)


def _rare(term: Term) -> list[Stream] | None:
    """Give the streams of a term whose rows an index of its own keeps in order."""
    match term:
        case ValueTerm(Column.CURRENCY, values, negated=False):
            return [
                _stream("refund_of_currency", "r.currency", v) for v in sorted(values)
            ]
        case ValueTerm(Column.REASON, values, negated=False):
            return [
                _stream("refund_of_reason", "r.reason_code", v) for v in sorted(values)
            ]
        case ValueTerm(Column.INVOICE, values, negated=False):
            return [
                _stream("refund_of_invoice", "r.invoice", v) for v in sorted(values)
            ]
        case FlagTerm(Flag.FROZEN, wanted=True):
            return [
                Stream("INDEXED BY refund_frozen", Condition("r.payment_frozen = 1"))
            ]
        case FlagTerm(Flag.ACTION, wanted=True):
            return [
                Stream("INDEXED BY refund_action", Condition("r.requires_action = 1"))
            ]
        case _:
            return None


def _stream(index: str, column: str, value: str) -> Stream:
    return Stream(f"INDEXED BY {index}", Condition(f"{column} = ?", (value,)))


def _probed(reading: Reading, streams: tuple[Stream, ...]) -> int:
    sql, values = joined(streams)
    sql = f"SELECT count(*) AS count FROM ({sql} LIMIT ?)"  # noqa: S608 - see joined
    row = reading.connection.execute(sql, (*values, PROBE + 1)).fetchone()
    return int(row["count"])


def joined(
    streams: Iterable[Stream], found: tuple[Condition, ...] = ()
) -> tuple[str, tuple[str | int, ...]]:
    """Write the streams as one, with what else must hold of their rows."""
    parts: list[str] = []
    values: list[str | int] = []
    for stream in streams:
        held = all_of((stream.condition, *found))
        # Own names and marks only: what people typed is among the values.
        parts.append(
            f"SELECT r.created_at, r.id FROM refund AS r {stream.index} "  # noqa: S608
            f"WHERE {held.sql}"
        )
        values.extend(held.values)
    return " UNION ALL ".join(parts), tuple(values)


# --- what the rollups know --------------------------------------------------------


def _cells(reading: Reading) -> tuple[_Cell, ...]:
    return tuple(_Cell(*row) for row in reading.connection.execute(_SQL["cells"]))


def _fits(term: Term, cell: _Cell) -> bool:
    match term:
        case StateTerm(states, negated):
            return (cell.state in states) is not negated
        case ValueTerm(Column.ACCOUNT, values, negated):
            return (cell.account in values) is not negated
        case ValueTerm(Column.GATEWAY, values, negated):
            return (cell.gateway in values) is not negated
        case ValueTerm(Column.CONNECTION, values, negated):
            name = cell.connection[len(cell.account) + 1 :]
            return bool({cell.connection, name} & values) is not negated
        case _:
            return True


def _total(
    reading: Reading, counted: tuple[Term, ...], fitting: tuple[_Cell, ...]
) -> int:
    return sum(c.count for c in (fitting if counted else _cells(reading)))


def _only_accounts(
    counted: tuple[Term, ...], fitting: tuple[_Cell, ...]
) -> frozenset[str] | None:
    if all(_is_account(term) for term in counted):
        return frozenset(cell.account for cell in fitting)
    return None


def _is_counted(term: Term) -> bool:
    return isinstance(term, StateTerm) or (
        isinstance(term, ValueTerm) and term.column in _COUNTED
    )


def _is_positive(term: Term, columns: frozenset[Column]) -> bool:
    return isinstance(term, ValueTerm) and term.column in columns and not term.negated


def _is_state(term: Term) -> bool:
    return isinstance(term, StateTerm)


def _is_account(term: Term) -> bool:
    return isinstance(term, ValueTerm) and term.column in {
        Column.ACCOUNT,
        Column.GATEWAY,
    }


def _is_connection(term: Term) -> bool:
    return (
        isinstance(term, ValueTerm)
        and term.column is Column.CONNECTION
        and not term.negated
    )
