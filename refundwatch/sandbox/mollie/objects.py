"""Mollie's JSON objects, made from the books.

Invariant: amounts are decimal strings with exactly the decimals of their currency.
Source: gateways/specs/mollie-refunds.json (read 2026-11).
"""

import json
from collections.abc import Mapping, Sequence

from refundwatch.sandbox.answers import Json, utc_text
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.ledger import LedgerRow
from refundwatch.sandbox.mollie.orders import NOT_REFUNDABLE
from refundwatch.sandbox.money import MOLLIE, decimal_text

API = "https://api.mollie.com"
DOCS = "https://docs.mollie.com/reference"
DASHBOARD = "https://my.mollie.com/dashboard/payments"


def money(amount_minor: int, currency: str) -> Json:
    """Describe an amount."""
    value = decimal_text(amount_minor, currency, MOLLIE)
    return {"currency": currency, "value": value}


def link(path: str, kind: str = "application/hal+json") -> Json:
    """Describe a link."""
    return {"href": path if "://" in path else f"{API}{path}", "type": kind}


def _offset(at: float) -> str:
    return utc_text(at).replace("Z", "+00:00")


def refund_object(refund: Refund) -> Json:
    """Describe a refund."""
    payment_path = f"/v2/payments/{refund.payment}"
    found: Json = {
        "resource": "refund",
        "id": refund.id,
        "mode": "test",
        "description": refund.details.get("description", ""),
        "amount": money(refund.amount_minor, refund.currency),
        "status": refund.status,
        "metadata": json.loads(refund.details.get("metadata", "null")),
        "paymentId": refund.payment,
        "createdAt": _offset(refund.created_at),
        "_links": {
            "self": link(f"{payment_path}/refunds/{refund.id}"),
            "payment": link(payment_path),
            "documentation": link(f"{DOCS}/get-refund", "text/html"),
        },
    }
    if refund.status == "refunded":
        reference = refund.details.get("acquirer_reference", "")
        found["externalReference"] = {"type": "acquirer-reference", "id": reference}
    return found


def payment_object(
    payment: Payment, books: Books, now: float, *, refunds: Sequence[Refund] | None
) -> Json:
    """Describe a payment as reads see it now; ``refunds`` are embedded."""
    refunded = books.refunded_minor(payment, now)
    currency = payment.currency
    path = f"/v2/payments/{payment.reference}"
    found: Json = {
        "resource": "payment",
        "id": payment.reference,
        "mode": "test",
        "status": "paid" if payment.captured else "authorized",
        "description": payment.merchant_reference or "Order",
        "amount": money(payment.amount_minor, currency),
        "amountRefunded": money(refunded, currency),
        "method": "creditcard" if payment.method == "card" else payment.method,
        "metadata": None,
        "sequenceType": "oneoff",
        "profileId": "pfl_sandbox",
        "createdAt": _offset(payment.created_at),
        "_links": {
            "self": link(path),
            "dashboard": link(f"{DASHBOARD}/{payment.reference}", "text/html"),
            "documentation": link(f"{DOCS}/get-payment", "text/html"),
        },
    }
    if payment.method not in NOT_REFUNDABLE:
        left = payment.amount_minor - refunded
        found["amountRemaining"] = money(left, currency)
    if payment.dispute:
        found["amountChargedBack"] = money(payment.amount_minor, currency)
    if refunds is not None:
        found["_embedded"] = {"refunds": [refund_object(one) for one in refunds]}
    return found


def page(
    name: str, path: str, entries: Sequence[Json], following: str | None, limit: int
) -> Json:
    """Describe a page of a list; ``following`` begins the next one."""
    following_path = f"{path}?from={following}&limit={limit}"
    return {
        "count": len(entries),
        "_embedded": {name: list(entries)},
        "_links": {
            "self": link(path),
            "previous": None,
            "next": link(following_path) if following else None,
            "documentation": link(f"{DOCS}/list-refunds", "text/html"),
        },
    }


def event_object(
    event_id: str, kind: str, at: float, entity: Mapping[str, object], *, simple: bool
) -> Json:
    """Describe an event; a simple one only names what it is about."""
    found: Json = {
        "resource": "event",
        "id": event_id,
        "type": kind,
        "entityId": entity["id"],
        "createdAt": utc_text(at).replace("Z", ".0Z"),
    }
    if not simple:
        found["_embedded"] = {"entity": dict(entity)}
    found["_links"] = {
        "self": link(f"/v2/events/{event_id}"),
        "documentation": link(f"{DOCS}/webhooks-new", "text/html"),
    }
    return found


def chargeback_object(payment: Payment, chargeback_id: str, now: float) -> Json:
    """Describe a chargeback of the whole payment."""
    return {
        "resource": "chargeback",
        "id": chargeback_id,
        "amount": money(payment.amount_minor, payment.currency),
        "paymentId": payment.reference,
        "createdAt": _offset(now),
    }


def booking_object(row: LedgerRow, *, returned: bool) -> Json:
    """Describe a refund on the balance; what came back is a booking of its own."""
    at = row.bounced_at if returned else row.executed_at
    amount = row.amount_minor if returned else -row.amount_minor
    kind = "returned-refund" if returned else "refund"
    return {
        "resource": "balance-transaction",
        "id": f"baltr_{row.refund_id.removeprefix('re_')}{'r' if returned else ''}",
        "type": kind,
        "initialAmount": money(amount, row.currency),
        "resultAmount": money(amount, row.currency),
        "deductions": None,
        "context": {kind: {"paymentId": row.payment, "refundId": row.refund_id}},
        "createdAt": _offset(at or 0.0),
    }


def profile_object() -> Json:
    """Describe the profile of the key."""
    return {
        "resource": "profile",
        "id": "pfl_sandbox",
        "mode": "live",
        "name": "Sandbox",
        "website": "https://shop.example",
        "email": "shop@example.com",
        "phone": "+31200000000",
        "businessCategory": "OTHER_MERCHANDISE",
        "status": "verified",
        "createdAt": "2026-01-01T00:00:00+00:00",
        "_links": {"self": link("/v2/profiles/me")},
    }


def organization_object() -> Json:
    """Describe the organization of the token."""
    return {
        "resource": "organization",
        "id": "org_1",
        "name": "Sandbox",
        "email": "shop@example.com",
        "locale": "en_US",
        "_links": {"self": link("/v2/organizations/me")},
    }
