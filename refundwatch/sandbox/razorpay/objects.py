"""Razorpay's JSON objects, made from the books.

Invariant: amounts are Razorpay's integers, times whole seconds; `notes` without a
member is a list.
Source: gateways/razorpay.md sections 1, 6 and 8 (read 2026-11).
"""

from typing import Any

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.money import RAZORPAY


def refund_object(refund: Refund) -> Json:
    """Describe a refund."""
    details = refund.details
    notes: Any = dict(refund.metadata) or []
    return {
        "id": refund.id,
        "entity": "refund",
        "amount": RAZORPAY.to_gateway(refund.amount_minor, refund.currency),
        "currency": refund.currency,
        "payment_id": refund.payment,
        "notes": notes,
        "receipt": details.get("receipt") or None,
        "acquirer_data": {"arn": details.get("arn") or None},
        "created_at": int(refund.created_at),
        "batch_id": None,
        "status": refund.status,
        "speed_processed": details.get("speed_processed", "normal"),
        "speed_requested": details.get("speed_requested", "normal"),
    }


def payment_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe a payment as reads see it now."""
    amount = RAZORPAY.to_gateway(payment.amount_minor, payment.currency)
    refunded_minor = books.refunded_minor(payment, now)
    given_back = refunded_minor >= payment.amount_minor
    status = "authorized"
    if payment.captured:
        status = "refunded" if given_back else "captured"
    part = "full" if given_back else "partial"
    return {
        "id": payment.reference,
        "entity": "payment",
        "amount": amount,
        "currency": payment.currency,
        "base_amount": amount,
        "status": status,
        "order_id": payment.order_id or None,
        "international": payment.currency != "INR",
        "method": payment.method,
        "amount_refunded": RAZORPAY.to_gateway(refunded_minor, payment.currency),
        "refund_status": part if refunded_minor else None,
        "captured": payment.captured,
        "description": None,
        "notes": [],
        "fee": 0,
        "tax": 0,
        "created_at": int(payment.created_at),
    }


def collection(found: list[Json]) -> Json:
    """Wrap a page."""
    return {"entity": "collection", "count": len(found), "items": found}


def event_object(
    name: str, account_id: str, payload: dict[str, Json], created_at: float
) -> Json:
    """Describe an event about entities; one kind holds its time inside the payload."""
    entities: Json = {kind: {"entity": entity} for kind, entity in payload.items()}
    event: Json = {
        "entity": "event",
        "account_id": account_id,
        "event": name,
        "contains": list(payload),
        "payload": entities,
    }
    if name == "refund.speed_changed":
        entities["created_at"] = int(created_at)
    else:
        event["created_at"] = int(created_at)
    return event


def dispute_object(payment: Payment, dispute_id: str, now: float) -> Json:
    """Describe a dispute that has just been opened."""
    return {
        "id": dispute_id,
        "entity": "dispute",
        "payment_id": payment.reference,
        "amount": RAZORPAY.to_gateway(payment.amount_minor, payment.currency),
        "currency": payment.currency,
        "amount_deducted": 0,
        "reason_code": "goods_or_services_not_received",
        "status": "open",
        "phase": "chargeback" if payment.dispute == "chargeback" else "retrieval",
        "created_at": int(now),
    }


def settled_payment(payment: Payment, at: float) -> Json:
    """Describe what a captured payment put into a settlement."""
    amount = RAZORPAY.to_gateway(payment.amount_minor, payment.currency)
    row = _movement(payment, at) | {"debit": 0, "credit": amount, "amount": amount}
    return row | {"entity_id": payment.reference, "type": "payment", "notes": []}


def settled_refund(refund: Refund, payment: Payment, at: float) -> Json:
    """Describe what a refund took out of a settlement; its receipt is not shown."""
    amount = RAZORPAY.to_gateway(refund.amount_minor, refund.currency)
    row = _movement(payment, at) | {"debit": amount, "credit": 0, "amount": amount}
    notes: Any = dict(refund.metadata) or []
    return row | {"entity_id": refund.id, "type": "refund", "notes": notes}


def _movement(payment: Payment, at: float) -> Json:
    day = int(at // 86_400)
    return {
        "currency": payment.currency,
        "fee": 0,
        "tax": 0,
        "on_hold": False,
        "settled": True,
        "created_at": int(at),
        "settled_at": (day + 1) * 86_400,
        "settlement_id": f"setl_{day:014d}",
        "settlement_utr": f"{day}rw01",
        "payment_id": payment.reference,
        "order_id": payment.order_id or None,
        "order_receipt": payment.merchant_reference or None,
        "posted_at": None,
        "method": payment.method,
        "description": None,
        "dispute_id": None,
        "credit_type": "default",
    }
