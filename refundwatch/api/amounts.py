"""Amounts as people write and read them, by the exponent that the wire carries.

Invariant: text becomes minor units exactly or not at all, and an amount that came
from the daemon is written with the daemon's own exponent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.money import exponent, format_decimal, parse_decimal

if TYPE_CHECKING:
    from refundwatch.api.models import AmountView

__all__ = [
    "amount_text",
    "decimal_text",
    "exponent",
    "parse_amount",
    "parse_amount_like",
    "total_text",
]


def parse_amount(text: str, currency: str, field: str = "amount") -> int:
    """Read decimal text such as `12.50` as minor units of `currency`.

    Raises:
        AmountInvalid: the text has another form or too many decimals.
        CurrencyUnknown: the currency is none of ISO 4217's.
    """
    return parse_decimal(text, currency, field=field)


def parse_amount_like(text: str, view: AmountView) -> int:
    """Read decimal text as minor units of an amount that the daemon showed.

    Raises:
        AmountInvalid: the text has another form or too many decimals.
    """
    return parse_decimal(text, view.currency, {view.currency: view.exponent})


def decimal_text(view: AmountView) -> str:
    """Write an amount as decimal text, without its currency."""
    return format_decimal(view.minor, view.currency, {view.currency: view.exponent})


def amount_text(view: AmountView) -> str:
    """Write code and decimal text, such as `EUR 12.50`."""
    return f"{view.currency} {decimal_text(view)}"


def total_text(minor: int, currency: str) -> str:
    """Write a sum of minor units of `currency` as code and decimal text."""
    return f"{currency} {format_decimal(minor, currency)}"
