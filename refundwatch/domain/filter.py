"""The language in which operators say which refunds they mean.

    state:unknown gateway:adyen amount>100 age>2h text !text

Words narrow each other; values between commas, and the same key again, widen. `!`
turns a word round. Invariant: whatever the text, the only exception is
`FilterInvalid`, and a lenient reading raises none at all: it leaves out the words it
does not understand and says so in `problems`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.domain.filter_terms import (
    AgeTerm,
    AmountTerm,
    Column,
    Compare,
    Flag,
    FlagTerm,
    Problem,
    RefundFilter,
    Since,
    StateTerm,
    Term,
    TextTerm,
    ValueTerm,
    fold,
)
from refundwatch.domain.filter_words import Word, cut
from refundwatch.domain.refund import OPERATOR_WORDS, RefundState
from refundwatch.errors import FilterInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["RefundFilter", "parse_filter", "suggest"]

MAX_LENGTH: Final = 1000
MAX_WORDS: Final = 40

_EVERYTHING: Final[Mapping[str, Sequence[str]]] = {}
_NEEDS: Final = {
    "approval": RefundState.AWAITING_APPROVAL,
    "review": RefundState.REVIEW,
    "answer": RefundState.UNKNOWN,
}
_YES_NO: Final = {"yes": True, "no": False}
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw]){1,5}")
_DURATION_PART: Final = re.compile(r"([0-9]+)([smhdw])")
_MAX_SECONDS: Final = 100 * 366 * 86400
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,9}))?")
_MINOR: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_COMPARES: Final = {
    ">": Compare.MORE,
    ">=": Compare.AT_LEAST,
    "<": Compare.LESS,
    "<=": Compare.AT_MOST,
    "=": Compare.EQUAL,
    ":": Compare.EQUAL,
}
_EQUALS: Final = frozenset({":", "="})
_KEY_HINTS: Final = (
    "state:",
    "needs:",
    *(f"{column}:" for column in Column),
    *(f"{flag}:" for flag in Flag),
    "amount>",
    "minor>",
    *(f"{since}>" for since in Since),
)
_KEYS: Final = frozenset(hint[:-1] for hint in _KEY_HINTS)


def parse_filter(text: str, *, lenient: bool = False) -> RefundFilter:
    """Read a filter; the empty one lets everything through.

    Raises:
        FilterInvalid: a word means nothing; it names the word and its position. Not
            when `lenient`.
    """
    terms: list[Term] = []
    problems = []
    for word in cut(text[:MAX_LENGTH])[:MAX_WORDS]:
        meaning = _meaning(word)
        if isinstance(meaning, str):
            problems.append(Problem(word.raw, word.start + 1, meaning))
        else:
            terms.append(meaning)
    problems.extend(_too_much(text))
    if problems and not lenient:
        first = problems[0]
        shown = ascii(first.word[:60])
        message = f"{shown} at character {first.position}: {first.message}"
        raise FilterInvalid(message, field="filter")
    return RefundFilter(tuple(_widened(terms)), tuple(problems))


def _too_much(text: str) -> Iterable[Problem]:
    if len(text) > MAX_LENGTH:
        message = f"A filter has at most {MAX_LENGTH} characters."
        yield Problem(text[MAX_LENGTH : MAX_LENGTH + 20], MAX_LENGTH + 1, message)
    for word in cut(text[:MAX_LENGTH])[MAX_WORDS : MAX_WORDS + 1]:
        message = f"A filter has at most {MAX_WORDS} words."
        yield Problem(word.raw, word.start + 1, message)


def _widened(terms: list[Term]) -> Iterable[Term]:
    """Join what the same key asks for: nobody means a refund in two states at once."""
    states = [t for t in terms if isinstance(t, StateTerm) and not t.negated]
    if states:
        every = frozenset[RefundState]().union(*(t.states for t in states))
        yield StateTerm(every)
    values: dict[Column, ValueTerm] = {}
    for term in terms:
        match term:
            case StateTerm(negated=False):
                continue
            case ValueTerm(negated=False):
                known = values.get(term.column)
                joined = term.values | (known.values if known else frozenset())
                values[term.column] = replace(term, values=joined)
            case _:
                yield term
    yield from values.values()


def _meaning(word: Word) -> Term | str:
    """Give the term that a word stands for, or a sentence saying why none."""
    if not _is_unicode(word.raw):
        return "It is not valid Unicode text."
    if word.open_quote:
        return 'A quotation is not ended by ".'
    if word.key is None or word.operator is None:
        return _text(word)
    if word.key not in _KEYS:
        return f"There is no field {word.key}; quote the word to search for it."
    if "" in word.values:
        return f"The value of {word.key} is missing."
    return _field(word, word.key, word.operator)


def _text(word: Word) -> TextTerm | str:
    text = word.values[0]
    if not text:
        return "There is nothing to look for."
    if any(character < " " or character == "\x7f" for character in text):
        return "It holds a control character."
    return TextTerm(fold(text), word.negated)


def _field(word: Word, key: str, operator: str) -> Term | str:
    if key in ("amount", "minor"):
        return _amount(word, key, operator)
    if key in set(Since):
        return _age(word, Since(key), operator)
    if operator not in _EQUALS:
        return f"{key} is compared by : only."
    if key in ("state", "needs"):
        return _states(word, key)
    if key in set(Flag):
        return _flag(word, Flag(key))
    return _values(word, Column(key))


def _states(word: Word, key: str) -> StateTerm | str:
    words = _STATE_WORDS if key == "state" else _NEEDS
    states = set()
    for value in word.values:
        state = words.get(_plain(value))
        if state is None:
            known = ", ".join(RefundState if key == "state" else _NEEDS)
            return f"There is no {key} {value[:40]!a}; there are {known}."
        states.add(state)
    return StateTerm(frozenset(states), word.negated)


def _flag(word: Word, flag: Flag) -> FlagTerm | str:
    if len(word.values) != 1 or word.values[0].lower() not in _YES_NO:
        return f"{flag} is yes or no."
    return FlagTerm(flag, _YES_NO[word.values[0].lower()] is not word.negated)


def _values(word: Word, column: Column) -> ValueTerm | str:
    values = frozenset(word.values)
    if column is Column.GATEWAY:
        values = frozenset(fold(value) for value in values)
    if column is Column.CURRENCY:
        values = frozenset(value.upper() for value in values)
        unknown = sorted(values - EXPONENTS.keys())
        if unknown:
            return f"There is no currency {unknown[0][:40]!a}."
    return ValueTerm(column, values, word.negated)


def _amount(word: Word, key: str, operator: str) -> AmountTerm | str:
    text = ",".join(word.values)
    if key == "minor":
        if not _MINOR.fullmatch(text):
            return "minor is compared with a whole number of minor units."
        return AmountTerm(
            _COMPARES[operator], int(text), minor=True, negated=word.negated
        )
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return "amount is compared with digits and at most one point, no grouping."
    fraction = match[2] or ""
    return AmountTerm(
        _COMPARES[operator],
        int(match[1] + fraction),
        scale=len(fraction),
        negated=word.negated,
    )


def _age(word: Word, since: Since, operator: str) -> AgeTerm | str:
    if operator in _EQUALS:
        return f"{since} is compared by < or >."
    text = ",".join(word.values).lower()
    if not _DURATION.fullmatch(text):
        return f"{since} is compared with a time such as 90s, 30m, 2h, 3d or 1w."
    seconds = sum(
        int(number) * _UNIT_SECONDS[unit]
        for number, unit in _DURATION_PART.findall(text)
    )
    if seconds > _MAX_SECONDS:
        return "That is more than a hundred years."
    return AgeTerm(since, _COMPARES[operator], seconds, word.negated)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _plain(text: str) -> str:
    """Reduce a state's name to its letters, so that any spelling of it is known."""
    return "".join(c for c in text.lower() if "a" <= c <= "z")


_STATE_WORDS: Final = {
    _plain(word): state
    for state in RefundState
    for word in (state.value, OPERATOR_WORDS[state])
}


# --- completion -------------------------------------------------------------------


def suggest(
    text: str, cursor: int, known: Mapping[str, Sequence[str]] = _EVERYTHING
) -> tuple[str, ...]:
    """Give the words that the one left of the cursor may become, best first.

    Each is meant to replace that word whole. `known` offers values by key
    (`gateway`, `account`, `connection`, `reason`, `currency`).
    """
    typed = text[: max(cursor, 0)]
    words = cut(typed)
    word = words[-1] if words and words[-1].end == len(typed) else None
    if word is None:
        return _KEY_HINTS
    mark = "!" if word.negated else ""
    if word.key is None or word.operator is None:
        start = fold(word.values[0]) if _is_unicode(word.raw) else ""
        return tuple(mark + hint for hint in _KEY_HINTS if hint.startswith(start))
    before = f"{mark}{word.key}{word.operator}"
    before += "".join(f"{_quoted(value)}," for value in word.values[:-1])
    begun = word.values[-1].lower()
    return tuple(
        before + _quoted(value)
        for value in _values_of(word.key, known)
        if value.lower().startswith(begun) and value.lower() != begun
    )


def _values_of(key: str, known: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if key == "state":
        return (*RefundState, *(w for w in OPERATOR_WORDS.values() if " " in w))
    if key == "needs":
        return tuple(_NEEDS)
    if key in set(Flag):
        return tuple(_YES_NO)
    if key in set(Since):
        return ("15m", "1h", "2h", "24h", "3d", "7d")
    return known.get(key, ())


def _quoted(value: str) -> str:
    if not any(c.isspace() or c in ',"' for c in value):
        return value
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'
