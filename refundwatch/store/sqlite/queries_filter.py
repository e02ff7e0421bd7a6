"""Turns a filter of refunds into conditions of SQL.

Invariant: nothing a person typed becomes part of the statement's text; every value
is a parameter. The row of the refund is called `r`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.filter_terms import (
    AgeTerm,
    AmountTerm,
    Column,
    Compare,
    Flag,
    FlagTerm,
    Since,
    StateTerm,
    Term,
    TextTerm,
    ValueTerm,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECOND_US: Final = 1_000_000
# SQLite holds 64-bit integers; no stored amount is near this.
LARGEST: Final = 2**62
_USUAL_EXPONENT: Final = 2

_ALWAYS: Final = (
    "id",
    "request_id",
    "merchant_reference",
    "payment_id",
    "payment_reference",
    "reason_code",
)
_SOMETIMES: Final = (
    "gateway_reference",
    "invoice",
    "refused_code",
    "hold_reason",
    "review_reason",
    "last_status",
)
"""Ids, references and codes: what free text is looked for in."""

_BESIDE: Final = " || char(31) || "
_SEARCHED: Final = "lower({})".format(
    _BESIDE.join(
        [
            *(f"r.{name}" for name in _ALWAYS),
            *(f"coalesce(r.{name}, '')" for name in _SOMETIMES),
        ]
    )
)
# The parts are kept apart by a character that a filter's text never holds.
_LIKE_ONE: Final = " OR ".join(f"r.{name} LIKE ?" for name in _ALWAYS + _SOMETIMES)

_NAME_OF_CONNECTION: Final = "substr(r.connection, length(r.account) + 2)"


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of SQL that is true or false, never null, and its parameters."""

    sql: str
    values: tuple[str | int, ...] = ()

    def negated(self) -> Condition:
        """Give the opposite condition."""
        return Condition(f"NOT ({self.sql})", self.values)


def all_of(found: Iterable[Condition]) -> Condition:
    """Join conditions; none at all is true."""
    found = tuple(found)
    if not found:
        return Condition("TRUE")
    return Condition(
        " AND ".join(f"({one.sql})" for one in found),
        tuple(value for one in found for value in one.values),
    )


def condition(term: Term, at_us: int) -> Condition:
    """Give what must hold of a row of `refund`; ages count up to `at_us`."""
    match term:
        case StateTerm(states, negated):
            return _turned(among("r.state", states), turn=negated)
        case ValueTerm(column, values, negated):
            return _turned(_value(column, values), turn=negated)
        case FlagTerm(flag, wanted):
            return _turned(_flag(flag), turn=not wanted)
        case AmountTerm():
            return _turned(_amount(term), turn=term.negated)
        case AgeTerm():
            since = "r.created_at" if term.since is Since.CREATED else "r.updated_at"
            return _number(since, *age_bound(term, at_us))
        case TextTerm(text, negated):
            return _turned(_text(text), turn=negated)
        case _:
            assert_never(term)


def _text(text: str) -> Condition:
    """Look for a text in two steps.

    LIKE takes `%` and `_` for wildcards, so it finds too much and never too little;
    it costs a third of the exact test, which then looks at what it found.
    """
    patterns = (f"%{text}%",) * len(_ALWAYS + _SOMETIMES)
    return Condition(
        f"({_LIKE_ONE}) IS TRUE AND instr({_SEARCHED}, ?) > 0", (*patterns, text)
    )


def _turned(condition: Condition, *, turn: bool) -> Condition:
    return condition.negated() if turn else condition


def among(expression: str, values: Iterable[str]) -> Condition:
    """Say that an expression equals one of these values."""
    ordered = tuple(sorted(str(value) for value in values))
    marks = ", ".join("?" * len(ordered))
    return Condition(f"{expression} IN ({marks})", ordered)


def _value(column: Column, values: frozenset[str]) -> Condition:
    match column:
        case Column.ACCOUNT:
            return among("r.account", values)
        case Column.CURRENCY:
            return among("r.currency", values)
        case Column.REQUEST:
            return among("r.request_id", values)
        case Column.REASON:
            return among("r.reason_code", values)
        case Column.INVOICE:
            return among("coalesce(r.invoice, '')", values)
        case Column.PAYMENT:
            return _payment(values)
        case Column.CONNECTION:
            return _either(
                among("coalesce(r.connection, '')", values),
                among(f"coalesce({_NAME_OF_CONNECTION}, '')", values),
            )
        case Column.GATEWAY:
            gateways = among("gateway", values)
            accounts = f"SELECT name FROM account WHERE {gateways.sql}"  # noqa: S608
            return Condition(f"r.account IN ({accounts})", gateways.values)
        case _:
            assert_never(column)


def _payment(values: frozenset[str]) -> Condition:
    """Find payments by both their names, each through its index."""
    ours = among("id", values)
    theirs = among("p.gateway_reference", values)
    found = (
        f"SELECT id FROM payment WHERE {ours.sql} UNION "  # noqa: S608 - marks only
        "SELECT p.id FROM account AS a CROSS JOIN payment AS p "
        f"ON p.account = a.name AND {theirs.sql}"
    )
    return Condition(f"r.payment_id IN ({found})", ours.values + theirs.values)


def _either(one: Condition, other: Condition) -> Condition:
    return Condition(f"{one.sql} OR {other.sql}", one.values + other.values)


def _flag(flag: Flag) -> Condition:
    match flag:
        case Flag.FROZEN:
            return Condition("r.payment_frozen = 1")
        case Flag.ACTION:
            return Condition("r.requires_action = 1")
        case _:
            assert_never(flag)


def _amount(term: AmountTerm) -> Condition:
    """Compare whole minor units, each currency with the bound of its exponent."""
    if term.minor:
        return _number("r.amount_minor", *term.bound(0))
    usual = _number("r.amount_minor", *term.bound(_USUAL_EXPONENT))
    cases: list[str] = []
    values: list[str | int] = []
    for exponent, currencies in _UNUSUAL.items():
        listed = among("r.currency", currencies)
        bound = _number("r.amount_minor", *term.bound(exponent))
        cases.append(f"WHEN {listed.sql} THEN {bound.sql}")
        values.extend((*listed.values, *bound.values))
    return Condition(
        f"CASE {' '.join(cases)} ELSE {usual.sql} END", (*values, *usual.values)
    )


def _unusual() -> Mapping[int, tuple[str, ...]]:
    exponents = sorted(set(EXPONENTS.values()) - {_USUAL_EXPONENT})
    return {
        exponent: tuple(code for code, e in EXPONENTS.items() if e == exponent)
        for exponent in exponents
    }


_UNUSUAL: Final = _unusual()


def age_bound(term: AgeTerm, at_us: int) -> tuple[Compare, int]:
    """Say how a moment compares: older than an hour began before an hour ago."""
    compare = _MIRRORED[term.compare]
    bound = at_us - term.seconds * SECOND_US
    return OPPOSITE[compare] if term.negated else compare, bound


_MIRRORED: Final = {
    Compare.MORE: Compare.LESS,
    Compare.AT_LEAST: Compare.AT_MOST,
    Compare.LESS: Compare.MORE,
    Compare.AT_MOST: Compare.AT_LEAST,
    Compare.EQUAL: Compare.EQUAL,
}
OPPOSITE: Final = {
    Compare.MORE: Compare.AT_MOST,
    Compare.AT_LEAST: Compare.LESS,
    Compare.LESS: Compare.AT_LEAST,
    Compare.AT_MOST: Compare.MORE,
}
"""What holds where a comparison does not; the opposite of equal is no comparison."""


def _number(expression: str, compare: Compare, number: int) -> Condition:
    # The operator comes from the fixed list of `Compare`, not from the text typed.
    return Condition(f"{expression} {compare.value} ?", (min(number, LARGEST),))
