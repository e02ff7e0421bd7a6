"""PayPal's decimal text, read and written with integers only.

Invariant: every text that PayPal's schema allows and that is a whole number of minor
units is read exactly; every other becomes a doubt. What is written has exactly the
decimals that PayPal gives the currency.

Source: paypal-rest-api-specifications payments_payment_v2.json, `money`; "Currency
codes", https://developer.paypal.com (read 2026-11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.money import format_decimal, parse_decimal
from refundwatch.errors import AmountInvalid, CurrencyUnknown
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, stated_units
from refundwatch.gateways.paypal import facts

if TYPE_CHECKING:
    from refundwatch.gateways.reading import Json

_VALUE: Final = re.compile(r"(-?)([0-9]*)(?:\.([0-9]+))?")
_MAX_TEXT: Final = 32


def amount_text(amount_minor: int, currency: str) -> str:
    """Write ISO minor units as PayPal's decimal text.

    Raises:
        NotExpressible: PayPal cannot state this amount, or not certainly.
    """
    units = facts.CAPABILITIES.gateway_units(amount_minor, currency)
    return format_decimal(units, currency, facts.EXPONENTS)


def stated_amount(amount: Json) -> Stated:
    """Read an amount object; a missing one states nothing."""
    if amount is None:
        return Stated()
    value = reading.at(amount, "value")
    currency = reading.at(amount, "currency_code")
    units = _units(value, currency)
    written = reading.shown(value) if units is None else units
    return stated_units(facts.CAPABILITIES, written, currency)


def _units(value: Json, currency: Json) -> int | None:
    """Read decimal text in PayPal's smallest unit; zeros at the end say nothing."""
    if not isinstance(value, str) or not isinstance(currency, str):
        return None
    found = _VALUE.fullmatch(value) if len(value) <= _MAX_TEXT else None
    if found is None or not (found[2] or found[3]):
        return None
    whole = found[2].lstrip("0") or "0"
    fraction = (found[3] or "").rstrip("0")
    plain = f"{found[1]}{whole}.{fraction}" if fraction else f"{found[1]}{whole}"
    try:
        return parse_decimal(plain, currency, facts.EXPONENTS)
    except (AmountInvalid, CurrencyUnknown):
        return None
