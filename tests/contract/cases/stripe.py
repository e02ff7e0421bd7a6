"""Stripe, as the shared suite sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Credentials,
    Found,
    Heard,
    NotProcessed,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import conforms, document, operation
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS, answer

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

RECORDED = json.loads((VECTORS / "stripe_answers.json").read_text("utf-8"))["answers"]
SIGNED = json.loads((VECTORS / "webhooks_stripe.json").read_text("utf-8"))["vectors"]
GOOD: dict[str, Any] = RECORDED[0]["body"]
ECHOED = {
    "JPY": "9899",
    "KWD": "1230",
    "EUR": "1050",
    "ISK": "500",
    "UGX": "700",
}


def valid(request: HttpRequest) -> None:
    spec = document("stripe-refunds.json")
    described = operation(spec, request)
    query = parse_qsl(urlsplit(request.target).query)
    shapes = {p["name"]: p["schema"] for p in described.get("parameters", ())}
    for name, value in _nested(query, shapes).items():
        conforms(spec, value, shapes[name])
    if request.method == "POST":
        content = described["requestBody"]["content"]
        schema = content[dict(request.headers)["Content-Type"]]["schema"]
        form = parse_qsl(request.body.decode("ascii"), strict_parsing=True)
        conforms(spec, _nested(form, schema["properties"]), schema)


def _nested(pairs: list[tuple[str, str]], shapes: dict[str, Any]) -> dict[str, Any]:
    """Undo deepObject and array brackets; read numbers where the schema has them."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        outer, _, inner = name.partition("[")
        kind = shapes[outer].get("type")
        if inner == "]":
            read.setdefault(outer, []).append(value)
        elif inner:
            read.setdefault(outer, {})[inner.removesuffix("]")] = value
        else:
            read[outer] = int(value) if kind == "integer" else value
    return read


def amount_in(request: HttpRequest) -> str:
    (amount,) = parse_qs(request.body.decode("ascii"))["amount"]
    return amount


def echo(amount: Amount) -> HttpResponse:
    told = {"currency": amount.currency.lower(), "amount": int(amount.written)}
    return answer(200, GOOD | told)


def refused(status: int, code: str, **said: object) -> Coded:
    return error(status, code, RefusedByGateway, **said)


def error(status: int, code: str, outcome: type, **said: object) -> Coded:
    body = {"error": {"type": "invalid_request_error", "code": code, "message": "x"}}
    return Coded(code, answer(status, body), outcome, said)


def delivered(vector: dict[str, Any]) -> Delivered:
    header = {"stripe-signature": vector["header_Stripe-Signature"]}
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(header, vector["body_utf8"].encode()),
        secrets=(vector["secret"], *vector["other_valid_secrets"]),
        at=datetime.fromtimestamp(vector["timestamp"], UTC),
        signed=("stripe-signature",),
    )


REJECTED = (
    "parameter_missing",
    "parameter_unknown",
    "parameter_invalid_integer",
    "amount_too_small",
    "charge_not_refundable",
    "charge_disputed",
    "refund_disputed_payment",
    "charge_invalid_parameter",
    "livemode_mismatch",
)
ERRORS = (
    *(refused(400, code) for code in REJECTED),
    refused(404, "resource_missing"),
    refused(400, "amount_too_large", may_be_echo=True),
    refused(400, "charge_already_refunded", may_be_echo=True),
    refused(400, "balance_insufficient", insufficient_funds=True),
    error(429, "rate_limit", NotProcessed),
    error(429, "lock_timeout", NotProcessed),
    error(400, "rate_limit", NotProcessed),
    error(409, "idempotency_key_in_use", Unsure),
    error(401, "api_key_expired", Unauthorized),
    error(401, "platform_api_key_expired", Unauthorized),
    error(401, "secret_key_required", Unauthorized),
)
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount_captured": 5000,
    "amount_refunded": 1050,
    "currency": "eur",
    "status": "succeeded",
    "disputed": False,
    "livemode": False,
}

CASE = GatewayCase(
    name="stripe",
    instruction=replace(STRIPE_REFUND, payment_captured_minor=5000),
    credentials=Credentials({"api_key": "sk_test_hidden_0001"}),
    valid=valid,
    amount_in=amount_in,
    currency_in=lambda _request: None,
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(1230, "KWD", "1230"),
        Amount(5, "ISK", "500"),
        Amount(7, "UGX", "700"),
    ),
    impossible=((1234, "KWD"), (1000, "LYD"), (1, "ZZZ")),
    answers=(
        *(
            Answered(
                one["name"],
                "refund",
                (answer(one["status"], one["body"]),),
                Heard,
                {"word": Word(one["expected"]["word"])},
            )
            for one in RECORDED
        ),
        Answered(
            "listed",
            "look_up",
            (answer(200, {"object": "list", "data": [GOOD], "has_more": False}),),
            Found,
            {"matches.0.word": Word.SUCCEEDED},
        ),
        Answered(
            "not listed",
            "look_up",
            (answer(200, {"object": "list", "data": [], "has_more": False}),),
            Absent,
        ),
        Answered(
            "charge read",
            "read_payment",
            (answer(200, CHARGE),),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1050, "currency": "EUR"},
            replace(STRIPE_REFUND, payment_reference="ch_1"),
        ),
        Answered(
            "payment missing",
            "read_payment",
            (answer(404, {"error": {"code": "resource_missing"}}),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "probe",
            "probe",
            (answer(200, {"object": "balance", "livemode": False}),),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset(REJECTED)
    | {
        "amount_too_large",
        "resource_missing",
        "charge_already_refunded",
        "balance_insufficient",
        "rate_limit",
        "lock_timeout",
        "idempotency_key_in_use",
        "api_key_expired",
        "platform_api_key_expired",
        "secret_key_required",
    },
    errors=ERRORS,
    deliveries=tuple(delivered(one) for one in SIGNED if one["expect"] == "valid"),
)
