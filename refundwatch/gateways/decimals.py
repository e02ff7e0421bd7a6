"""Amounts that a gateway writes as decimal text, read and written with integers only.

Invariant: a text that is a whole number of the gateway's smallest unit is read exactly;
every other becomes a doubt. What is written has exactly the decimals that the gateway
gives the currency.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from refundwatch.domain.money import format_decimal, parse_decimal
from refundwatch.errors import AmountInvalid, CurrencyUnknown
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, stated_units

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Capabilities
    from refundwatch.gateways.reading import Json

_VALUE: Final = re.compile(r"(-?)([0-9]*)(?:\.([0-9]+))?")
_MAX_TEXT: Final = 32


def decimal_text(capabilities: Capabilities, amount_minor: int, currency: str) -> str:
    """Write ISO minor units as the gateway's decimal text.

    Raises:
        NotExpressible: the gateway cannot state this amount, or not certainly.
    """
    units = capabilities.gateway_units(amount_minor, currency)
    return format_decimal(units, currency, capabilities.exponents)


def stated_decimal(capabilities: Capabilities, value: Json, currency: Json) -> Stated:
    """Read decimal text and its currency; what is no such amount is a doubt."""
    units = decimal_units(capabilities, value, currency)
    written = reading.shown(value) if units is None else units
    return stated_units(capabilities, written, currency)


def decimal_units(
    capabilities: Capabilities, value: Json, currency: Json
) -> int | None:
    """Read decimal text in the gateway's smallest unit; zeros at the end say nothing.

    None where it is no text, no decimal, or finer than that unit.
    """
    if not isinstance(value, str) or not isinstance(currency, str):
        return None
    found = _VALUE.fullmatch(value) if len(value) <= _MAX_TEXT else None
    if found is None or not (found[2] or found[3]):
        return None
    whole = found[2].lstrip("0") or "0"
    fraction = (found[3] or "").rstrip("0")
    plain = f"{found[1]}{whole}.{fraction}" if fraction else f"{found[1]}{whole}"
    try:
        return parse_decimal(plain, currency, capabilities.exponents)
    except (AmountInvalid, CurrencyUnknown):
        return None
