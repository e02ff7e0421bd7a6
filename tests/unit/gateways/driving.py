"""Driving a sans-IO operation by hand, and what an adapter is told in tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from refundwatch.gateways.contract import (
    AccountView,
    HttpRequest,
    HttpResponse,
    RawDelivery,
    RefundInstruction,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Operation

T = TypeVar("T")

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

STRIPE = AccountView("stripe-eu", "sandbox", "https://api.stripe.com")
ADYEN = AccountView(
    "adyen-eu",
    "sandbox",
    "https://checkout-test.adyen.com/v72",
    {"merchant_account": "RefundwatchTestECOM"},
)
PAYPAL = AccountView(
    "paypal-us",
    "sandbox",
    "https://api-m.sandbox.paypal.com",
    {"webhook_id": "1JE4291016473214C"},
)


@dataclass(frozen=True)
class Drive:
    """What an operation returned, and what it asked for on the way."""

    result: Any
    requests: tuple[HttpRequest, ...]


def drive(operation: Operation[T], *responses: HttpResponse) -> Drive:
    """Answer each request in turn; one more request than answers is a failure."""
    requests: list[HttpRequest] = []
    waiting = list(responses)
    try:
        request = next(operation)
        while True:
            requests.append(request)
            assert waiting, f"one request too many: {request.target}"
            request = operation.send(waiting.pop(0))
    except StopIteration as stop:
        return Drive(stop.value, tuple(requests))


def first_request(operation: Operation[T]) -> HttpRequest:
    return next(operation)


def result_of(operation: Operation[T], *responses: HttpResponse) -> T:
    result: T = drive(operation, *responses).result
    return result


def answer(status: int, body: object = None, **headers: str) -> HttpResponse:
    """Give an answer; header names are written with underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, named, raw)


def delivery(body: bytes, **headers: str) -> RawDelivery:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RawDelivery(named, body)


STRIPE_REFUND = RefundInstruction(
    account=STRIPE,
    payment_reference="pi_3RwTest0001",
    merchant_reference="rw-000001",
    idempotency_key="a" * 32,
    amount_minor=1050,
    currency="EUR",
    reason_code="goods_returned",
)
ADYEN_REFUND = replace(
    STRIPE_REFUND, account=ADYEN, payment_reference="993617894903480A"
)
PAYPAL_REFUND = replace(
    STRIPE_REFUND, account=PAYPAL, payment_reference="2GG279541U471931P"
)
