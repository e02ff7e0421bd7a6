"""Cuts the text of a filter into words, half-typed ones too.

Invariant: every character that is not a space between words belongs to exactly one
word, and cutting never fails; what a word means is decided in
`refundwatch.domain.filter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPERATORS: Final = (">=", "<=", ":", ">", "<", "=")
_KEY_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a filter; `start` and `end` are its place in the whole text.

    `values` are the parts between commas that no quotes protect. Without a key and
    an operator the word is free text and `values` holds it alone. `open_quote` tells
    that its last quotation was not ended.
    """

    raw: str
    start: int
    end: int
    negated: bool
    key: str | None
    operator: str | None
    values: tuple[str, ...]
    open_quote: bool


@dataclass(frozen=True, slots=True)
class _Letter:
    character: str
    quoted: bool


def cut(text: str) -> tuple[Word, ...]:
    """Give the words of a filter in order.

    Words stand between white space; double quotes keep white space, commas and
    operators inside a word, and a backslash inside them keeps a quote.
    """
    words = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word = _word_at(text, at)
        words.append(word)
        at = word.end
    return tuple(words)


def _word_at(text: str, start: int) -> Word:
    letters, end, open_quote = _letters(text, start)
    negated = letters[:1] == [_Letter("!", quoted=False)]
    if negated:
        letters = letters[1:]
    key, operator, rest = _key_and_operator(letters)
    free = ("".join(letter.character for letter in rest),)
    return Word(
        raw=text[start:end],
        start=start,
        end=end,
        negated=negated,
        key=key,
        operator=operator,
        values=free if operator is None else _between_commas(rest),
        open_quote=open_quote,
    )


def _letters(text: str, start: int) -> tuple[list[_Letter], int, bool]:
    letters = []
    quoted = False
    at = start
    while at < len(text):
        character = text[at]
        if character == '"':
            quoted = not quoted
        elif quoted and character == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
            letters.append(_Letter(text[at], quoted=True))
        elif character.isspace() and not quoted:
            break
        else:
            letters.append(_Letter(character, quoted))
        at += 1
    return letters, at, quoted


def _key_and_operator(
    letters: list[_Letter],
) -> tuple[str | None, str | None, list[_Letter]]:
    """Find a key of unquoted letters a-z directly before an operator."""
    at = 0
    while (
        at < len(letters)
        and not letters[at].quoted
        and letters[at].character.lower() in _KEY_CHARACTERS
    ):
        at += 1
    following = "".join(
        "" if letter.quoted else letter.character for letter in letters[at : at + 2]
    )
    for operator in OPERATORS:
        if at and following.startswith(operator) and not letters[at].quoted:
            key = "".join(letter.character for letter in letters[:at]).lower()
            return key, operator, letters[at + len(operator) :]
    return None, None, letters


def _between_commas(letters: list[_Letter]) -> tuple[str, ...]:
    values = [""]
    for letter in letters:
        if letter.character == "," and not letter.quoted:
            values.append("")
        else:
            values[-1] += letter.character
    return tuple(values)
