"""Money as integers in minor units, and decimal text as its only other form.

Invariant: no float exists on any path here, an amount is never rounded, and two
amounts meet only in the same currency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from refundwatch.domain.currencies import EXPONENTS, WITHOUT_MINOR_UNIT
from refundwatch.errors import AmountInvalid, CurrencyMismatch, CurrencyUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MINOR_UNITS: Final = 2**53 - 1
"""The largest amount, in minor units: every JSON reader still holds it exactly."""

_NO_EXCEPTIONS: Final[Mapping[str, int]] = MappingProxyType({})
# `[0-9]` and not `\d`, which also takes the digits of other scripts. A leading zero
# before another digit, a leading or trailing point, a plus sign, grouping and
# exponents all have a second reading somewhere, so none of them is read at all.
_DECIMAL: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_MAX_TEXT: Final = 32


def exponent(currency: str, exceptions: Mapping[str, int] = _NO_EXCEPTIONS) -> int:
    """Give the number of decimals of a currency; `exceptions` are a gateway's own.

    Raises:
        CurrencyUnknown: the code is not ISO 4217's, or names no money.
    """
    digits = EXPONENTS.get(currency)
    if digits is None:
        raise CurrencyUnknown(_why_unknown(currency), field="currency")
    return exceptions.get(currency, digits)


def check_minor_units(minor_units: int, field: str = "amount_minor") -> int:
    """Give the amount back if it is a whole number within ±`MAX_MINOR_UNITS`.

    Raises:
        AmountInvalid: it is a bool, a float, a text, or too large.
    """
    if type(minor_units) is not int:
        kind = type(minor_units).__name__
        message = f"An amount is a whole number of minor units, not a {kind}."
        raise AmountInvalid(message, field=field)
    if abs(minor_units) > MAX_MINOR_UNITS:
        message = f"An amount is at most {MAX_MINOR_UNITS} minor units."
        raise AmountInvalid(message, field=field)
    return minor_units


def parse_decimal(
    text: str,
    currency: str,
    exceptions: Mapping[str, int] = _NO_EXCEPTIONS,
    *,
    field: str = "amount",
) -> int:
    """Read decimal text such as `12.5` or `-3` as minor units of `currency`.

    Fewer decimals than the currency has are read exactly; more are refused, even
    when they are zeros.

    Raises:
        AmountInvalid: the text has another form, too many decimals, or is too large.
        CurrencyUnknown: the currency has no amounts.
    """
    digits = exponent(currency, exceptions)
    match = _DECIMAL.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        message = (
            f"{_quoted(text)} is not an amount: write digits with at most one point, "
            "without grouping, sign + or exponent."
        )
        raise AmountInvalid(message, field=field)
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > digits:
        message = f"{_quoted(text)} has {len(fraction)} decimals, {currency} {digits}."
        raise AmountInvalid(message, field=field)
    minor_units = int(whole + fraction.ljust(digits, "0"))
    if sign and not minor_units:
        message = f"{_quoted(text)} is not an amount: zero has no sign."
        raise AmountInvalid(message, field=field)
    return check_minor_units(-minor_units if sign else minor_units, field)


def format_decimal(
    minor_units: int,
    currency: str,
    exceptions: Mapping[str, int] = _NO_EXCEPTIONS,
) -> str:
    """Write minor units as decimal text with exactly the currency's decimals.

    Raises:
        AmountInvalid: the amount is no whole number or too large.
        CurrencyUnknown: the currency has no amounts.
    """
    digits = exponent(currency, exceptions)
    check_minor_units(minor_units)
    sign = "-" if minor_units < 0 else ""
    text = str(abs(minor_units)).rjust(digits + 1, "0")
    return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)


def rescale(minor_units: int, from_exponent: int, to_exponent: int) -> int:
    """Restate an amount in units of another exponent, exactly or not at all.

    A gateway that counts ISK in hundredths needs 500 ISK as 50000; the way back
    refuses what is no whole unit.

    Raises:
        AmountInvalid: the amount is no whole number of the new unit, or too large.
    """
    check_minor_units(minor_units)
    factor: int = 10 ** abs(to_exponent - from_exponent)
    if to_exponent >= from_exponent:
        return check_minor_units(minor_units * factor)
    restated, rest = divmod(minor_units, factor)
    if rest:
        message = (
            f"{minor_units} units of exponent {from_exponent} are no whole number "
            f"of units of exponent {to_exponent}."
        )
        raise AmountInvalid(message, field="amount_minor")
    return restated


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of an ISO 4217 currency; may be negative.

    Raises:
        AmountInvalid: `minor_units` is no whole number or too large.
        CurrencyUnknown: the currency has no amounts.
    """

    minor_units: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no amount."""
        check_minor_units(self.minor_units)
        exponent(self.currency)

    def __add__(self, other: Money) -> Money:
        """Add an amount of the same currency."""
        return Money(self.minor_units + self._like(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency."""
        return Money(self.minor_units - self._like(other), self.currency)

    def __neg__(self) -> Money:
        """Give the opposite amount."""
        return Money(-self.minor_units, self.currency)

    def __lt__(self, other: Money) -> bool:
        """Tell whether this is less than an amount of the same currency."""
        return self.minor_units < self._like(other)

    def __le__(self, other: Money) -> bool:
        """Tell whether this is at most an amount of the same currency."""
        return self.minor_units <= self._like(other)

    def __str__(self) -> str:
        """Write code and decimal text, such as `EUR 12.50`."""
        return f"{self.currency} {format_decimal(self.minor_units, self.currency)}"

    def _like(self, other: Money) -> int:
        if other.currency != self.currency:
            message = f"{self.currency} and {other.currency} cannot be combined."
            raise CurrencyMismatch(message, field="currency")
        return other.minor_units


def _why_unknown(currency: str) -> str:
    if currency in WITHOUT_MINOR_UNIT:
        return f"{currency} names no money: amounts in it have no minor unit."
    return f"{_quoted(currency)} is not a currency code of ISO 4217 (upper case)."


def _quoted(text: str) -> str:
    """Show outside text bounded and without control characters."""
    return ascii(text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "...")
