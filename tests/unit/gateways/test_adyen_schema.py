"""Every order Adyen is sent, and every documented example, against its document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.contract import EventKind, Received
from tests.shared import SHARED
from tests.unit.gateways.driving import (
    ADYEN,
    ADYEN_REFUND,
    NOW,
    delivery,
    first_request,
    result_of,
)
from tests.unit.gateways.test_adyen_answers import RECORDED
from tests.unit.gateways.test_adyen_events import SECRET, signature

GATEWAY = Adyen()
SPEC = json.loads(
    (SHARED / "gateways/specs/adyen-checkout-refunds.json").read_text("utf-8")
)
REFUNDS = [
    replace(ADYEN_REFUND, **changes)
    for changes in (
        {},
        {"reason_code": "duplicate"},
        {"reason_code": "requested_by_customer"},
        {"reason_code": "return"},
        {"currency": "JPY", "amount_minor": 9899},
        {"currency": "ISK", "amount_minor": 5},
        {"currency": "KWD", "amount_minor": 1234},
        {"merchant_reference": 'rw "é" \\'},
    )
]


def check(instance: Any, name: str) -> None:
    schema = {
        "$ref": f"#/components/schemas/{name}",
        "components": SPEC["components"],
    }
    errors = list(Draft202012Validator(schema).iter_errors(instance))
    assert not errors, errors


@pytest.mark.parametrize("instruction", REFUNDS, ids=lambda i: i.reason_code)
def test_an_order_is_what_the_document_asks_for(instruction: Any) -> None:
    request = first_request(GATEWAY.refund(instruction))
    (template,) = (
        path
        for path in SPEC["paths"]
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), request.target)
    )
    assert template.endswith("/refunds")
    assert request.method.lower() in SPEC["paths"][template]
    body = json.loads(request.body)
    check(body, "PaymentRefundRequest")
    assert body["amount"]["value"] > 0
    assert body["reference"] == instruction.merchant_reference


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_recorded_answer_is_what_the_document_describes(
    recorded: dict[str, Any],
) -> None:
    is_error = recorded["status"] >= 400
    check(recorded["body"], "ServiceError" if is_error else "PaymentRefundResponse")


WEBHOOKS = {
    name: example["value"]
    for name, example in SPEC["components"]["examples"].items()
    if isinstance(example["value"], dict) and "notificationItems" in example["value"]
}
REFUNDS_BY_CODE = {"REFUND", "REFUND_FAILED", "REFUNDED_REVERSED", "POSTPONED_REFUND"}


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_documented_delivery_is_received_once_it_is_signed(name: str) -> None:
    document = json.loads(json.dumps(WEBHOOKS[name]))
    account = replace(ADYEN, settings={"merchant_account": "YOUR_MERCHANT_ACCOUNT"})
    for wrapped in document["notificationItems"]:
        item = wrapped["NotificationRequestItem"]
        item["merchantAccountCode"] = "YOUR_MERCHANT_ACCOUNT"
        extra = item.setdefault("additionalData", {})
        extra["hmacSignature"] = signature(item)
    account = replace(account, mode="live" if document["live"] == "true" else "sandbox")
    arrived = delivery(json.dumps(document).encode())
    verdict = result_of(GATEWAY.receive(account, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received)
    for event in verdict.events:
        assert event.type != "unreadable"
        assert (event.kind is EventKind.REFUND) is (event.type in REFUNDS_BY_CODE)
