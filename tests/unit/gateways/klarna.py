"""What Klarna's adapter is told in tests, and what it is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from refundwatch.gateways.contract import AccountView, HttpResponse
from refundwatch.gateways.klarna.adapter import Klarna
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

GATEWAY = Klarna()
RECORDED: dict[str, dict[str, Any]] = {
    row["name"]: row
    for row in json.loads((VECTORS / "klarna_answers.json").read_text("utf-8"))[
        "answers"
    ]
}
SIGNED = json.loads((VECTORS / "webhooks_klarna.json").read_text("utf-8"))["vectors"]

ORDER_ID = "f3392f8b-6116-4073-ab96-e330819e0001"
REFUND_ID = "4ba29b50-be7b-44f5-a492-113e6a860001"
KLARNA = AccountView("klarna-eu", "sandbox", "https://api.playground.klarna.com")
KLARNA_REFUND = replace(
    STRIPE_REFUND,
    account=KLARNA,
    payment_reference=ORDER_ID,
    merchant_reference="rw-000123",
    amount_minor=5950,
    currency="SEK",
)
KNOWN = replace(KLARNA_REFUND, gateway_reference=REFUND_ID)
ORDER: dict[str, Any] = RECORDED["order"]["body"]
REFUND: dict[str, Any] = ORDER["refunds"][0]
LOCATION = f"https://api.klarna.com/ordermanagement/v1/orders/{ORDER_ID}/refunds"


def order(*refunds: dict[str, Any], **changes: Any) -> HttpResponse:
    return answer(200, ORDER | {"refunds": list(refunds)} | changes)


def booked(body: bytes = b"", **headers: str) -> HttpResponse:
    return answer(201, body, **headers)


def error(status: int, code: str, message: str = "No.", **headers: str) -> HttpResponse:
    body = {"correlation_id": "c-1", "error_code": code, "error_messages": [message]}
    return answer(status, body, **headers)
