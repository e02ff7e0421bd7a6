from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.sandbox.hands import CAPTURE, PI, PSP, Hands, body_of
from tests.shared import SHARED

SPECS = SHARED / "gateways/specs"


def spec_of(name: str) -> dict[str, Any]:
    return json.loads((SPECS / f"{name}.json").read_text())


def check(spec: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    wanted = {**schema, "components": spec["components"]}
    jsonschema.Draft202012Validator(wanted).validate(value)


def response_schema(
    spec: dict[str, Any], path: str, method: str, status: str
) -> dict[str, Any]:
    answer = spec["paths"][path][method]["responses"][status]
    return next(iter(answer["content"].values()))["schema"]


def nullable(node: Any) -> Any:
    """Turn OpenAPI 3.0's ``nullable`` into what JSON Schema understands."""
    if isinstance(node, list):
        return [nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: nullable(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


STRIPE = nullable(spec_of("stripe-refunds"))
ADYEN = spec_of("adyen-checkout-refunds")
PAYPAL = spec_of("paypal-refunds")


@pytest.mark.parametrize("faults", [{}, {"pending_first": 1.0}, {"fails_late": 1.0}])
def test_stripes_answers_fit_the_official_schema(faults: dict[str, float]) -> None:
    hands = Hands(**faults)
    refund = body_of(hands.stripe_refund())
    hands.wait(600)
    check(STRIPE, response_schema(STRIPE, "/v1/refunds", "post", "200"), refund)
    reads = {
        "/v1/refunds/{refund}": f"/v1/refunds/{refund['id']}",
        "/v1/refunds": "/v1/refunds",
        "/v1/payment_intents/{intent}": f"/v1/payment_intents/{PI}",
        "/v1/charges/{charge}": "/v1/charges/ch_3RwTest0001",
        "/v1/balance": "/v1/balance",
        "/v1/events": "/v1/events",
    }
    for path, target in reads.items():
        found = body_of(hands.stripe("GET", target))
        check(STRIPE, response_schema(STRIPE, path, "get", "200"), found)


def test_stripes_errors_fit_the_official_schema() -> None:
    hands = Hands()
    replies = (
        hands.stripe_refund(99_999),
        hands.stripe_refund(pi="pi_none"),
        hands.stripe("POST", "/v1/refunds", {"colour": "red"}),
        hands.stripe("GET", "/v1/balance", Authorization=""),
    )
    schema = response_schema(STRIPE, "/v1/refunds", "post", "default")
    for reply in replies:
        check(STRIPE, schema, body_of(reply))


def test_adyens_answers_fit_the_official_schema() -> None:
    hands = Hands()
    for what in ("refunds", "reversals", "cancels"):
        body: dict[str, Any] = {"merchantAccount": "SandboxECOM", "reference": "r"}
        if what == "refunds":
            body["amount"] = {"currency": "EUR", "value": 1}
        reply = hands.adyen(f"/v72/payments/{PSP}/{what}", body)
        path = f"/payments/{{paymentPspReference}}/{what}"
        check(ADYEN, response_schema(ADYEN, path, "post", "201"), body_of(reply))
    bad = hands.adyen(f"/v72/payments/{PSP}/refunds", {"merchantAccount": "No"})
    path = "/payments/{paymentPspReference}/refunds"
    check(ADYEN, response_schema(ADYEN, path, "post", "403"), body_of(bad))


@pytest.mark.parametrize(
    ("faults", "events"),
    [
        ({}, {"REFUND"}),
        ({"refusal": 1.0}, {"REFUND"}),
        ({"bounces": 1.0}, {"REFUND", "REFUND_FAILED", "REFUNDED_REVERSED"}),
    ],
)
def test_adyens_webhooks_fit_the_official_schema(
    faults: dict[str, float], events: set[str]
) -> None:
    hands = Hands(**faults)
    for number in range(8):
        hands.adyen_refund(100, reference=f"rw-{number}")
    hands.world.model("adyen").dispute(PSP, hands.now, chargeback=True)
    seen = set()
    for post in hands.wait(3_600):
        seen.add(post.event)
        call = ADYEN["webhooks"][f"/{post.event}"]["post"]["requestBody"]
        check(
            ADYEN, call["content"]["application/json"]["schema"], json.loads(post.body)
        )
    assert seen == events | {"CHARGEBACK"}


@pytest.mark.parametrize("faults", [{}, {"pending_first": 1.0}, {"fails_late": 1.0}])
def test_paypals_answers_fit_the_official_schema(faults: dict[str, float]) -> None:
    hands = Hands(**faults)
    refund = body_of(hands.paypal_refund())
    hands.wait(600)
    path = "/v2/payments/captures/{capture_id}/refund"
    check(PAYPAL, response_schema(PAYPAL, path, "post", "201"), refund)
    capture = body_of(hands.paypal("GET", f"/v2/payments/captures/{CAPTURE}"))
    order_id = capture["supplementary_data"]["related_ids"]["order_id"]
    reads = {
        "/v2/payments/refunds/{refund_id}": f"/v2/payments/refunds/{refund['id']}",
        "/v2/payments/captures/{capture_id}": f"/v2/payments/captures/{CAPTURE}",
        "/v2/checkout/orders/{id}": f"/v2/checkout/orders/{order_id}",
        "/v1/notifications/webhooks-events": "/v1/notifications/webhooks-events",
        "/v1/notifications/webhooks-event-types": (
            "/v1/notifications/webhooks-event-types"
        ),
    }
    for path, target in reads.items():
        reply = hands.paypal("GET", target)
        assert reply.status == 200
        check(PAYPAL, response_schema(PAYPAL, path, "get", "200"), body_of(reply))


def test_paypals_errors_fit_the_official_schema() -> None:
    hands = Hands()
    path = "/v2/payments/captures/{capture_id}/refund"
    cases = {
        "422": hands.paypal_refund("99.00"),
        "404": hands.paypal_refund(capture="0" * 17),
        "400": hands.paypal_refund("1,0"),
    }
    for status, reply in cases.items():
        assert str(reply.status) == status
        check(PAYPAL, response_schema(PAYPAL, path, "post", status), body_of(reply))
