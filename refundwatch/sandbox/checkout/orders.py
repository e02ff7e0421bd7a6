"""The bodies of Checkout.com's orders, checked as Checkout.com checks them.

Invariant: an amount comes out in ISO minor units, exact, or the call is refused; a
missing one means the whole payment, whatever of it went back before.
Source: gateways/checkout.md sections 1, 5 and 7 (read 2026-11).
"""

import json
from dataclasses import dataclass
from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment
from refundwatch.sandbox.checkout.refusals import invalid, not_allowed
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.money import CHECKOUT, AmountRefusedError

REFERENCE_KEYS = ("rw_refund_id", "merchant_reference")
_MAX_REFERENCE = 50
_AT_ONCE = (
    ("payment_expired", "request_invalid"),
    ("action_failure_limit_exceeded", "request_invalid"),
    ("amount_exceeds_balance", "processing_error"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a valid call asks for; ``amount`` is Checkout.com's integer."""

    amount: int | None
    reference: str
    metadata: dict[str, str]

    @property
    def merchant_reference(self) -> str:
        """Return the caller's own name of the refund."""
        named = (self.metadata.get(key, "") for key in REFERENCE_KEYS)
        return next((name for name in named if name), self.reference)


def read_order(request: Request) -> Order:
    """Check the form of a call. Raises: Refusal."""
    body = _body(request)
    amount = body.get("amount")
    whole = isinstance(amount, int) and not isinstance(amount, bool)
    if amount is not None and not (whole and amount > 0):
        raise invalid("amount_invalid")
    reference = body.get("reference", "")
    if not isinstance(reference, str) or len(reference) > _MAX_REFERENCE:
        raise invalid("parameter_invalid")
    return Order(
        amount=amount, reference=reference, metadata=_metadata(body.get("metadata"))
    )


def _body(request: Request) -> Json:
    if not request.body:
        return {}
    try:
        found = json.loads(request.body)
    except ValueError as malformed:
        raise invalid("request_invalid") from malformed
    if not isinstance(found, dict):
        raise invalid("request_invalid")
    return found


def _metadata(found: Any) -> dict[str, str]:
    """Keep one level of values; numbers come back as texts."""
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise invalid("metadata_key_invalid")
    if any(isinstance(value, dict | list) for value in found.values()):
        raise invalid("metadata_key_invalid")
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in found.items()
    }


def asked_minor(order: Order, payment: Payment, books: Books) -> int:
    """Check a refund against its payment; return ISO minor units. Raises: Refusal."""
    left = books.remaining_minor(payment)
    if not payment.captured or payment.dispute == "chargeback" or left <= 0:
        raise not_allowed()
    asked = payment.amount_minor if order.amount is None else _minor(order, payment)
    if asked > left:
        raise invalid("refund_amount_exceeds_balance")
    if asked < payment.amount_minor and not payment.partial_allowed:
        raise invalid("amount_invalid")
    return asked


def _minor(order: Order, payment: Payment) -> int:
    try:
        return CHECKOUT.from_gateway(order.amount or 0, payment.currency)
    except AmountRefusedError as refused:
        raise invalid("amount_invalid") from refused


def voided_minor(payment: Payment, books: Books) -> int:
    """Check a void against its payment: the whole goes back, or nothing."""
    if payment.captured or books.remaining_minor(payment) < payment.amount_minor:
        raise not_allowed()
    return payment.amount_minor


def maybe_refuse(dice: Dice) -> None:
    """Refuse by the fault profile, as if Checkout.com had a reason of its own."""
    if dice.rolls(Fault.REFUSAL):
        code, kind = dice.rng.choice(_AT_ONCE)
        raise invalid(code, kind=kind)
