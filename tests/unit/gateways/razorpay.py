"""What Razorpay's adapter is told in tests, and what it is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from refundwatch.gateways.contract import AccountView, HttpResponse
from refundwatch.gateways.razorpay.adapter import Razorpay
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

GATEWAY = Razorpay()
RECORDED: dict[str, dict[str, Any]] = {
    row["name"]: row
    for row in json.loads((VECTORS / "razorpay_answers.json").read_text("utf-8"))[
        "answers"
    ]
}
SIGNED = json.loads((VECTORS / "webhooks_razorpay.json").read_text("utf-8"))["vectors"]

PAYMENT_ID = "pay_RW000000000001"
REFUND_ID = "rfnd_RW000000000001"
RAZORPAY = AccountView("razorpay-in", "sandbox", "https://api.razorpay.com")
RAZORPAY_REFUND = replace(
    STRIPE_REFUND,
    account=RAZORPAY,
    payment_reference=PAYMENT_ID,
    merchant_reference="rw-000123",
    amount_minor=50000,
    currency="INR",
)
KNOWN = replace(RAZORPAY_REFUND, gateway_reference=REFUND_ID)
REFUND: dict[str, Any] = RECORDED["refund-pending"]["body"]
PROCESSED: dict[str, Any] = RECORDED["refund-processed"]["body"]
PAYMENT: dict[str, Any] = RECORDED["payment"]["body"]


def page(*refunds: Any, **changes: Any) -> HttpResponse:
    told = {"entity": "collection", "count": len(refunds), "items": list(refunds)}
    return answer(200, told | changes)


def error(
    status: int,
    description: str,
    code: str = "BAD_REQUEST_ERROR",
    **headers: str,
) -> HttpResponse:
    body = {"error": {"code": code, "description": description}}
    return answer(status, body, **headers)
