"""Card numbers: found in any text, so that none is ever taken, kept or shown.

Invariant: what is found has 13 to 19 digits, a network's first digits and length, and a
right check digit; digits that stand directly beside a letter, a digit or `_` are part
of an identifier and no card. Source: ISO/IEC 7812-1 (check digit, annex B) and the
networks' published ranges, read 2026-11-24.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_DIGITS: Final = 13
MOST_DIGITS: Final = 19
_SHOWN: Final = 4

# Between two groups of one number people write one of these, or a dash in blanks.
_GROUPS: Final = re.compile(
    r"(?<![0-9A-Za-z_])[0-9]+(?:(?:[\s.\-/]| - )[0-9]+)*(?![0-9A-Za-z_])"
)
_DIGITS: Final = re.compile(r"[0-9]+")
# Hyphen, no-break hyphen, figure dash, en and em dash, minus.
_DASHES: Final = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)
_ODD_SHAPES: Final = ((4, 6, 5), (4, 6, 4))


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers that begin so belong to a network, in these lengths."""

    first: int
    last: int
    lengths: tuple[int, ...]

    def has(self, digits: str) -> bool:
        head = int(digits[: len(str(self.first))])
        return self.first <= head <= self.last and len(digits) in self.lengths


_LONG: Final = (16, 17, 18, 19)
_RANGES: Final = (
    _Range(4, 4, (13, 16, 18, 19)),  # Visa
    _Range(51, 55, (16,)),  # Mastercard
    _Range(2221, 2720, (16,)),
    _Range(34, 34, (15,)),  # American Express
    _Range(37, 37, (15,)),
    _Range(6011, 6011, _LONG),  # Discover
    _Range(644, 659, _LONG),
    _Range(300, 305, (14, *_LONG)),  # Diners Club
    _Range(3095, 3095, (14, *_LONG)),
    _Range(36, 36, (14, *_LONG)),
    _Range(38, 39, (14, *_LONG)),
    _Range(3528, 3589, _LONG),  # JCB
    _Range(62, 62, _LONG),  # UnionPay
    _Range(2200, 2204, _LONG),  # Mir
    _Range(5018, 5018, (13, 14, 15, *_LONG)),  # Maestro
    _Range(5020, 5020, (13, 14, 15, *_LONG)),
    _Range(5038, 5038, (13, 14, 15, *_LONG)),
    _Range(5893, 5893, (13, 14, 15, *_LONG)),
    _Range(6304, 6304, (13, 14, 15, *_LONG)),
    _Range(6759, 6763, (13, 14, 15, *_LONG)),
    _Range(5067, 5067, (16,)),  # Elo
    _Range(509, 509, (16,)),
    _Range(508, 508, (16,)),  # RuPay
    _Range(606, 608, (16,)),
    _Range(9792, 9792, (16,)),  # Troy
)


def holds_card(text: str) -> bool:
    """Tell whether a text holds what is a card number by all that can be checked."""
    return next(_places(text), None) is not None


def mask_cards(text: str) -> str:
    """Give the text with every card number shown by its last four digits alone."""
    masked = text
    while (place := next(_places(masked), None)) is not None:
        begin, end = place
        digits = _DIGITS.findall(_plain(masked)[begin:end])
        last = "".join(digits)[-_SHOWN:]
        masked = f"{masked[:begin]}[card ****{last}]{masked[end:]}"
    return masked


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Give where card numbers begin and end; cheap for texts with few digits."""
    if sum(map(str.isdigit, text)) < LEAST_DIGITS:
        return
    plain = _plain(text)
    for run in _GROUPS.finditer(plain):
        groups = [(it.start() + run.start(), it[0]) for it in _DIGITS.finditer(run[0])]
        for first in range(len(groups)):
            for last in range(first, min(first + MOST_DIGITS, len(groups))):
                chosen = groups[first : last + 1]
                digits = "".join(text for _, text in chosen)
                if len(digits) > MOST_DIGITS:
                    break
                if _is_card(digits, tuple(len(text) for _, text in chosen)):
                    at, text_of_last = chosen[-1]
                    yield chosen[0][0], at + len(text_of_last)
                    return


def _plain(text: str) -> str:
    """Give the text with plain digits, blanks and dashes, each in its own place."""
    if text.isascii():
        return text
    return "".join(map(_plain_character, text))


def _plain_character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character.isspace():
        return " "
    return character.translate(_DASHES)


def _is_card(digits: str, shape: tuple[int, ...]) -> bool:
    return (
        len(digits) >= LEAST_DIGITS
        and _is_written_so(shape)
        and any(it.has(digits) for it in _RANGES)
        and _checks(digits)
    )


def _is_written_so(shape: tuple[int, ...]) -> bool:
    """Tell whether people write a number in such groups: even ones, or a card's."""
    if len(shape) == 1 or shape in _ODD_SHAPES:
        return True
    size, last = shape[0], shape[-1]
    return all(it == size for it in shape[:-1]) and last <= size


def _checks(digits: str) -> bool:
    """Tell whether the check digit is right (Luhn)."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - Luhn's own
    return total % 10 == 0
