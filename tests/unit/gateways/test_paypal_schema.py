"""Every request PayPal is sent, against its official OpenAPI document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_schema_validator import OAS30Validator

from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.adapter import PayPal
from tests.shared import SHARED
from tests.unit.gateways.driving import (
    PAYPAL,
    PAYPAL_REFUND,
    answer,
    drive,
    first_request,
)
from tests.unit.gateways.test_paypal_answers import RECORDED
from tests.unit.gateways.test_paypal_reads import capture, order

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

GATEWAY = PayPal()
SPEC = json.loads((SHARED / "gateways/specs/paypal-refunds.json").read_text("utf-8"))
ORDER = SPEC["paths"]["/v2/payments/captures/{capture_id}/refund"]["post"]
KNOWN = replace(PAYPAL_REFUND, gateway_reference="1JU08902781691411")

REFUNDS = [
    replace(PAYPAL_REFUND, **changes)
    for changes in (
        {},
        {"currency": "JPY", "amount_minor": 9899},
        {"currency": "HUF", "amount_minor": 1234500},
        {"currency": "TWD", "amount_minor": 500},
        {"amount_minor": 1},
        {"amount_minor": 2**53 - 1, "currency": "USD"},
        {"merchant_reference": "a-Z_0.9," * 15},
        {"idempotency_key": "k" * 108},
        {"reason_code": "duplicate"},
    )
]


def operation(request: HttpRequest) -> dict[str, Any]:
    path = urlsplit(request.target).path
    for template, methods in SPEC["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and request.method.lower() in methods:
            found: dict[str, Any] = methods[request.method.lower()]
            return found
    raise AssertionError(f"{request.method} {path} is not documented")


def parameters(described: dict[str, Any], where: str) -> dict[str, Any]:
    stated = described.get("parameters", ())
    resolved = [
        SPEC["components"]["parameters"][one["$ref"].rpartition("/")[2]]
        if "$ref" in one
        else one
        for one in stated
    ]
    return {one["name"]: one["schema"] for one in resolved if one["in"] == where}


def check(instance: Any, schema: dict[str, Any]) -> None:
    whole = schema | {"components": SPEC["components"]}
    errors = list(OAS30Validator(whole).iter_errors(instance))
    assert not errors, errors


def documented_issues(schema: Any) -> set[str]:
    """Give every issue that the document lists below a schema."""
    if isinstance(schema, dict):
        if "enum" in schema.get("issue", {}):
            return set(schema["issue"]["enum"])
        return set().union(*map(documented_issues, schema.values()))
    if isinstance(schema, list):
        return set().union(*map(documented_issues, schema))
    return set()


@pytest.mark.parametrize("instruction", REFUNDS, ids=range(len(REFUNDS)))
def test_an_order_is_what_the_document_asks_for(instruction: Any) -> None:
    request = first_request(GATEWAY.refund(instruction))
    described = operation(request)
    assert described is ORDER
    headers = dict(request.headers)
    content = described["requestBody"]["content"]
    schema = content[headers.pop("Content-Type")]["schema"]
    body = json.loads(request.body)
    check(body, schema)
    known = SPEC["components"]["schemas"]["refund_request"]["properties"]
    assert body.keys() <= known.keys()
    assert headers.keys() <= parameters(described, "header").keys()
    # The object that comes back narrows our reference further.
    check({"custom_id": body["custom_id"]}, {"$ref": "#/components/schemas/refund"})


def test_the_document_would_refuse_an_amount_that_is_a_number() -> None:
    schema = ORDER["requestBody"]["content"]["application/json"]["schema"]
    with pytest.raises(AssertionError):
        check({"amount": {"value": 10.5, "currency_code": "EUR"}}, schema)


def test_reads_ask_with_documented_paths_and_parameters() -> None:
    whole = answer(200, capture("REFUNDED"))
    reads = [
        *drive(
            GATEWAY.look_up(KNOWN), whole, answer(404, b""), answer(404, b"")
        ).requests,
        *drive(GATEWAY.look_up(KNOWN), whole, answer(200, order())).requests,
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(PAYPAL, "2GG279541U471931P", "EUR")),
        first_request(GATEWAY.probe(PAYPAL)),
    ]
    assert len({read.target for read in reads}) == 5
    for read in reads:
        described = parameters(operation(read), "query")
        for name, value in parse_qsl(urlsplit(read.target).query):
            number = described[name].get("type") == "integer"
            check(int(value) if number else value, described[name])


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_recorded_answer_is_what_the_document_describes(recorded: Any) -> None:
    check(recorded["body"], {"$ref": "#/components/schemas/refund"})


@pytest.mark.parametrize("status", sorted(facts.REFUSALS))
def test_every_issue_of_the_document_has_a_class_and_no_other_has(status: int) -> None:
    names = {
        400: "captures.refund-400",
        404: "404",
        422: "captures.refund-422",
    }
    documented = documented_issues(SPEC["components"]["schemas"][names[status]])
    classed = facts.REFUSALS[status] | facts.EXECUTED_BEFORE
    assert documented <= classed
    assert facts.REFUSALS[status] - documented == set()


def test_every_documented_status_of_a_refund_has_a_word() -> None:
    schema = SPEC["components"]["schemas"]["refund_status"]["properties"]["status"]
    assert set(schema["enum"]) == facts.WORDS.keys()


def test_every_documented_status_of_a_capture_is_known() -> None:
    schema = SPEC["components"]["schemas"]["capture_status"]["properties"]["status"]
    assert set(schema["enum"]) == facts.CAPTURED | facts.NOTHING_REFUNDED
