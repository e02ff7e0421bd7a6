"""Braintree's payments, made from the books: GraphQL objects and their two ids.

Invariant: amounts are decimal text in the currency's own decimals; an object's id is
the Base64 of its kind and its legacy id, without padding.
Source: gateways/specs/braintree-refunds.graphql, gateways/braintree.md (read 2026-11).
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.money import BRAINTREE

# In the books a voided sale is a refund of all of it, under the sale's own id.
SALE_VOIDED = "SALE_VOIDED"

_TERMINAL = frozenset(
    {"SETTLED", "SETTLEMENT_DECLINED", "PROCESSOR_DECLINED", "VOIDED"}
)
_EVENTS = {
    "AUTHORIZED": "AuthorizedEvent",
    "SUBMITTED_FOR_SETTLEMENT": "SubmittedForSettlementEvent",
    "SETTLING": "SettlingEvent",
    "SETTLED": "SettledEvent",
    "SETTLEMENT_DECLINED": "SettlementDeclinedEvent",
    "PROCESSOR_DECLINED": "ProcessorDeclinedEvent",
    "VOIDED": "VoidedEvent",
}
_RESPONSES = {
    "SETTLED": ("4000", "Confirmed"),
    "SETTLEMENT_DECLINED": ("4001", "Settlement Declined"),
    "PROCESSOR_DECLINED": ("2000", "Do Not Honor"),
}


def global_id(kind: str, legacy_id: str) -> str:
    """Return an object's GraphQL id; ``kind`` is transaction or refund."""
    packed = base64.urlsafe_b64encode(f"{kind}_{legacy_id}".encode())
    return packed.decode().rstrip("=")


def legacy_of(kind: str, found: object) -> str | None:
    """Return the legacy id in a GraphQL id, or None where it is no such id."""
    text = found if isinstance(found, str) else ""
    try:
        unpacked = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    named, _, legacy_id = unpacked.partition("_")
    return legacy_id if named == kind and legacy_id else None


def amount_text(amount_minor: int, currency: str) -> str:
    """Write ISO minor units with exactly the currency's decimals."""
    value = BRAINTREE.to_gateway(amount_minor, currency)
    digits = BRAINTREE.digits_of(currency)
    if not digits:
        return str(value)
    whole, part = divmod(abs(value), 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def money(amount_minor: int, currency: str) -> Json:
    """Describe an amount."""
    return {
        "__typename": "MonetaryAmount",
        "value": amount_text(amount_minor, currency),
        "currencyCode": currency,
        "currencyIsoCode": currency,
    }


def micro_text(at: float) -> str:
    """Write a moment with microseconds in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _event(status: str, at: float, amount: Json, source: str) -> Json:
    code, message = _RESPONSES.get(status, ("1000", "Approved"))
    return {
        "__typename": _EVENTS.get(status, "FailedEvent"),
        "status": status,
        "timestamp": micro_text(at),
        "amount": amount,
        "source": source,
        "terminal": status in _TERMINAL,
        "settlementBatchId": "batch" if status == "SETTLED" else None,
        "declineType": "HARD" if status == "PROCESSOR_DECLINED" else None,
        "processorResponse": {
            "__typename": "TransactionSettlementProcessorResponse",
            "legacyCode": code,
            "message": message,
        },
    }


def history_text(refund: Refund | None, status: str, at: float) -> str:
    """Put one more status before the history of a refund."""
    before = "" if refund is None else refund.details.get("history", "")
    return f"{status}@{at} {before}".strip()


def _history(refund: Refund, amount: Json, source: str) -> list[Json]:
    steps = (step.partition("@") for step in refund.details["history"].split())
    return [_event(status, float(at), amount, source) for status, _, at in steps]


def refund_object(
    refund: Refund, sale: Callable[[], Json], merchant_account: str
) -> Json:
    """Describe a refund; ``sale`` makes the object of what it refunds."""
    amount = money(refund.amount_minor, refund.currency)
    source = "API" if refund.source == "api" else "CONTROL_PANEL"
    return {
        "__typename": "Refund",
        "id": global_id("refund", refund.id),
        "legacyId": refund.id,
        "createdAt": micro_text(refund.created_at),
        "amount": amount,
        "orderId": refund.details.get("order_id") or None,
        "status": refund.status,
        "statusHistory": _history(refund, amount, source),
        "details": None,
        "merchantAccountId": merchant_account,
        "source": source,
        "refundedTransaction": sale,
        "customFields": None,
        "disbursementDetails": None,
    }


def sale_object(
    payment: Payment,
    books: Books,
    now: float,
    status: str,
    merchant_account: str,
) -> Json:
    """Describe a sale with those of its refunds that reads see now."""
    amount = money(payment.amount_minor, payment.currency)

    def again() -> Json:
        return sale_object(payment, books, now, status, merchant_account)

    refunds = [
        refund_object(refund, again, merchant_account)
        for refund in books.refunds_of(payment.reference)
        if refund.visible_at <= now and refund.status != SALE_VOIDED
    ]
    return {
        "__typename": "Transaction",
        "id": global_id("transaction", payment.reference),
        "legacyId": payment.reference,
        "createdAt": micro_text(payment.created_at),
        "amount": amount,
        "orderId": payment.merchant_reference or None,
        "status": status,
        "statusHistory": [_event(status, payment.created_at, amount, "API")],
        "merchantId": "sandbox",
        "merchantAccountId": merchant_account,
        "source": "API",
        "channel": None,
        "customFields": None,
        "refunds": refunds,
        "partialCaptureDetails": None,
        "disbursementDetails": None,
    }
