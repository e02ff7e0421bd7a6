"""Every request Stripe is sent, against its official OpenAPI document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_schema_validator import OAS30Validator

from refundwatch.gateways.stripe.adapter import Stripe
from tests.shared import SHARED
from tests.unit.gateways.driving import STRIPE, STRIPE_REFUND, first_request
from tests.unit.gateways.test_stripe_answers import RECORDED

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

GATEWAY = Stripe()
SPEC = json.loads((SHARED / "gateways/specs/stripe-refunds.json").read_text("utf-8"))
KNOWN = replace(STRIPE_REFUND, gateway_reference="re_1")

REFUNDS = [
    replace(STRIPE_REFUND, **changes)
    for changes in (
        {},
        {"payment_reference": "ch_1"},
        {"payment_reference": "py_1"},
        {"reason_code": "duplicate"},
        {"reason_code": "requested_by_customer"},
        {"currency": "JPY", "amount_minor": 9899},
        {"currency": "ISK", "amount_minor": 5},
        {"currency": "KWD", "amount_minor": 1230},
        {"merchant_reference": "rw & é [x]=1"},
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


def nested(pairs: list[tuple[str, str]], schema: dict[str, Any]) -> dict[str, Any]:
    """Undo deepObject and array brackets; read numbers where the schema has them."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        outer, _, inner = name.partition("[")
        kind = schema["properties"][outer].get("type")
        if inner == "]":
            read.setdefault(outer, []).append(value)
        elif inner:
            read.setdefault(outer, {})[inner.removesuffix("]")] = value
        else:
            read[outer] = int(value) if kind == "integer" else value
    return read


def check(instance: Any, schema: dict[str, Any]) -> None:
    whole = schema | {"components": SPEC["components"]}
    errors = list(OAS30Validator(whole).iter_errors(instance))
    assert not errors, errors


@pytest.mark.parametrize("instruction", REFUNDS, ids=lambda i: i.payment_reference)
def test_an_order_is_what_the_document_asks_for(instruction: Any) -> None:
    request = first_request(GATEWAY.refund(instruction))
    content = operation(request)["requestBody"]["content"]
    schema = content[dict(request.headers)["Content-Type"]]["schema"]
    form = nested(parse_qsl(request.body.decode("ascii")), schema)
    check(form, schema)
    assert form["amount"] > 0
    assert form["metadata"]["rw_id"] == instruction.merchant_reference


@pytest.mark.parametrize(
    "request_",
    [
        first_request(GATEWAY.look_up(KNOWN)),
        first_request(GATEWAY.look_up(replace(KNOWN, payment_reference="ch_1"))),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(STRIPE, "pi_1", "EUR")),
        first_request(GATEWAY.read_payment(STRIPE, "ch_1", "EUR")),
        first_request(GATEWAY.probe(STRIPE)),
    ],
    ids=lambda r: r.target,
)
def test_a_read_asks_with_documented_parameters(request_: HttpRequest) -> None:
    parameters = {
        p["name"]: p["schema"]
        for p in operation(request_)["parameters"]
        if p["in"] == "query"
    }
    query = parse_qsl(urlsplit(request_.target).query)
    for name, value in nested(query, {"properties": parameters}).items():
        check(value, parameters[name])


# Nulls are left out: the validator does not know `nullable` beside `anyOf`. The
# expanded objects of one recorded answer are shortened.
@pytest.mark.parametrize(
    "body",
    [r["body"] for r in RECORDED if "expanded" not in r["name"]],
    ids=lambda b: str(b["status"]),
)
def test_a_recorded_answer_is_what_the_document_describes(body: dict[str, Any]) -> None:
    stated = {name: value for name, value in body.items() if value is not None}
    check(stated, {"$ref": "#/components/schemas/refund"})
