"""What Square's adapter is told in tests, and objects as Square gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from refundwatch.gateways.contract import AccountView
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS

URL = "https://hooks.example.test/webhooks/square-us"
PAYMENT_ID = "PAY8RWEXAMPLE0001"
SQUARE = AccountView(
    "square-us",
    "sandbox",
    "https://connect.squareupsandbox.com",
    {"notification_url": URL},
)
SQUARE_REFUND = replace(STRIPE_REFUND, account=SQUARE, payment_reference=PAYMENT_ID)
RECORDED = json.loads((VECTORS / "square_answers.json").read_text("utf-8"))["answers"]
GOOD: dict[str, Any] = RECORDED[0]["body"]["refund"]


def refund(number: int, reason: str | None = None, **changes: Any) -> dict[str, Any]:
    stated = {"reason": reason} if reason is not None else {"reason": None}
    return GOOD | stated | {"id": f"RFD{number}", "status": "COMPLETED"} | changes


def money(amount: object, currency: object = "EUR") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def payment(**changes: Any) -> dict[str, Any]:
    return {
        "id": PAYMENT_ID,
        "status": "COMPLETED",
        "amount_money": money(4_000),
        "tip_money": money(1_000),
        "total_money": money(5_000),
        "source_type": "CARD",
        "location_id": "LRW00EXAMPLE1",
    } | changes
