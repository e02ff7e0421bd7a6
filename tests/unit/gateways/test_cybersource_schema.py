"""Every request to Cybersource, and every recorded answer, against its document."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.shared import SHARED
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    CAPTURE,
    GATEWAY,
    GOOD,
    KNOWN,
    ORDER,
    RECORDED,
    capture,
    sale,
)
from tests.unit.gateways.driving import answer, drive, first_request
from tests.unit.gateways.test_cybersource_requests import DEBIT
from tests.unit.gateways.test_cybersource_settlement import PAGE

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

SPEC = json.loads(
    (SHARED / "gateways/specs/cybersource-refunds.json").read_text("utf-8")
)
PATHS = {
    "refund": "/pts/v2/captures/{id}/refunds",
    "read_refund": "/tss/v2/transactions/{id}",
    "read_payment": "/tss/v2/transactions/{id}",
    "look_up": "/tss/v2/searches",
}


def closed(schema: Any) -> Any:
    """Refuse members that are not documented: the document itself never does."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        if isinstance(made.get("properties"), dict):
            made["additionalProperties"] = False
        return made
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def check(instance: Any, schema: Any) -> None:
    errors = list(Draft202012Validator(schema).iter_errors(instance))
    assert not errors, errors


def operation(method: str, target: str) -> Any:
    (found,) = (
        methods[method.lower()]
        for template, methods in SPEC["paths"].items()
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), target)
    )
    return found


def valid(request: HttpRequest) -> None:
    described = operation(request.method, request.target)
    bodies = [p["schema"] for p in described["parameters"] if p["in"] == "body"]
    assert bool(bodies) is bool(request.body)
    for schema in bodies:
        check(json.loads(request.body), closed(schema))


def ordered(payment: Any, **changes: Any) -> HttpRequest:
    instruction = replace(ORDER, **changes)
    driven = drive(GATEWAY.refund(instruction), answer(200, payment), answer(201, GOOD))
    return driven.requests[1]


@pytest.mark.parametrize(
    "request_",
    [
        ordered(capture()),
        ordered(sale()),
        ordered(DEBIT),
        ordered(capture(), merchant_reference="r" * 50),
        first_request(GATEWAY.look_up(ORDER)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(ACCOUNT, CAPTURE, "EUR")),
        first_request(GATEWAY.cancel(KNOWN)),
        first_request(GATEWAY.probe(ACCOUNT)),
    ],
    ids=lambda r: f"{r.operation}-{r.target}",
)
def test_a_request_is_what_the_document_asks_for(request_: HttpRequest) -> None:
    valid(request_)


def test_the_document_refuses_what_it_does_not_know() -> None:
    good = ordered(capture())
    body = json.loads(good.body) | {"idempotencyKey": "x"}
    with pytest.raises(AssertionError):
        valid(replace(good, body=json.dumps(body).encode()))
    long = json.loads(good.body)
    long["clientReferenceInformation"]["transactionId"] = "x" * 31
    with pytest.raises(AssertionError):
        valid(replace(good, body=json.dumps(long).encode()))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_recorded_answer_is_what_the_document_describes(
    recorded: dict[str, Any],
) -> None:
    path = PATHS[recorded["operation"]]
    (described,) = SPEC["paths"][path].values()
    found = described["responses"].get(str(recorded["status"]))
    if found is not None:
        check(recorded["body"], found["schema"])


def test_the_page_is_what_the_document_describes() -> None:
    described = SPEC["paths"]["/reporting/v3/purchase-refund-details"]["get"]
    check(PAGE, described["responses"]["200"]["schema"])
