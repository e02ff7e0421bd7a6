"""How Mollie reads an order of a refund.

Invariant: an amount is taken only with exactly the decimals of its currency, and only
where the payment still covers it.
Source: gateways/mollie.md sections 1, 3 and 7 (Mollie "Create refund", read 2026-11).
"""

import json
from dataclasses import dataclass
from typing import Any

from refundwatch.sandbox.answers import Json, json_bytes
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.mollie.refusals import Refusal, invalid
from refundwatch.sandbox.money import (
    MOLLIE,
    AmountRefusedError,
    decimal_minor,
    decimal_places,
)

# Methods that cannot give money back.
NOT_REFUNDABLE = frozenset({"paysafecard", "giftcard", "voucher"})

_MEMBERS = frozenset(
    {"amount", "description", "metadata", "reverseRouting", "routingReversals"}
)
_MAX_DESCRIPTION, _MAX_METADATA = 255, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a readable order asks for, in ISO minor units."""

    amount_minor: int
    currency: str
    description: str
    metadata: Any


def read_order(request: Request, *, by_token: bool) -> Order:
    """Check the form of an order.

    Raises: Refusal.
    """
    body = _object(request)
    known = _MEMBERS | ({"testmode"} if by_token else set())
    for name in sorted(set(body) - known):
        raise invalid(f'Non-existent body parameter "{name}" for this API call', name)
    description = body.get("description", "")
    if not isinstance(description, str) or len(description) > _MAX_DESCRIPTION:
        raise invalid("The description is too long", "description")
    metadata = body.get("metadata")
    if len(json_bytes(metadata)) > _MAX_METADATA:
        raise invalid("The metadata is too large", "metadata")
    amount_minor, currency = _amount(body.get("amount"))
    return Order(
        amount_minor=amount_minor,
        currency=currency,
        description=description,
        metadata=metadata,
    )


def _object(request: Request) -> Json:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(status=400, detail="The JSON cannot be read") from error
    if not isinstance(body, dict):
        raise Refusal(status=400, detail="The body must be an object")
    return body


def says_test(request: Request) -> bool:
    """Tell whether a call by token says that it is about test money."""
    if request.method == "POST":
        return _object(request).get("testmode") is True
    return request.query_value("testmode") == "true"


def _amount(amount: Any) -> tuple[int, str]:
    if not isinstance(amount, dict):
        raise invalid("The amount is required for this payment", "amount")
    value, currency = amount.get("value"), amount.get("currency")
    if not isinstance(value, str) or not isinstance(currency, str):
        raise invalid("The amount contains an invalid value", "amount")
    try:
        exact = decimal_places(value) == MOLLIE.digits_of(currency)
        minor = decimal_minor(value, currency, MOLLIE)
    except AmountRefusedError as error:
        raise invalid("The amount contains an invalid value", "amount") from error
    if not exact:
        raise invalid("The amount has the wrong number of decimals", "amount")
    if minor <= 0:
        raise invalid("The amount is lower than the minimum", "amount")
    return minor, currency


def check_covered(order: Order, payment: Payment, left_minor: int) -> None:
    """Check an order against its payment.

    Raises: Refusal.
    """
    if not payment.captured:
        raise invalid("The payment is not paid and cannot be refunded")
    if payment.method in NOT_REFUNDABLE:
        raise invalid("The payment method does not support refunds")
    if payment.dispute:
        raise invalid("The payment has been charged back")
    if order.currency != payment.currency:
        raise invalid("The currency is not that of the payment", "amount")
    if order.amount_minor > left_minor:
        raise invalid("The amount is higher than the maximum", "amount")
