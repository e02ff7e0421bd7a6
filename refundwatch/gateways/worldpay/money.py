"""Amounts as Worldpay writes them: an integer beside its own exponent.

Invariant: the exponent that stands beside a value decides what it is worth, never our
table; what is no exact ISO 4217 amount becomes a doubt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.money import exponent, rescale
from refundwatch.errors import AmountInvalid, CurrencyUnknown
from refundwatch.gateways.amounts import Stated
from refundwatch.gateways.reading import shown
from refundwatch.gateways.worldpay import facts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_VALUE: Final = re.compile(r"[0-9]{1,16}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def stated_exponent(amount: Element | None) -> int | None:
    """Give the exponent that an amount states, if it is one that Worldpay writes."""
    written = None if amount is None else amount.get("exponent")
    for digits in facts.WRITABLE_EXPONENTS:
        if written == str(digits):
            return digits
    return None


def stated_amount(amount: Element | None) -> Stated:
    """Read an `amount` element in ISO minor units, whichever way it goes."""
    if amount is None:
        return Stated()
    value = amount.get("value") or ""
    currency = amount.get("currencyCode") or ""
    if not _CURRENCY.fullmatch(currency):
        return Stated(doubt=_doubt(value, currency))
    digits = stated_exponent(amount)
    if digits is None or not _VALUE.fullmatch(value):
        return Stated(currency=currency, doubt=_doubt(value, currency))
    try:
        minor = rescale(int(value), digits, exponent(currency))
    except (AmountInvalid, CurrencyUnknown):
        return Stated(currency=currency, doubt=_doubt(value, currency))
    return Stated(minor, currency)


def units_at(amount_minor: int, currency: str, digits: int) -> int | None:
    """Restate ISO minor units at Worldpay's exponent; None where that is not exact."""
    try:
        return rescale(amount_minor, exponent(currency), digits)
    except (AmountInvalid, CurrencyUnknown):
        return None


def _doubt(value: str, currency: str) -> str:
    return f"amount:{shown(value, 20)} {shown(currency, 8)}"
