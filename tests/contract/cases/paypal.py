"""PayPal, as the shared suite sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Credentials,
    Heard,
    NotProcessed,
    PaymentRead,
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import conforms_to_openapi
from tests.unit.gateways.driving import PAYPAL, PAYPAL_REFUND, VECTORS, answer
from tests.unit.gateways.test_paypal_reads import capture, order, refund

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

RECORDED = json.loads((VECTORS / "paypal_answers.json").read_text("utf-8"))["answers"]
SIGNED = json.loads((VECTORS / "webhooks_paypal.json").read_text("utf-8"))["vectors"]
GOOD: dict[str, Any] = RECORDED[0]["body"]


def valid(request: HttpRequest) -> None:
    conforms_to_openapi("paypal-refunds.json", request)


def told(request: HttpRequest) -> dict[str, str]:
    amount: dict[str, str] = json.loads(request.body)["amount"]
    return amount


def echo(amount: Amount) -> HttpResponse:
    stated = {"currency_code": amount.currency, "value": amount.written}
    return answer(201, GOOD | {"amount": stated})


def error(status: int, name: str, issue: str, outcome: type, **said: object) -> Coded:
    body = {"name": name, "message": "x", "details": [{"issue": issue}]}
    return Coded(issue, answer(status, body), outcome, said)


def rejected(issue: str, **said: object) -> Coded:
    return error(422, "UNPROCESSABLE_ENTITY", issue, RefusedByGateway, **said)


def delivered(vector: dict[str, Any]) -> Delivered:
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    settings = {
        "webhook_id": vector["webhook_id"],
        "webhook_ca_pem": vector["trust_anchor_pem"],
    }
    certificate = vector["cert_served_at_cert_url_pem"].encode()
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(headers, vector["body_utf8"].encode()),
        secrets=(),
        at=datetime.fromisoformat(headers["paypal-transmission-time"]),
        signed=(
            "paypal-transmission-sig",
            "paypal-transmission-id",
            "paypal-transmission-time",
        ),
        responses=(answer(200, certificate),),
        account=replace(PAYPAL, settings=settings),
    )


REJECTED = (
    "CANNOT_BE_ZERO_OR_NEGATIVE",
    "CANNOT_BE_NEGATIVE",
    "DECIMAL_PRECISION",
    "DECIMALS_NOT_SUPPORTED",
    "INVALID_CURRENCY_CODE",
    "CURRENCY_MISMATCH",
    "REFUND_CAPTURE_CURRENCY_MISMATCH",
    "REFUND_NOT_ALLOWED",
    "REFUND_TIME_LIMIT_EXCEEDED",
    "REFUND_AMOUNT_TOO_LOW",
    "PARTIAL_REFUND_NOT_ALLOWED",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
    "TRANSACTION_DISPUTED",
    "REFUND_IS_RESTRICTED",
    "PLATFORM_FEE_EXCEEDED",
    "PLATFORM_FEE_NOT_ENABLED",
    "PENDING_CAPTURE",
)
ERRORS = (
    *(
        error(400, "INVALID_REQUEST", issue, RefusedByGateway)
        for issue in (
            "MISSING_REQUIRED_PARAMETER",
            "INVALID_PARAMETER_SYNTAX",
            "INVALID_STRING_LENGTH",
        )
    ),
    error(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", RefusedByGateway),
    *(rejected(issue) for issue in REJECTED),
    rejected("REFUND_AMOUNT_EXCEEDED", may_be_echo=True),
    rejected("CAPTURE_FULLY_REFUNDED", may_be_echo=True),
    rejected("REFUND_FAILED_INSUFFICIENT_FUNDS", insufficient_funds=True),
    error(422, "UNPROCESSABLE_ENTITY", "DUPLICATE_INVOICE_ID", Unsure),
    error(429, "RATE_LIMIT_REACHED", "RATE_LIMIT_REACHED", NotProcessed),
    error(500, "INTERNAL_SERVER_ERROR", "INTERNAL_SERVER_ERROR", Unsure),
    error(503, "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", Unsure),
    error(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS", Unsure),
    error(403, "NOT_AUTHORIZED", "PERMISSION_DENIED", Unauthorized),
    error(422, "UNPROCESSABLE_ENTITY", "PAYEE_ACCOUNT_RESTRICTED", Unauthorized),
    error(422, "UNPROCESSABLE_ENTITY", "PAYEE_ACCOUNT_LOCKED_OR_CLOSED", Unauthorized),
    Coded("invalid_token", answer(401, {"error": "invalid_token"}), Unauthorized),
    error(401, "AUTHENTICATION_FAILURE", "AUTHENTICATION_FAILURE", Unauthorized),
)

CASE = GatewayCase(
    name="paypal",
    instruction=PAYPAL_REFUND,
    credentials=Credentials(
        {"client_id": "client-id-hidden-1", "client_secret": "secret-hidden-1"}
    ),
    valid=valid,
    amount_in=lambda request: told(request)["value"],
    currency_in=lambda request: told(request)["currency_code"],
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "10.50"),
        Amount(9899, "JPY", "9899"),
        Amount(1234500, "HUF", "12345"),
        Amount(500, "TWD", "5"),
    ),
    impossible=((1050, "HUF"), (1, "ZZZ")),
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
            if one["operation"] == "refund" and "word" in one["expected"]
        ),
        Answered(
            "capture and order",
            "read_payment",
            (answer(200, capture("PARTIALLY_REFUNDED")), answer(200, order(refund(1)))),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1050},
        ),
        Answered(
            "probe",
            "probe",
            (answer(200, {"event_types": []}),),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset({coded.code for coded in ERRORS}),
    errors=ERRORS,
    deliveries=tuple(
        delivered(one) for one in SIGNED if one["name"] == "refund-own-ca-valid"
    ),
    gateway_reference="1JU08902781691411",
)
