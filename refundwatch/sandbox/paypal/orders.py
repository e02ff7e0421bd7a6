"""The body of PayPal's refund call, checked as PayPal checks it.

Invariant: an amount comes out in ISO minor units, exact, or the call is refused.
Source: gateways/paypal.md sections 1, 5 and 7 (read 2026-11).
"""

import json
import re
from dataclasses import dataclass

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.money import (
    PAYPAL,
    PAYPAL_CURRENCIES,
    decimal_minor,
    decimal_places,
)
from refundwatch.sandbox.paypal.refusals import Refusal

_VALUE = re.compile(r"^((-?[0-9]+)|(-?([0-9]+)?[.][0-9]+))$", re.ASCII)
_MAX_VALUE = 32
_LENGTHS = {"invoice_id": 127, "custom_id": 127, "note_to_payer": 255}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a valid call asks for; ``value`` None means everything left."""

    value: str | None
    currency: str
    texts: dict[str, str]


def read_order(request: Request) -> Order:
    """Check the form of a refund call.

    Raises: Refusal.
    """
    body = _body(request)
    texts = {name: body[name] for name in _LENGTHS if name in body}
    for name, text in texts.items():
        if not isinstance(text, str) or not 1 <= len(text) <= _LENGTHS[name]:
            raise Refusal.invalid("INVALID_STRING_LENGTH", f"/{name}", str(text))
    if "amount" not in body:
        return Order(value=None, currency="", texts=texts)
    amount = body["amount"]
    if not isinstance(amount, dict):
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", "/amount")
    for name in ("value", "currency_code"):
        if name not in amount:
            raise Refusal.invalid("MISSING_REQUIRED_PARAMETER", f"/amount/{name}")
    value, currency = amount["value"], amount["currency_code"]
    if not isinstance(value, str) or len(value) > _MAX_VALUE or not _VALUE.match(value):
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", "/amount/value", str(value))
    if not isinstance(currency, str):
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", "/amount/currency_code")
    return Order(value=value, currency=currency, texts=texts)


def _body(request: Request) -> Json:
    if not request.body:
        return {}
    if not request.header("content-type").startswith("application/json"):
        raise Refusal(status=415, name="UNSUPPORTED_MEDIA_TYPE")
    try:
        body = json.loads(request.body)
    except ValueError as malformed:
        raise Refusal.invalid("MALFORMED_REQUEST_JSON", "/") from malformed
    if not isinstance(body, dict):
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", "/")
    return body


def asked_minor(
    order: Order, payment: Payment, books: Books, now: float, limit_seconds: float
) -> int:
    """Check an order against its capture; return ISO minor units.

    Raises: Refusal.
    """
    wanted = None if order.value is None else _amount(order, payment)
    left = books.remaining_minor(payment)
    _check_capture(payment, now, limit_seconds)
    if left <= 0:
        raise Refusal.business("CAPTURE_FULLY_REFUNDED")
    asked = left if wanted is None else wanted
    if asked > left:
        raise Refusal.business(
            "REFUND_AMOUNT_EXCEEDED", "/amount/value", str(order.value)
        )
    partial = asked < payment.amount_minor
    if partial and not payment.partial_allowed:
        raise Refusal.business("PARTIAL_REFUND_NOT_ALLOWED")
    if partial and payment.dispute:
        raise Refusal.business("TRANSACTION_DISPUTED")
    if order.texts.get("invoice_id", "") in books.invoices:
        invoice = order.texts["invoice_id"]
        raise Refusal.business("DUPLICATE_INVOICE_ID", "/invoice_id", invoice)
    return asked


def _check_capture(payment: Payment, now: float, limit_seconds: float) -> None:
    if not payment.captured:
        raise Refusal.business("PENDING_CAPTURE")
    if payment.dispute == "chargeback":
        raise Refusal.business("REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK")
    if now - payment.created_at > limit_seconds:
        raise Refusal.business("REFUND_TIME_LIMIT_EXCEEDED")


def _amount(order: Order, payment: Payment) -> int:
    value, currency = str(order.value), order.currency
    field = "/amount/value"
    if currency not in PAYPAL_CURRENCIES:
        raise Refusal.business("INVALID_CURRENCY_CODE", "/amount/currency_code")
    digits, written = PAYPAL.digits_of(currency), decimal_places(value)
    if written and not digits:
        raise Refusal.business("DECIMALS_NOT_SUPPORTED", field, value)
    if written > digits:
        raise Refusal.business("DECIMAL_PRECISION", field, value)
    if decimal_minor(value, currency) <= 0:
        raise Refusal.business("CANNOT_BE_ZERO_OR_NEGATIVE", field, value)
    if currency != payment.currency:
        raise Refusal.business("REFUND_CAPTURE_CURRENCY_MISMATCH")
    return decimal_minor(value, currency)
