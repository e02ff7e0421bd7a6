"""Razorpay, as the shared suite sees it; no official schema of it exists."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

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
from tests.unit.gateways.driving import NOW, answer
from tests.unit.gateways.razorpay import (
    PAYMENT,
    PROCESSED,
    RAZORPAY_REFUND,
    RECORDED,
    REFUND,
    REFUND_ID,
    SIGNED,
    error,
    page,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

# razorpay/markdown-docs api/refunds/create-normal.md: the members of an order.
ORDER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["amount"],
    "properties": {
        "amount": {"type": "integer", "minimum": 1},
        "speed": {"enum": ["normal", "optimum"]},
        "receipt": {"type": "string"},
        "notes": {
            "type": "object",
            "maxProperties": 15,
            "additionalProperties": {"type": "string", "maxLength": 256},
        },
    },
}
READS = (
    r"/v1/payments/pay_\w{14}",
    r"/v1/payments/pay_\w{14}/refunds",
    r"/v1/refunds",
    r"/v1/refunds/rfnd_\w{14}",
)


def valid(request: HttpRequest) -> None:
    parts = urlsplit(request.target)
    if request.method == "GET":
        assert any(re.fullmatch(path, parts.path) for path in READS), parts.path
        assert dict(parse_qsl(parts.query)).keys() <= {"count", "skip", "from", "to"}
        return
    assert request.method == "POST"
    assert re.fullmatch(r"/v1/payments/pay_\w{14}/refund", request.target)
    headers = dict(request.headers)
    assert re.fullmatch(r"[A-Za-z0-9_-]{10,}", headers["X-Refund-Idempotency"])
    jsonschema.validate(json.loads(request.body), ORDER)


def amount_in(request: HttpRequest) -> str:
    return str(json.loads(request.body)["amount"])


def echo(amount: Amount) -> HttpResponse:
    told = {"amount": int(amount.written), "currency": amount.currency}
    return answer(200, REFUND | told)


def refused(code: str, description: str, **said: object) -> Coded:
    return Coded(code, error(400, description), RefusedByGateway, {"code": code} | said)


def coded(code: str, response: HttpResponse, outcome: type, **said: object) -> Coded:
    return Coded(code, response, outcome, said)


def delivered(vector: dict[str, Any]) -> Delivered:
    headers = {
        "x-razorpay-signature": vector["header_X-Razorpay-Signature"],
        "x-razorpay-event-id": "evt00000000001",
    }
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(headers, vector["body_utf8"].encode()),
        secrets=(vector["secret"],),
        at=NOW,
        signed=("x-razorpay-signature",),
    )


USED = "Different request with the same idempotency key has already been processed."
RUNNING = "Another request with the same idempotency key is still in progress."
ERRORS = (
    refused(
        "amount_not_refundable",
        "The refund amount provided is greater than amount captured.",
        may_be_echo=True,
    ),
    refused(
        "already_refunded",
        "The payment has been fully refunded already",
        may_be_echo=True,
    ),
    refused("amount_too_small", "The amount must be at least INR 1.00"),
    refused("id_invalid", "pay_x is not a valid id"),
    refused("id_unknown", "The id provided does not exist"),
    refused("url_unknown", "The requested URL was not found on the server."),
    refused(
        "not_captured", "The payment status should be captured for action to be taken"
    ),
    refused(
        "payment_too_old",
        "Refund is not supported by the bank because the payment is more than 6 months"
        " old",
    ),
    refused("field_unknown", "colour is/are not required and should not be sent"),
    refused("key_malformed", "The idempotency key must be at least 10 characters."),
    refused(
        "insufficient_balance",
        "Your account does not have enough balance to carry out the refund operation.",
        insufficient_funds=True,
    ),
    refused("invalid_request_sent", "invalid request sent", insufficient_funds=True),
    coded("key_used_before", error(400, USED), Unsure, replayed=True),
    coded(
        "receipt_used_before",
        error(400, "A refund with this receipt exists."),
        Unsure,
        replayed=True,
    ),
    coded("in_progress", error(409, RUNNING), Unsure, replayed=False),
    coded("GATEWAY_ERROR", error(400, "Trouble.", "GATEWAY_ERROR"), Unsure),
    coded("SERVER_ERROR", error(500, "Trouble.", "SERVER_ERROR"), Unsure),
    coded(
        "key store",
        error(500, "Failed to fetch idempotency record", "SERVER_ERROR"),
        Unsure,
    ),
    coded("limit", error(429, "Too many requests."), NotProcessed),
    coded(
        "credentials",
        error(401, "The API {key/secret} provided is invalid."),
        Unauthorized,
    ),
    coded("address", error(400, "Access Denied"), Unauthorized),
    coded("feature", error(400, "Refunds are not enabled."), Unauthorized),
)

CASE = GatewayCase(
    name="razorpay",
    instruction=RAZORPAY_REFUND,
    credentials=Credentials(
        {"key_id": "rzp_test_RwExample0001", "key_secret": "rw_key_secret_0001"}
    ),
    valid=valid,
    amount_in=amount_in,
    currency_in=lambda _request: None,
    echo=echo,
    amounts=(
        Amount(50000, "INR", "50000"),
        Amount(100, "INR", "100"),
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(295990, "KWD", "295990"),
        Amount(1230, "OMR", "1230"),
    ),
    impossible=((99, "INR"), (295991, "KWD"), (10000, "CLF"), (0, "INR"), (1, "ZZZ")),
    answers=(
        Answered(
            "pending",
            "refund",
            (answer(200, REFUND),),
            Heard,
            {
                "word": Word.PENDING,
                "evidence.gateway_reference": REFUND_ID,
                "evidence.merchant_reference": "rw-000123",
                "evidence.payment_reference": "pay_RW000000000001",
                "evidence.amount_minor": 50000,
            },
        ),
        Answered(
            "processed",
            "refund",
            (answer(200, PROCESSED),),
            Heard,
            {"word": Word.SUCCEEDED, "evidence.raw_status": "processed"},
        ),
        Answered(
            "failed",
            "refund",
            (answer(200, RECORDED["refund-failed-without-notes"]["body"]),),
            Heard,
            {"word": Word.FAILED, "evidence.merchant_reference": "rw-000123"},
        ),
        Answered(
            "more than captured",
            "refund",
            (answer(400, RECORDED["more-than-captured"]["body"]),),
            RefusedByGateway,
            {"may_be_echo": True},
        ),
        Answered(
            "listed",
            "look_up",
            (answer(200, RECORDED["refunds-of-payment"]["body"]),),
            Found,
            {"matches.0.word": Word.PENDING},
        ),
        Answered("not listed", "look_up", (page(),), Absent),
        Answered("read", "read_refund", (answer(200, PROCESSED),), Found),
        Answered(
            "payment",
            "read_payment",
            (answer(200, PAYMENT),),
            PaymentRead,
            {"captured_minor": 120000, "refunded_minor": 50000, "currency": "INR"},
        ),
        Answered(
            "payment missing",
            "read_payment",
            (error(400, "The id provided does not exist"),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered("probe", "probe", (page(),), ProbeResult, {"failure": None}),
    ),
    codes=frozenset(one.code for one in ERRORS)
    | {"GATEWAY_ERROR", "SERVER_ERROR", "insufficient_balance"},
    errors=ERRORS,
    deliveries=tuple(delivered(one) for one in SIGNED),
    gateway_reference=REFUND_ID,
)
