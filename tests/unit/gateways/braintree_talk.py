"""What Braintree says, in its own words, for the tests of its adapter."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from graphql import build_schema, parse, validate
from graphql.execution.values import get_variable_values
from graphql.language import OperationDefinitionNode

from refundwatch.gateways.contract import AccountView
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from refundwatch.gateways.contract import HttpRequest, HttpResponse

BRAINTREE = AccountView(
    "braintree-us", "sandbox", "https://payments.sandbox.braintree-api.com"
)
SALE_ID = "dHJhbnNhY3Rpb25fcndzYWxlMDAwMQ"
REFUND_ID = "cmVmdW5kX3J3cmVmdW5kMDE"
REFUND = replace(
    STRIPE_REFUND,
    account=BRAINTREE,
    payment_reference="rwsale0001",
    merchant_reference="rw-r-000123",
    amount_minor=1250,
    currency="USD",
    payment_captured_minor=5000,
)
KNOWN = replace(REFUND, gateway_reference="rwrefund01")
SIGNED = json.loads((VECTORS / "webhooks_braintree.json").read_text("utf-8"))
PAIR = f"{SIGNED['public_key']}:{SIGNED['private_key']}"

# --- answers ----------------------------------------------------------------------


def said(data: Any, *errors: dict[str, Any], status: int = 200) -> HttpResponse:
    body: dict[str, Any] = {"data": data, "extensions": {"requestId": "6f0c2a34"}}
    if errors:
        body["errors"] = list(errors)
    return answer(status, body)


def error(kind: str | None, code: str | None = None) -> dict[str, Any]:
    extensions: dict[str, Any] = {"errorType": "user_error"}
    if kind is not None:
        extensions["errorClass"] = kind
    if code is not None:
        extensions["legacyCode"] = code
    return {"message": "x", "path": ["refundTransaction"], "extensions": extensions}


def failed(kind: str | None, code: str | None = None) -> HttpResponse:
    return said({"refundTransaction": None}, error(kind, code))


def money(value: str, currency: str = "USD") -> dict[str, str]:
    return {"value": value, "currencyCode": currency}


def refund(**changes: Any) -> dict[str, Any]:
    return {
        "id": REFUND_ID,
        "legacyId": "rwrefund01",
        "status": "SUBMITTED_FOR_SETTLEMENT",
        "orderId": "rw-r-000123",
        "createdAt": "2026-03-02T10:12:07.000000Z",
        "amount": money("12.50"),
        "refundedTransaction": {
            "id": SALE_ID,
            "legacyId": "rwsale0001",
            "orderId": "shop-1",
        },
        "statusHistory": [{"status": "SUBMITTED_FOR_SETTLEMENT"}],
        **changes,
    }


def sale(**changes: Any) -> dict[str, Any]:
    return {
        "__typename": "Transaction",
        "id": SALE_ID,
        "legacyId": "rwsale0001",
        "status": "SETTLED",
        "orderId": "shop-1",
        "amount": money("50.00"),
        "refunds": [],
        **changes,
    }


def identity(of: str = SALE_ID) -> HttpResponse:
    return said({"idFromLegacyId": of})


def node(found: dict[str, Any] | None) -> HttpResponse:
    return said({"node": found})


def refunded(**changes: Any) -> HttpResponse:
    payload = {"clientMutationId": "rw-r-000123", "refund": refund(**changes)}
    return said({"refundTransaction": payload})


def reversed_as(reversal: dict[str, Any]) -> HttpResponse:
    payload = {"clientMutationId": "rw-r-000123", "reversal": reversal}
    return said({"reverseTransaction": payload})


# --- requests ---------------------------------------------------------------------


def asked(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


def variables(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = asked(request)["variables"]
    return found


def order_input(request: HttpRequest) -> dict[str, Any]:
    found: dict[str, Any] = variables(request)["input"]
    return found


@cache
def schema() -> GraphQLSchema:
    from tests.shared import SHARED

    path = SHARED / "gateways/specs/braintree-refunds.graphql"
    return build_schema(path.read_text("utf-8"))


def valid(request: HttpRequest) -> None:
    """Fail where a request is not what the official schema allows."""
    assert (request.method, request.target) == ("POST", "/graphql")
    body = asked(request)
    assert body.keys() == {"query", "variables"}
    document = parse(body["query"])
    assert not validate(schema(), document), validate(schema(), document)
    (operation,) = (
        one for one in document.definitions if isinstance(one, OperationDefinitionNode)
    )
    definitions = operation.variable_definitions or ()
    assert {one.variable.name.value for one in definitions} == body["variables"].keys()
    found = get_variable_values(schema(), list(definitions), body["variables"])
    assert not isinstance(found, list), found
