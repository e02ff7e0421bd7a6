"""Orders of refunds, checked as Square checks them.

Invariant: whatever breaks the schema is refused before a key or a payment is looked
at; whatever a payment forbids is refused before anything is made.
Source: square/connect-api-specification api.json (2025-08-20), RefundPaymentRequest;
"Refund Payments", https://developer.squareup.com (read 2026-11).
"""

from dataclasses import dataclass

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment
from refundwatch.sandbox.settings import SquareSettings
from refundwatch.sandbox.square.objects import object_of
from refundwatch.sandbox.square.refusals import Refusal

_MAX_KEY, _MAX_REASON, _MAX_AMOUNT = 45, 192, 2**63 - 1
_KNOWN = frozenset(
    {
        "amount_money",
        "app_fee_money",
        "idempotency_key",
        "payment_id",
        "payment_version_token",
        "reason",
        "team_member_id",
    }
)
_OF_OTHER_KINDS = frozenset(
    {
        "cash_details",
        "customer_id",
        "destination_id",
        "external_details",
        "location_id",
        "unlinked",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a valid order asks for; the amount in ISO minor units."""

    key: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str


def read_order(body: bytes) -> Order:
    """Check the body of an order.

    Raises: Refusal.
    """
    found = object_of(body)
    if not found:
        raise Refusal(status=400, code="EXPECTED_JSON_BODY")
    for name in sorted(set(found) - _KNOWN):
        code = "CONFLICTING_PARAMETERS" if name in _OF_OTHER_KINDS else ""
        raise Refusal.invalid(code or "UNKNOWN_BODY_PARAMETER", name)
    return Order(
        key=_text(found, "idempotency_key", _MAX_KEY),
        payment_id=_text(found, "payment_id", _MAX_REASON),
        amount_minor=_amount(found.get("amount_money")),
        currency=_text(found["amount_money"], "currency", 3, "amount_money."),
        reason=_text(found, "reason", _MAX_REASON) if found.get("reason") else "",
    )


def _text(source: Json, name: str, most: int, where: str = "") -> str:
    value = source.get(name)
    if value is None or value == "":
        raise Refusal.invalid("MISSING_REQUIRED_PARAMETER", where + name)
    if not isinstance(value, str):
        raise Refusal.invalid("EXPECTED_STRING", where + name)
    # A key may have fewer characters where they need more bytes.
    if len(value.encode()) > most:
        raise Refusal.invalid("VALUE_TOO_LONG", where + name)
    return value


def _amount(value: object) -> int:
    amount = value.get("amount") if isinstance(value, dict) else None
    if amount is None:
        raise Refusal.invalid("MISSING_REQUIRED_PARAMETER", "amount_money.amount")
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise Refusal.invalid("EXPECTED_INTEGER", "amount_money.amount")
    if amount <= 0:
        raise Refusal.invalid("VALUE_TOO_LOW", "amount_money.amount")
    if amount > _MAX_AMOUNT:
        raise Refusal.invalid("VALUE_TOO_HIGH", "amount_money.amount")
    return amount


def refundable(
    order: Order, books: Books, settings: SquareSettings, now: float
) -> Payment:
    """Return the payment of an order that it allows.

    Raises: Refusal.
    """
    payment = books.payment(order.payment_id)
    if payment is None:
        raise Refusal.not_found()
    if not payment.captured:
        raise Refusal.business("REFUND_ERROR_PAYMENT_NEEDS_COMPLETION")
    if payment.dispute:
        raise Refusal.business("PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE")
    if order.currency != payment.currency:
        raise Refusal.invalid("CURRENCY_MISMATCH", "amount_money.currency")
    _check_earlier(payment, books, settings, now)
    if order.amount_minor > books.remaining_minor(payment):
        raise Refusal.business("REFUND_AMOUNT_INVALID", "amount_money.amount")
    return payment


def _check_earlier(
    payment: Payment, books: Books, settings: SquareSettings, now: float
) -> None:
    """Refuse what time, number or end of the earlier refunds forbid."""
    refunds = books.refunds_of(payment.reference)
    number = len(refunds) + bool(payment.already_refunded_minor)
    blocked = any(refund.status == "FAILED" for refund in refunds)
    too_late = now - payment.created_at > settings.refund_limit_seconds
    if blocked or too_late or number >= settings.most_refunds:
        raise Refusal.business("PAYMENT_NOT_REFUNDABLE")
    if any(refund.status == "PENDING" for refund in refunds):
        raise Refusal.business("REFUND_ALREADY_PENDING")
