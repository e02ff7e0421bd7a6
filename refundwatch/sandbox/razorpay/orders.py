"""The body of a refund, checked as Razorpay checks it.

Invariant: a missing amount asks for everything that is left.
Source: gateways/razorpay.md sections 1 and 4 (read 2026-11).
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.money import RAZORPAY, AmountRefusedError
from refundwatch.sandbox.razorpay.refusals import Refusal, invalid_field

_MEMBERS = frozenset({"amount", "speed", "receipt", "notes"})
_SPEEDS = ("normal", "optimum")
_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")
_MAX_NOTES, _MAX_NOTE, _MAX_RECEIPT = 15, 256, 40
_LEAST_RUPEES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold a checked order; the amount is Razorpay's integer, None if not told."""

    amount: int | None
    speed: str
    receipt: str
    notes: dict[str, str] = field(default_factory=dict)


def check_key(key: str) -> None:
    """Refuse a key that is too short or has other marks. Raises: Refusal."""
    if not _KEY.fullmatch(key):
        raise Refusal(
            description="The idempotency key must be at least 10 characters long."
        )


def read_order(body: bytes) -> Order:
    """Check the body of a refund; an empty one is an order too.

    Raises: Refusal.
    """
    found = _object(body)
    unknown = sorted(found.keys() - _MEMBERS)
    if unknown:
        names = ", ".join(unknown)
        raise Refusal(description=f"{names} is/are not required and should not be sent")
    speed = found.get("speed", "normal")
    if speed not in _SPEEDS:
        raise invalid_field("speed", "is not valid")
    receipt = found.get("receipt") or ""
    if not isinstance(receipt, str) or len(receipt) > _MAX_RECEIPT:
        raise invalid_field("receipt", "may not be greater than 40 characters.")
    return Order(
        amount=_amount(found.get("amount")),
        speed=speed,
        receipt=receipt,
        notes=_notes(found.get("notes")),
    )


def _object(body: bytes) -> Json:
    if not body:
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refusal(description="Failed to parse request body") from error
    if not isinstance(found, dict):
        raise Refusal(description="Failed to parse request body")
    return found


def _amount(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise invalid_field("amount", "must be an integer.")
    return value


def _notes(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    short = isinstance(value, dict) and len(value) <= _MAX_NOTES
    if not short or any(len(str(note)) > _MAX_NOTE for note in value.values()):
        raise invalid_field("notes", "are over their limits.")
    return {str(name): str(note) for name, note in value.items()}


def asked_minor(order: Order, payment: Payment, left_minor: int) -> int:
    """Check an order against its payment; return ISO minor units.

    Raises: Refusal.
    """
    if not payment.captured:
        raise Refusal(
            description=("The payment status should be captured for action to be taken")
        )
    if left_minor <= 0:
        raise Refusal(description="The payment has been fully refunded already")
    if order.amount is None:
        return left_minor
    if payment.currency == "INR" and order.amount < _LEAST_RUPEES:
        raise invalid_field("amount", "must be at least INR 1.00")
    try:
        wanted = RAZORPAY.from_gateway(order.amount, payment.currency)
    except AmountRefusedError as refused:
        raise invalid_field("amount", "is not valid") from refused
    if wanted > left_minor:
        raise Refusal(
            description=("The refund amount provided is greater than amount captured."),
            field="amount",
        )
    return wanted
