"""Stripe's JSON objects, made from the books.

Invariant: amounts are Stripe's integers, currencies lower case, times whole seconds.
Source: gateways/specs/stripe-refunds.json (stripe/openapi, 2026-09-30.endive).
"""

from collections.abc import Mapping
from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.money import STRIPE

REQUIRES_ACTION_DAYS = 45 * 86_400


def refund_object(refund: Refund) -> Json:
    """Describe a refund."""
    details = refund.details
    found: Json = {
        "id": refund.id,
        "object": "refund",
        "amount": STRIPE.to_gateway(refund.amount_minor, refund.currency),
        "balance_transaction": details.get("balance_transaction"),
        "charge": details["charge"],
        "created": int(refund.created_at),
        "currency": refund.currency.lower(),
        "destination_details": {"card": {"type": "pending"}, "type": "card"},
        "metadata": dict(refund.metadata),
        "payment_intent": refund.payment,
        "reason": details.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }
    if refund.status == "pending":
        found["pending_reason"] = details.get("pending_reason", "processing")
    if refund.status == "requires_action":
        found["next_action"] = _next_action(refund)
    for name in ("failure_reason", "failure_balance_transaction"):
        if name in details:
            found[name] = details[name]
    return found


def _next_action(refund: Refund) -> Json:
    return {
        "type": "display_details",
        "display_details": {
            "email_sent": {
                "email_sent_at": int(refund.created_at),
                "email_sent_to": "payer@example.com",
            },
            "expires_at": int(refund.created_at) + REQUIRES_ACTION_DAYS,
        },
    }


def charge_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe the charge of a payment as reads see it now."""
    amount = STRIPE.to_gateway(payment.amount_minor, payment.currency)
    refunded_minor = books.refunded_minor(payment, now)
    return {
        "id": payment.charge_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if payment.captured else 0,
        "amount_refunded": STRIPE.to_gateway(refunded_minor, payment.currency),
        "balance_transaction": None,
        "captured": payment.captured,
        "created": int(payment.created_at),
        "currency": payment.currency.lower(),
        "customer": None,
        "description": None,
        "disputed": bool(payment.dispute),
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": _order_metadata(payment),
        "paid": True,
        "payment_intent": payment.reference,
        "payment_method": None,
        "payment_method_details": {"type": payment.method},
        "refunded": refunded_minor >= payment.amount_minor,
        "status": "succeeded",
    }


def intent_object(
    payment: Payment, books: Books, now: float, *, expanded: bool
) -> Json:
    """Describe the payment intent, with its charge as an id or an object."""
    amount = STRIPE.to_gateway(payment.amount_minor, payment.currency)
    charge: Any = charge_object(payment, books, now) if expanded else payment.charge_id
    return {
        "id": payment.reference,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0 if payment.captured else amount,
        "amount_received": amount if payment.captured else 0,
        "capture_method": "automatic" if payment.captured else "manual",
        "created": int(payment.created_at),
        "currency": payment.currency.lower(),
        "customer": None,
        "description": None,
        "latest_charge": charge,
        "livemode": False,
        "metadata": _order_metadata(payment),
        "payment_method": None,
        "payment_method_types": [payment.method],
        "status": "succeeded" if payment.captured else "requires_capture",
    }


def _order_metadata(payment: Payment) -> dict[str, str]:
    reference = payment.merchant_reference
    return {"order": reference} if reference else {}


def dispute_object(payment: Payment, dispute_id: str, now: float) -> Json:
    """Describe a dispute that has just been opened."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": STRIPE.to_gateway(payment.amount_minor, payment.currency),
        "charge": payment.charge_id,
        "created": int(now),
        "currency": payment.currency.lower(),
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": payment.reference,
        "reason": "fraudulent",
        "status": "needs_response",
    }


def balance_object(books: Books) -> Json:
    """Describe what the account holds, by currency."""
    sums: dict[str, int] = {}
    for payment in books.payments.values():
        held = payment.amount_minor - payment.already_refunded_minor
        sums[payment.currency] = sums.get(payment.currency, 0) + held
    for refund in books.refunds.values():
        if refund.counts:
            sums[refund.currency] -= refund.amount_minor
    rows = [
        {
            "amount": (amount := STRIPE.to_gateway(minor, currency)),
            "currency": currency.lower(),
            "source_types": {"card": amount},
        }
        for currency, minor in sorted(sums.items())
    ]
    return {"object": "balance", "available": rows, "livemode": False, "pending": []}


def event_object(
    *,
    event_id: str,
    kind: str,
    created_at: float,
    subject: Json,
    api_version: str,
    request_id: str | None = None,
    idempotency_key: str | None = None,
    previous: Mapping[str, Any] | None = None,
) -> Json:
    """Describe an event about an object."""
    data: Json = {"object": subject}
    if previous is not None:
        data["previous_attributes"] = dict(previous)
    return {
        "id": event_id,
        "object": "event",
        "api_version": api_version,
        "created": int(created_at),
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": request_id, "idempotency_key": idempotency_key},
        "type": kind,
    }
