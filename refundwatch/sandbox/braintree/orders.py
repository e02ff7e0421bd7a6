"""What Braintree checks before a refund, a reversal or a cancellation.

Invariant: an amount comes out in ISO minor units, exact, or the call is refused.
Source: gateways/braintree.md sections 1, 5 and 7 (read 2026-11).
"""

import re

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment
from refundwatch.sandbox.braintree.refusals import Refusal
from refundwatch.sandbox.money import BRAINTREE

# A whole number, or exactly two or three decimals.
_AMOUNT = re.compile(r"(-?)(\d{1,12})(?:\.(\d{2,3}))?", re.ASCII)
_MAX_ORDER_ID = 255
_UNSETTLED = frozenset({"AUTHORIZED", "SUBMITTED_FOR_SETTLEMENT", "VOIDED"})


def order_id_of(refund: Json, payment: Payment) -> str:
    """Return a refund's own order id, or the one it inherits from the sale."""
    stated = refund.get("orderId")
    if stated is None:
        return payment.merchant_reference
    if not isinstance(stated, str) or len(stated) > _MAX_ORDER_ID:
        raise Refusal.invalid("81503")
    return stated


def asked_minor(refund: Json, payment: Payment, books: Books, status: str) -> int:
    """Check a refund against its sale; return ISO minor units.

    Raises: Refusal.
    """
    stated = refund.get("amount")
    wanted = payment.amount_minor if stated is None else _minor(stated, payment)
    if status in _UNSETTLED:
        raise Refusal.invalid("91506")
    if status == "SETTLING":
        raise Refusal.invalid("91574")
    left = books.remaining_minor(payment)
    if left <= 0:
        raise Refusal.invalid("91512")
    if wanted > left:
        raise Refusal.invalid("91521")
    return wanted


def _minor(stated: object, payment: Payment) -> int:
    text = str(stated) if isinstance(stated, int) else stated
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    digits = BRAINTREE.digits_of(payment.currency)
    if found is None or isinstance(stated, bool):
        raise Refusal.invalid("81503")
    part = found[3] or ""
    if part[digits:].strip("0"):
        raise Refusal.invalid("81503")
    value = int(found[2] + part[:digits].ljust(digits, "0"))
    if not value:
        raise Refusal.invalid("81531")
    if found[1]:
        raise Refusal.invalid("81501")
    return BRAINTREE.from_gateway(value, payment.currency)
