"""Everything that is exchanged with Checkout.com, against its official fragments."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.schemas import conforms, conforms_to_openapi, document
from tests.unit.gateways.checkout import (
    ACTION,
    CAPTURE,
    CHECKOUT_REFUND,
    RECORDED,
    authorized,
    payment,
)
from tests.unit.gateways.driving import answer
from tests.unit.gateways.test_checkout_requests import WHOLE, ordered

SPEC = "checkout-refunds.json"

ORDERS = [
    *(
        ordered(
            replace(CHECKOUT_REFUND, currency=currency, amount_minor=minor),
            answer(200, payment(currency=currency)),
        )
        for currency, minor in (("EUR", 1050), ("JPY", 9899), ("KWD", 1230), ("CLP", 5))
    ),
    ordered(WHOLE, answer(200, authorized())),
]


@pytest.mark.parametrize("request_", ORDERS, ids=lambda one: one.operation)
def test_an_order_is_what_the_document_asks_for(request_: Any) -> None:
    conforms_to_openapi(SPEC, request_)
    payment_id = request_.target.split("/")[2]
    pattern = document(SPEC)["components"]["schemas"]["PaymentId"]["pattern"]
    assert re.search(pattern, payment_id)
    body = json.loads(request_.body)
    assert ("amount" in body) is (request_.operation == "refund")


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: one["name"])
def test_a_recorded_answer_is_what_the_document_describes(
    recorded: dict[str, Any],
) -> None:
    name = {
        "refund": "RefundAcceptedResponse",
        "look_up": "PaymentActionsResponse",
    }[recorded["operation"]]
    spec = document(SPEC)
    schema = {"$ref": f"#/components/schemas/{name}"}
    body = recorded["body"]
    if isinstance(body, dict):
        # The document asks for two links and describes one.
        body = {key: value for key, value in body.items() if key != "_links"}
    conforms(spec, body, schema)


@pytest.mark.parametrize("body", [payment(), authorized()])
def test_a_payment_of_the_tests_is_what_the_document_describes(
    body: dict[str, Any],
) -> None:
    schema = {"$ref": "#/components/schemas/PaymentDetails"}
    conforms(document(SPEC), body, schema)


@pytest.mark.parametrize("body", [ACTION, CAPTURE])
def test_an_action_of_the_tests_is_what_the_document_describes(
    body: dict[str, Any],
) -> None:
    conforms(document(SPEC), body, {"$ref": "#/components/schemas/PaymentAction"})
