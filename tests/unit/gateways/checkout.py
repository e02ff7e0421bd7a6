"""What the adapter of Checkout.com is told in tests, and objects as it gives them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from refundwatch.gateways.contract import AccountView
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

PAYMENT_ID = "pay_rwaaaaaaaaaaaaaaaaaaaaaaaa"
ACTION_ID = "act_rwbbbbbbbbbbbbbbbbbbbbbbbb"
CHECKOUT = AccountView("checkout-eu", "sandbox", "https://api.sandbox.checkout.com")
CHECKOUT_REFUND = replace(STRIPE_REFUND, account=CHECKOUT, payment_reference=PAYMENT_ID)
KNOWN = replace(CHECKOUT_REFUND, gateway_reference=ACTION_ID)
RECORDED = json.loads((VECTORS / "checkout_answers.json").read_text("utf-8"))["answers"]
ACCEPTED: dict[str, Any] = RECORDED[0]["body"]
ACTION: dict[str, Any] = RECORDED[2]["body"][0]
CAPTURE: dict[str, Any] = RECORDED[2]["body"][1]


def action(number: int, reference: str | None = None, **changes: Any) -> dict[str, Any]:
    return ACTION | {"id": f"act_{number}", "reference": reference} | changes


def balances(
    captured: int = 5_000, refunded: int = 0, **changes: int
) -> dict[str, int]:
    return {
        "total_authorized": 5_000,
        "total_voided": 0,
        "available_to_void": 0,
        "total_captured": captured,
        "available_to_capture": 5_000 - captured,
        "total_refunded": refunded,
        "available_to_refund": captured - refunded,
    } | changes


def payment(status: object = "Captured", **changes: Any) -> dict[str, Any]:
    href = {"href": f"https://api.sandbox.checkout.com/payments/{PAYMENT_ID}"}
    return {
        "id": PAYMENT_ID,
        "requested_on": "2026-03-01T09:00:00Z",
        "amount": 5_000,
        "currency": "EUR",
        "status": status,
        "approved": True,
        "balances": balances(),
        "_links": {"self": href, "actions": href, "refund": href},
    } | changes


def authorized(units: int = 5_000, **changes: Any) -> dict[str, Any]:
    href = {"href": f"https://api.sandbox.checkout.com/payments/{PAYMENT_ID}"}
    held = balances(captured=0, total_authorized=units, available_to_void=units)
    return (
        payment("Authorized", amount=units, balances=held)
        | {"_links": {"self": href, "actions": href, "void": href, "capture": href}}
        | changes
    )


READ = answer(200, payment())
"""The read of a captured payment that comes before an order."""


def error(*codes: str, kind: str = "request_invalid") -> dict[str, Any]:
    return {"request_id": "0HL80RJLS76I7", "error_type": kind, "error_codes": [*codes]}
