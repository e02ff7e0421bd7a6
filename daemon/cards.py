"""Card numbers at the border: refused wherever a caller could put one.

Invariant: the refusal names the field and never the number, and comes before anything
that would store, log or echo what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.cards import LEAST_DIGITS, holds_card
from refundwatch.errors import CardNumberRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST = 10 ** (LEAST_DIGITS - 1)


def refuse_cards(value: object, field: str = "") -> None:
    """Walk over what a caller sent.

    Raises:
        CardNumberRefused: a text, a name or a number in it is a card number.
    """
    match value:
        case str():
            if holds_card(value):
                raise CardNumberRefused(field or "body")
        case bool():
            return
        case int():
            if value >= _LEAST and holds_card(str(value)):
                raise CardNumberRefused(field or "body")
        case dict():
            for name, part in value.items():
                refuse_card_name(name, field)
                refuse_cards(part, f"{field}.{name}" if field else name)
        case list():
            for place, part in enumerate(value):
                refuse_cards(part, f"{field}.{place}" if field else str(place))
        case _:
            return


def refuse_card_name(name: str, inside: str = "") -> None:
    """Refuse a card number that stands as the name of a field.

    Raises:
        CardNumberRefused: it is one.
    """
    if holds_card(name):
        raise CardNumberRefused(f"a name in {inside or 'the request'}")


def refuse_cards_of(texts: Mapping[str, str]) -> None:
    """Refuse card numbers in the parts of a path or in a query.

    Raises:
        CardNumberRefused: a name or a text is one.
    """
    for name, text in texts.items():
        refuse_card_name(name)
        refuse_cards(text, name)
