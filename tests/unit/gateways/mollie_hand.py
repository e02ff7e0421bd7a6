"""What the tests of Mollie's adapter share: an account, an order, objects, pages."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

from refundwatch.gateways.contract import AccountView, HttpResponse
from refundwatch.gateways.mollie.adapter import Mollie
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

GATEWAY = Mollie()
MOLLIE = AccountView("mollie-nl", "sandbox", "https://api.mollie.com")
TOKEN = replace(MOLLIE, settings={"access": "organization"})
PAYMENT = "tr_rw0001wxyz"
MOLLIE_REFUND = replace(STRIPE_REFUND, account=MOLLIE, payment_reference=PAYMENT)
REFUND_ID = "re_rw0001abcd"
KNOWN = replace(MOLLIE_REFUND, gateway_reference=REFUND_ID)
SECRET = "whsec-mollie-A1b2C3d4E5f6G7h8"
DATE = "Sun, 01 Mar 2026 10:00:00 GMT"
RECORDED = json.loads((VECTORS / "mollie_answers.json").read_text("utf-8"))["answers"]
SIGNED = json.loads((VECTORS / "webhooks_mollie.json").read_text("utf-8"))["vectors"]
GOOD: dict[str, Any] = RECORDED[0]["body"]


def refund(number: int, reference: str | None = None, **changes: Any) -> dict[str, Any]:
    metadata = {"rw_refund_id": reference} if reference else None
    return GOOD | {"id": f"re_{number}", "metadata": metadata} | changes


def page(*refunds: Any, after: str | None = None) -> dict[str, Any]:
    href = f"https://elsewhere.example/v2/payments/{PAYMENT}/refunds?from={after}"
    return {
        "count": len(refunds),
        "_embedded": {"refunds": list(refunds)},
        "_links": {"self": {"href": "x"}, "next": {"href": href} if after else None},
    }


def listed(*refunds: Any) -> HttpResponse:
    return answer(200, page(*refunds), date=DATE)


def payment(**changes: Any) -> dict[str, Any]:
    money = {"currency": "EUR", "value": "50.00"}
    return {
        "resource": "payment",
        "id": PAYMENT,
        "mode": "test",
        "status": "paid",
        "amount": money,
        "amountRefunded": {"currency": "EUR", "value": "10.50"},
        "amountRemaining": {"currency": "EUR", "value": "39.50"},
    } | changes


def error(status: int, detail: str = "no", **more: Any) -> HttpResponse:
    headers = more.pop("headers", {})
    body = {"status": status, "title": "x", "detail": detail, "_links": {}} | more
    return answer(status, body, **headers)


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
