"""PayPal's amount objects: a currency code and decimal text.

Source: paypal-rest-api-specifications payments_payment_v2.json, `money`; "Currency
codes", https://developer.paypal.com (read 2026-11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated
from refundwatch.gateways.decimals import decimal_text, stated_decimal
from refundwatch.gateways.paypal import facts

if TYPE_CHECKING:
    from refundwatch.gateways.reading import Json


def amount_text(amount_minor: int, currency: str) -> str:
    """Write ISO minor units as PayPal's decimal text.

    Raises:
        NotExpressible: PayPal cannot state this amount, or not certainly.
    """
    return decimal_text(facts.CAPABILITIES, amount_minor, currency)


def stated_amount(amount: Json) -> Stated:
    """Read an amount object; a missing one states nothing."""
    if amount is None:
        return Stated()
    value = reading.at(amount, "value")
    currency = reading.at(amount, "currency_code")
    return stated_decimal(facts.CAPABILITIES, value, currency)
