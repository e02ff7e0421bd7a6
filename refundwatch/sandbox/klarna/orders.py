"""Klarna's JSON objects, made from the books, and the body of a refund.

Invariant: amounts are integers of minor units; a refund has neither a status nor a
currency.
Source: gateways/specs/klarna-refunds.json (Order Management API 1.0, read 2026-11).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.klarna.refusals import bad_value
from refundwatch.sandbox.money import KLARNA

MAX_AMOUNT = 200_000_000
_MAX_TEXT = 255
_MAX_LINES = 1_000
_LINE_MEMBERS = ("name", "quantity", "unit_price", "total_amount")
_NAMES = UUID("0aa11bb2-0001-4001-8001-000000000001")
_COUNTRIES = {
    "SEK": "SE",
    "NOK": "NO",
    "DKK": "DK",
    "GBP": "GB",
    "USD": "US",
    "AUD": "AU",
    "CHF": "CH",
    "PLN": "PL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold a checked order of a refund; the amount is Klarna's integer."""

    amount: int
    reference: str
    description: str
    order_lines: str


def read_order(body: bytes) -> Order:
    """Check the body of a refund.

    Raises: Refusal.
    """
    found = _object(body)
    amount = _amount(found.get("refunded_amount"))
    lines = found.get("order_lines", [])
    if not isinstance(lines, list) or len(lines) > _MAX_LINES:
        raise bad_value("order_lines: must be a list of at most 1000")
    if lines and sum(_line_total(line) for line in lines) != amount:
        raise bad_value("order_lines: do not sum up to refunded_amount")
    return Order(
        amount=amount,
        reference=_text(found, "reference"),
        description=_text(found, "description"),
        order_lines=json.dumps(lines) if lines else "",
    )


def _object(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise bad_value("The body is no JSON.") from error
    if not isinstance(found, dict):
        raise bad_value("The body is no object.")
    return found


def _amount(value: Any) -> int:
    if type(value) is not int:
        raise bad_value("refunded_amount: must be an integer")
    if not 0 < value <= MAX_AMOUNT:
        raise bad_value(f"refunded_amount: must be between 1 and {MAX_AMOUNT}")
    return value


def _line_total(line: Any) -> int:
    missing = not isinstance(line, dict) or any(k not in line for k in _LINE_MEMBERS)
    if missing or type(line["total_amount"]) is not int:
        raise bad_value("order_lines: a line lacks a member")
    total: int = line["total_amount"]
    return total


def _text(found: Json, name: str) -> str:
    value = found.get(name) or ""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise bad_value(f"{name}: must be a text of at most {_MAX_TEXT} characters")
    return value


# Objects.


def moment_text(at: float) -> str:
    """Write a moment as Klarna does: UTC with milliseconds."""
    moment = datetime.fromtimestamp(int(at * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def country_of(currency: str) -> str:
    """Give a country that pays in a currency."""
    return _COUNTRIES.get(currency, "DE")


def capture_id_of(payment: Payment) -> str:
    """Give the one capture of an order its id."""
    return str(uuid5(_NAMES, payment.reference))


def klarna_reference(payment: Payment) -> str:
    """Give the short name of an order."""
    return f"RW{uuid5(_NAMES, payment.reference).hex[:6].upper()}"


def refund_object(refund: Refund) -> Json:
    """Describe a refund."""
    minor = int(refund.details.get("told_minor", refund.amount_minor))
    found: Json = {
        "refund_id": refund.id,
        "refunded_amount": KLARNA.to_gateway(minor, refund.currency),
        "refunded_at": moment_text(refund.created_at),
        "credit_invoice": False,
    }
    if refund.merchant_reference:
        found["reference"] = refund.merchant_reference
    if refund.details.get("description"):
        found["description"] = refund.details["description"]
    if refund.details.get("order_lines"):
        found["order_lines"] = json.loads(refund.details["order_lines"])
    return found


def capture_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe the capture of an order as reads see it now."""
    refunded_minor = books.refunded_minor(payment, now)
    return {
        "capture_id": capture_id_of(payment),
        "klarna_reference": f"{klarna_reference(payment)}-1",
        "captured_amount": KLARNA.to_gateway(payment.amount_minor, payment.currency),
        "refunded_amount": KLARNA.to_gateway(refunded_minor, payment.currency),
        "captured_at": moment_text(payment.created_at),
    }


def order_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe an order as reads see it now."""
    amount = KLARNA.to_gateway(payment.amount_minor, payment.currency)
    refunded_minor = books.refunded_minor(payment, now)
    refunds = [*books.newest_refunds(payment.reference, now)][::-1]
    captured = payment.captured
    found: Json = {
        "order_id": payment.reference,
        "status": "CAPTURED" if captured else "AUTHORIZED",
        "fraud_status": "ACCEPTED",
        "purchase_currency": payment.currency,
        "purchase_country": country_of(payment.currency),
        "order_amount": amount,
        "original_order_amount": amount,
        "captured_amount": amount if captured else 0,
        "refunded_amount": KLARNA.to_gateway(refunded_minor, payment.currency),
        "remaining_authorized_amount": 0 if captured else amount,
        "klarna_reference": klarna_reference(payment),
        "created_at": moment_text(payment.created_at),
        "captures": [capture_object(payment, books, now)] if captured else [],
        "refunds": [refund_object(refund) for refund in refunds],
    }
    if payment.merchant_reference:
        found["merchant_reference1"] = payment.merchant_reference
    return found
