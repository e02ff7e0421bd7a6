"""What a filter of refunds is made of, once its words are understood.

Invariant: a term says what a row must be, in exact values only; a filter is the
conjunction of its terms, and one without terms lets everything through.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from refundwatch.domain.refund import RefundState


class Column(StrEnum):
    """What can be compared for equality; the value is the word people type."""

    GATEWAY = "gateway"
    ACCOUNT = "account"
    CONNECTION = "connection"
    CURRENCY = "currency"
    PAYMENT = "payment"
    REQUEST = "request"
    REASON = "reason"
    INVOICE = "invoice"


class Flag(StrEnum):
    """What a refund has or has not."""

    FROZEN = "frozen"
    ACTION = "action"


class Since(StrEnum):
    """The moment an age is counted from."""

    CREATED = "age"
    UPDATED = "updated"


class Compare(StrEnum):
    """How a number is compared."""

    MORE = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="
    EQUAL = "="


@dataclass(frozen=True, slots=True)
class StateTerm:
    """The refund's state is one of these (or none of them)."""

    states: frozenset[RefundState]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ValueTerm:
    """The column equals one of these values (or none of them).

    Gateways are lower case and currencies upper case; the others are compared as
    they are. A payment is meant by our id or the gateway's reference, a connection
    by its whole id or its name within the account.
    """

    column: Column
    values: frozenset[str]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FlagTerm:
    """The refund has, or has not, what the flag names."""

    flag: Flag
    wanted: bool


@dataclass(frozen=True, slots=True)
class AmountTerm:
    """The amount compares so with `number` / 10^`scale` units of its currency.

    With `minor` the number counts minor units of whatever currency the row has.
    """

    compare: Compare
    number: int
    scale: int = 0
    minor: bool = False
    negated: bool = False

    def bound(self, exponent: int) -> tuple[Compare, int]:
        """Give the same comparison on whole minor units of a currency.

        `exponent` is the currency's number of decimals. A number that no whole
        amount of the currency can equal gives an equality with -1, which none has.
        """
        if self.minor:
            return self.compare, self.number
        whole, rest = divmod(self.number * 10**exponent, 10**self.scale)
        if not rest:
            return self.compare, whole
        match self.compare:
            case Compare.MORE | Compare.AT_LEAST:
                return Compare.MORE, whole
            case Compare.LESS | Compare.AT_MOST:
                return Compare.AT_MOST, whole
            case Compare.EQUAL:
                return Compare.EQUAL, -1


@dataclass(frozen=True, slots=True)
class AgeTerm:
    """The time since the moment compares so with `seconds`; never an equality."""

    since: Since
    compare: Compare
    seconds: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TextTerm:
    """One of the refund's ids, references or codes holds this text.

    `text` is `fold`ed, holds no control character, and is looked for in folded
    texts. Customer fields are never searched.
    """

    text: str
    negated: bool = False


Term: TypeAlias = "StateTerm | ValueTerm | FlagTerm | AmountTerm | AgeTerm | TextTerm"


@dataclass(frozen=True, slots=True)
class Problem:
    """A word that was not understood; `position` counts characters from 1."""

    word: str
    position: int
    message: str


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """What must hold of a refund to be listed; `problems` are the words left out."""

    terms: tuple[Term, ...] = ()
    problems: tuple[Problem, ...] = ()


def fold(text: str) -> str:
    """Write A-Z small and leave every other character, as SQL's `lower` does."""
    return text.encode("utf-8").lower().decode("utf-8")
