"""Checkout.com's JSON objects, made from the books.

Invariant: amounts are Checkout.com's integers; an action says `approved` only once it
was decided.
Source: gateways/specs/checkout-refunds.json (checkout/checkout-api-reference nas_spec,
2021-07); gateways/checkout.md sections 1 and 6 (read 2026-11).
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from refundwatch.sandbox.answers import Json, utc_text
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.money import CHECKOUT

API = "https://api.sandbox.checkout.com"
APPROVED = ("10000", "Approved")
PAID = "refunded"


def units(amount_minor: int, currency: str) -> int:
    """Write ISO minor units as Checkout.com's integer."""
    return CHECKOUT.to_gateway(amount_minor, currency)


def stamp(at: float, ending: str) -> str:
    """Write a moment with seven digits of a second and either form of UTC."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{text}3{ending}"


def _derived(payment: Payment, what: str) -> str:
    digest = hashlib.sha256(f"{what}/{payment.reference}".encode()).hexdigest()
    return f"act_{digest[:26]}"


# --- payments ---------------------------------------------------------------------


def balances(payment: Payment, books: Books, now: float) -> Json:
    """Say what was taken and given back, as reads see it now."""
    seen = [one for one in books.newest_refunds(payment.reference, now) if one.counts]
    back = sum(one.amount_minor for one in seen)
    done = sum(one.amount_minor for one in seen if one.status == PAID)
    before, amount = payment.already_refunded_minor, payment.amount_minor
    found = {
        "total_authorized": amount,
        "total_voided": 0 if payment.captured else done,
        "available_to_void": 0 if payment.captured else amount - back,
        "total_captured": amount if payment.captured else 0,
        "available_to_capture": 0 if payment.captured else amount - back,
        "total_refunded": before + done if payment.captured else 0,
        "available_to_refund": amount - before - back if payment.captured else 0,
    }
    return {name: units(value, payment.currency) for name, value in found.items()}


def payment_object(payment: Payment, books: Books, now: float) -> Json:
    """Describe a payment."""
    held = balances(payment, books, now)
    href = f"{API}/payments/{payment.reference}"
    links: dict[str, Any] = {
        "self": {"href": href},
        "actions": {"href": f"{href}/actions"},
    }
    if held["available_to_refund"] > 0 and payment.dispute != "chargeback":
        links["refund"] = {"href": f"{href}/refunds"}
    if held["available_to_void"] > 0:
        links["void"] = {"href": f"{href}/voids"}
        links["capture"] = {"href": f"{href}/captures"}
    return {
        "id": payment.reference,
        "requested_on": utc_text(payment.created_at),
        "amount": units(payment.amount_minor, payment.currency),
        "currency": payment.currency,
        "payment_type": "Regular",
        "reference": payment.merchant_reference or payment.reference,
        "approved": True,
        "status": _status(held),
        "balances": held,
        "metadata": {},
        "_links": links,
    }


def _status(held: Json) -> str:
    if not held["total_captured"]:
        return "Voided" if held["total_voided"] else "Authorized"
    if not held["total_refunded"]:
        return "Captured"
    whole = held["total_refunded"] >= held["total_captured"]
    return "Refunded" if whole else "Partially Refunded"


# --- actions ----------------------------------------------------------------------


def action_objects(payment: Payment, books: Books, now: float) -> list[Json]:
    """List what was done with a payment, as reads see it now, newest first."""
    found = [
        _refund_action(refund)
        for refund in books.newest_refunds(payment.reference, now)
    ]
    if payment.captured:
        found.append(_first_action(payment, "Capture"))
    return [*found, _first_action(payment, "Authorization")]


def _first_action(payment: Payment, kind: str) -> Json:
    return {
        "id": _derived(payment, kind),
        "type": kind,
        "processed_on": utc_text(payment.created_at),
        "amount": units(payment.amount_minor, payment.currency),
        "approved": True,
        "response_code": APPROVED[0],
        "response_summary": APPROVED[1],
    }


def _refund_action(refund: Refund) -> Json:
    details = refund.details
    code, summary = _response(refund)
    amount = units(refund.amount_minor, refund.currency)
    found: Json = {
        "id": refund.id,
        "type": details["type"],
        "processed_on": utc_text(refund.updated_at),
        "amount": amount + int(details.get("misstated", "0")),
        "response_code": code,
        "response_summary": summary,
        "processing": {"acquirer_reference_number": details["arn"]},
    }
    if refund.status != "pending":
        found["approved"] = refund.status == PAID
    if details.get("unseen"):
        found["approved"] = details["unseen"]
    if details["reference"]:
        found["reference"] = details["reference"]
    if refund.metadata:
        found["metadata"] = dict(refund.metadata)
    return found


def _response(refund: Refund) -> tuple[str, str]:
    if refund.status == "failed":
        return refund.details["code"], refund.details["summary"]
    return APPROVED


def accepted_object(refund: Refund) -> Json:
    """Describe what was accepted, and where its payment is."""
    found: Json = {"action_id": refund.id}
    if refund.details["reference"]:
        found["reference"] = refund.details["reference"]
    href = f"{API}/payments/{refund.payment}"
    found["_links"] = {"payment": {"href": href}}
    return found


# --- events -----------------------------------------------------------------------


def action_event(kind: str, refund: Refund, held: Json, ending: str) -> Json:
    """Describe what an event says of an action; a pending one names no reference."""
    code, summary = _response(refund)
    found: Json = {
        "id": refund.payment,
        "action_id": refund.id,
        "amount": units(refund.amount_minor, refund.currency),
        "currency": refund.currency,
        "processed_on": stamp(refund.updated_at, ending),
        "balances": held,
    }
    if kind == "payment_refund_pending":
        return found
    found |= {"response_code": code, "response_summary": summary}
    found["processing"] = {"acquirer_reference_number": refund.details["arn"]}
    if refund.details["reference"]:
        found["reference"] = refund.details["reference"]
    if refund.metadata:
        found["metadata"] = dict(refund.metadata)
    return found


def dispute_event(payment: Payment, dispute_id: str, at: float) -> Json:
    """Describe a dispute; the payment stands beside the dispute's own id."""
    return {
        "id": dispute_id,
        "date": stamp(at, "+00:00"),
        "category": "fraudulent",
        "amount": units(payment.amount_minor, payment.currency),
        "currency": payment.currency,
        "reason_code": "10.4",
        "payment_id": payment.reference,
        "payment_action_id": _derived(payment, "Capture"),
        "payment_reference": payment.merchant_reference or payment.reference,
        "payment_method": "VISA",
    }


def event_object(event_id: str, kind: str, when: Json, data: Json) -> Json:
    """Describe an event; ``when`` is its time under the name its kind gives it."""
    subject = data.get("payment_id") or data["id"]
    base = f"{API}/workflows/events"
    return {
        "id": event_id,
        "type": kind,
        "version": "1.0.29",
        **when,
        "data": data,
        "_links": {
            "self": {"href": f"{base}/{event_id}"},
            "subject": {"href": f"{base}/subject/{subject}"},
        },
    }
