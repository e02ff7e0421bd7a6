"""Square's JSON objects, made from the books.

Invariant: amounts are ISO minor units as integers; what a payment names as refunded
is what reads can see by now, and pending refunds are not in its sum.
Source: square/connect-api-specification api.json (2025-08-20), PaymentRefund, Payment
and the events of refunds; "Dispute created", https://developer.squareup.com
(read 2026-11).
"""

import json
from datetime import UTC, datetime

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.settings import SquareSettings

# Nothing but the record moves where the seller hands the money over.
RECORDED_ONLY = frozenset({"cash", "external"})
_EARLIER = "_RFDEARLIER"


def time_text(at: float) -> str:
    """Write a moment as Square does: UTC with milliseconds."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def money(amount_minor: int, currency: str) -> Json:
    """Describe an amount."""
    return {"amount": amount_minor, "currency": currency}


def refund_object(refund: Refund, settings: SquareSettings) -> Json:
    """Describe a refund."""
    found: Json = {
        "id": refund.id,
        "status": refund.status,
        "amount_money": money(refund.amount_minor, refund.currency),
        "payment_id": refund.payment,
        "order_id": f"ORD{refund.id[-12:]}",
        "location_id": settings.location_id,
        "created_at": time_text(refund.created_at),
        "updated_at": time_text(refund.updated_at),
        "destination_type": refund.details["destination"],
        "unlinked": False,
    }
    if refund.details.get("reason"):
        found["reason"] = refund.details["reason"]
    if refund.details.get("fee"):
        given_back = money(-int(refund.details["fee"]), refund.currency)
        at = float(refund.details["fee_at"])
        found["processing_fee"] = [
            {
                "effective_at": time_text(at),
                "type": "INITIAL",
                "amount_money": given_back,
            }
        ]
    return found


def refunds_seen(payment: Payment, books: Books, now: float) -> list[str]:
    """List the ids of a payment's refunds as reads see them now."""
    refunds = books.refunds_of(payment.reference)
    ids = [refund.id for refund in refunds if refund.visible_at <= now]
    return [earlier_id(payment), *ids] if payment.already_refunded_minor else ids


def earlier_id(payment: Payment) -> str:
    """Name the refund that stands for what was returned before the sandbox began."""
    return f"{payment.reference}{_EARLIER}"


def earlier_refund(refund_id: str, books: Books) -> Refund | None:
    """Find the refund that stands for what was returned before."""
    payment = books.payments.get(refund_id.removesuffix(_EARLIER))
    if payment is None or earlier_id(payment) != refund_id:
        return None
    return Refund(
        id=refund_id,
        payment=payment.reference,
        amount_minor=payment.already_refunded_minor,
        currency=payment.currency,
        status="COMPLETED",
        created_at=payment.created_at,
        updated_at=payment.created_at,
        source="dashboard",
        details={"destination": "CARD"},
    )


def payment_object(
    payment: Payment, books: Books, settings: SquareSettings, now: float
) -> Json:
    """Describe a payment; before its first refund the fields of refunds are absent."""
    total = money(payment.amount_minor, payment.currency)
    found: Json = {
        "id": payment.reference,
        "created_at": time_text(payment.created_at),
        "updated_at": time_text(now),
        "amount_money": total,
        "total_money": total,
        "approved_money": total,
        "status": "COMPLETED" if payment.captured else "APPROVED",
        "source_type": payment.method.upper(),
        "location_id": settings.location_id,
        "order_id": f"ORD{payment.reference}"[:192],
        "version_token": "sandbox",
    }
    ids = refunds_seen(payment, books, now)
    if ids:
        found["refund_ids"] = ids
        completed = payment.already_refunded_minor + sum(
            refund.amount_minor
            for refund in books.refunds_of(payment.reference)
            if refund.status == "COMPLETED" and refund.visible_at <= now
        )
        found["refunded_money"] = money(completed, payment.currency)
    return found


def dispute_object(
    payment: Payment, settings: SquareSettings, dispute_id: str, state: str, at: float
) -> Json:
    """Describe a dispute."""
    return {
        "id": dispute_id,
        "dispute_id": dispute_id,
        "amount_money": money(payment.amount_minor, payment.currency),
        "reason": "NO_KNOWLEDGE",
        "state": state,
        "disputed_payment": {"payment_id": payment.reference},
        "card_brand": "VISA",
        "created_at": time_text(at),
        "updated_at": time_text(at),
        "location_id": settings.location_id,
        "version": 1,
    }


def event_object(
    event_id: str, kind: str, at: float, merchant_id: str, subject: Json
) -> Json:
    """Describe an event about the one object inside ``subject``."""
    [(name, inner)] = subject.items()
    return {
        "merchant_id": merchant_id,
        "type": kind,
        "event_id": event_id,
        "created_at": time_text(at),
        "data": {"type": name, "id": inner["id"], "object": subject},
    }


def object_of(body: bytes) -> Json:
    """Read a body as a JSON object; anything else is an empty one."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
