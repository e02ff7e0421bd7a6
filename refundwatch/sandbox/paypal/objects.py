"""PayPal's JSON objects, made from the books.

Invariant: amounts are decimal strings in PayPal's digits for the currency.
Source: gateways/specs/paypal-refunds.json (read 2026-11).
"""

from refundwatch.sandbox.answers import Json, offset_text, utc_text
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.money import decimal_text

API = "https://api-m.sandbox.paypal.com"

_PACIFIC_HOURS = -8


def money(amount_minor: int, currency: str) -> Json:
    """Describe an amount."""
    return {
        "currency_code": currency,
        "value": decimal_text(amount_minor, currency),
    }


def _link(path: str, rel: str, method: str = "GET") -> Json:
    return {"href": f"{API}{path}", "rel": rel, "method": method}


def minimal_refund(refund: Refund) -> Json:
    """Describe a refund as ``return=minimal`` does."""
    return {
        "id": refund.id,
        "status": refund.status,
        "links": [
            _link(f"/v2/payments/refunds/{refund.id}", "self"),
            _link(f"/v2/payments/captures/{refund.payment}", "up"),
        ],
    }


def refund_object(refund: Refund, books: Books) -> Json:
    """Describe a refund; its capture stands only in the link ``up``."""
    gross = money(refund.amount_minor, refund.currency)
    found: Json = {
        "id": refund.id,
        "status": refund.status,
        "amount": gross,
        **{
            name: refund.details[name]
            for name in ("invoice_id", "custom_id", "note_to_payer")
            if refund.details.get(name)
        },
        "seller_payable_breakdown": {
            "gross_amount": gross,
            "paypal_fee": money(0, refund.currency),
            "net_amount": gross,
            "total_refunded_amount": money(
                _total_refunded(refund, books), refund.currency
            ),
        },
        "create_time": offset_text(refund.created_at, _PACIFIC_HOURS),
        "update_time": offset_text(refund.updated_at, _PACIFIC_HOURS),
        "links": minimal_refund(refund)["links"],
    }
    if refund.status == "PENDING":
        found["status_details"] = {"reason": "ECHECK"}
    return found


def _total_refunded(refund: Refund, books: Books) -> int:
    payment = books.payments[refund.payment]
    return books.refunded_minor(payment)


def capture_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe a capture as reads see it now; it holds no refunded amount."""
    amount = money(payment.amount_minor, payment.currency)
    found: Json = {
        "id": payment.reference,
        "status": _capture_status(payment, books, now),
        "amount": amount,
        "final_capture": True,
        "seller_protection": {"status": "NOT_ELIGIBLE"},
        "seller_receivable_breakdown": {
            "gross_amount": amount,
            "paypal_fee": money(0, payment.currency),
            "net_amount": amount,
        },
        "create_time": utc_text(payment.created_at),
        "update_time": utc_text(payment.created_at),
        "supplementary_data": {"related_ids": {"order_id": payment.order_id}},
        "links": [
            _link(f"/v2/payments/captures/{payment.reference}", "self"),
            _link(
                f"/v2/payments/captures/{payment.reference}/refund", "refund", "POST"
            ),
            _link(f"/v2/checkout/orders/{payment.order_id}", "up"),
        ],
    }
    if payment.merchant_reference:
        found["invoice_id"] = payment.merchant_reference
    return found


def _capture_status(payment: Payment, books: Books, now: float) -> str:
    if not payment.captured:
        return "PENDING"
    refunded = books.refunded_minor(payment, now)
    if refunded >= payment.amount_minor:
        return "REFUNDED"
    return "PARTIALLY_REFUNDED" if refunded else "COMPLETED"


def order_object(order_id: str, books: Books, now: float) -> Json:
    """Describe an order with its captures and the refunds that reads see."""
    captures = books.payments_of_order(order_id)
    refunds = [
        refund
        for payment in captures
        for refund in books.refunds_of(payment.reference)
        if refund.visible_at <= now
    ]
    payments: Json = {
        "captures": [capture_object(payment, books, now) for payment in captures]
    }
    if refunds:
        payments["refunds"] = [refund_object(refund, books) for refund in refunds]
    return {
        "id": order_id,
        "intent": "CAPTURE",
        "status": "COMPLETED",
        "purchase_units": [{"reference_id": "default", "payments": payments}],
        "links": [_link(f"/v2/checkout/orders/{order_id}", "self")],
    }


def event_object(
    event_id: str, kind: str, at: float, resource: Json, *, resource_type: str
) -> Json:
    """Describe a webhook event."""
    path = f"/v1/notifications/webhooks-events/{event_id}"
    return {
        "id": event_id,
        "event_version": "1.0",
        "create_time": utc_text(at),
        "resource_type": resource_type,
        "resource_version": "2.0",
        "event_type": kind,
        "summary": f"{kind} for {resource_type}",
        "resource": resource,
        "links": [_link(path, "self"), _link(f"{path}/resend", "resend", "POST")],
    }


def dispute_object(payment: Payment, dispute_id: str, now: float) -> Json:
    """Describe a dispute that has just been opened."""
    amount = money(payment.amount_minor, payment.currency)
    return {
        "dispute_id": dispute_id,
        "create_time": utc_text(now),
        "update_time": utc_text(now),
        "disputed_transactions": [
            {
                "seller_transaction_id": payment.reference,
                "create_time": utc_text(payment.created_at),
                "transaction_status": "COMPLETED",
                "gross_amount": amount,
            }
        ],
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        "status": "OPEN",
        "dispute_amount": amount,
        "dispute_life_cycle_stage": "CHARGEBACK",
        "links": [_link(f"/v1/customer/disputes/{dispute_id}", "self")],
    }
