"""Every request Square is sent, and every recorded answer, against its document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_schema_validator import OAS30Validator

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.gateways.square import facts
from refundwatch.gateways.square.adapter import Square
from tests.shared import SHARED
from tests.unit.gateways.driving import first_request
from tests.unit.gateways.square import PAYMENT_ID, RECORDED, SQUARE, SQUARE_REFUND
from tests.unit.gateways.test_square_settlement import ENTRY

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

GATEWAY = Square()
SPEC = json.loads((SHARED / "gateways/specs/square-refunds.json").read_text("utf-8"))
KNOWN = replace(SQUARE_REFUND, gateway_reference="RFD7")


def operation(request: HttpRequest) -> dict[str, Any]:
    path = urlsplit(request.target).path
    for template, methods in SPEC["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and request.method.lower() in methods:
            found: dict[str, Any] = methods[request.method.lower()]
            return found
    raise AssertionError(f"{request.method} {path} is not documented")


def check(instance: Any, schema: dict[str, Any]) -> None:
    whole = schema | {"components": SPEC["components"]}
    errors = list(OAS30Validator(whole).iter_errors(instance))
    assert not errors, errors


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"currency": "JPY", "amount_minor": 9899},
        {"currency": "KWD", "amount_minor": 1234},
        {"merchant_reference": "r" * 192},
        {"idempotency_key": "k" * 45},
    ],
    ids=str,
)
def test_an_order_is_what_the_document_asks_for(changes: dict[str, Any]) -> None:
    request = first_request(GATEWAY.refund(replace(SQUARE_REFUND, **changes)))
    content = operation(request)["requestBody"]["content"]
    schema = content[dict(request.headers)["Content-Type"]]["schema"]
    body = json.loads(request.body)
    check(body, schema)
    known = SPEC["components"]["schemas"]["RefundPaymentRequest"]["properties"]
    assert set(body) <= set(known)


@pytest.mark.parametrize(
    "request_",
    [
        first_request(GATEWAY.look_up(KNOWN)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(SQUARE, PAYMENT_ID, "EUR")),
        first_request(GATEWAY.probe(SQUARE)),
    ],
    ids=lambda r: r.operation,
)
def test_a_read_asks_with_documented_parameters(request_: HttpRequest) -> None:
    parameters = {
        p["name"] for p in operation(request_)["parameters"] if p["in"] == "query"
    }
    query = dict(parse_qsl(urlsplit(request_.target).query))
    assert set(query) <= parameters


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_recorded_answer_is_what_the_document_describes(
    recorded: dict[str, Any],
) -> None:
    check(recorded["body"], {"$ref": "#/components/schemas/RefundPaymentResponse"})


ORDER = SPEC["paths"]["/v2/refunds"]["post"]
OF_ORDER = {one["error-code"] for one in ORDER["x-endpoint-errors"]}


def test_every_code_we_know_is_documented() -> None:
    documented = set(SPEC["components"]["schemas"]["ErrorCode"]["enum"]) | OF_ORDER
    assert documented >= facts.REFUSALS
    assert documented >= facts.CREDENTIAL_CODES
    assert documented >= {facts.KEY_REUSED, facts.ALREADY_PENDING, facts.LIMITED}


def test_every_code_of_the_order_has_its_class() -> None:
    assert facts.REFUSALS | facts.CREDENTIAL_CODES >= OF_ORDER


def test_exactly_the_currencies_that_the_document_has_are_sent() -> None:
    documented = set(SPEC["components"]["schemas"]["Currency"]["enum"])
    assert set(EXPONENTS) - documented == facts.REFUSED_CURRENCIES


def test_every_type_of_entry_we_name_is_documented() -> None:
    schemas = SPEC["components"]["schemas"]
    assert set(facts.LINE_KINDS) <= set(schemas["ActivityType"]["enum"])
    assert set(ENTRY) <= set(schemas["PayoutEntry"]["properties"])
