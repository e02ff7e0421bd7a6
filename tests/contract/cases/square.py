"""Square, as the shared suite sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Credentials,
    Found,
    Heard,
    LookupFailed,
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
from tests.contract.schemas import conforms_to_openapi
from tests.unit.gateways.driving import NOW, VECTORS, answer
from tests.unit.gateways.square import (
    GOOD,
    RECORDED,
    SQUARE,
    SQUARE_REFUND,
    money,
    payment,
    refund,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

SIGNED = json.loads((VECTORS / "webhooks_square.json").read_text("utf-8"))["vectors"]
SIGNATURE = "x-square-hmacsha256-signature"


def valid(request: HttpRequest) -> None:
    conforms_to_openapi("square-refunds.json", request)


def amount_in(request: HttpRequest) -> str:
    return str(json.loads(request.body)["amount_money"]["amount"])


def currency_in(request: HttpRequest) -> str:
    currency: str = json.loads(request.body)["amount_money"]["currency"]
    return currency


def echo(amount: Amount) -> HttpResponse:
    stated = money(int(amount.written), amount.currency)
    return answer(200, {"refund": GOOD | {"amount_money": stated}})


def error(status: int, code: str, outcome: type, **said: object) -> Coded:
    errors = [{"category": "INVALID_REQUEST_ERROR", "code": code, "detail": "x"}]
    return Coded(code, answer(status, {"errors": errors}), outcome, said)


def delivered(vector: dict[str, Any], word: Word) -> Delivered:
    settings = {"notification_url": vector["notification_url"]}
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(
            {SIGNATURE: vector["signature"]}, vector["body_utf8"].encode()
        ),
        secrets=(vector["signature_key"],),
        at=NOW,
        signed=(SIGNATURE,),
        account=replace(SQUARE, settings=settings),
        words=(word,),
    )


def looked(*refunds: dict[str, Any], **named: Any) -> tuple[HttpResponse, ...]:
    found = payment(refund_ids=[one["id"] for one in refunds], **named)
    reads = (answer(200, {"refund": one}) for one in refunds)
    return (answer(200, {"payment": found}), *reads)


REFUSED = (
    "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE",
    "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION",
    "REFUND_DECLINED",
    "GENERIC_DECLINE",
    "UNSUPPORTED_CARD_BRAND",
    "UNSUPPORTED_COUNTRY",
    "UNSUPPORTED_CURRENCY",
    "UNSUPPORTED_INSTRUMENT_TYPE",
    "UNSUPPORTED_SOURCE_TYPE",
    "VALUE_TOO_HIGH",
    "VALUE_TOO_LONG",
    "VALUE_TOO_LOW",
    "VALUE_TOO_SHORT",
    "BAD_REQUEST",
    "MISSING_REQUIRED_PARAMETER",
    "CURRENCY_MISMATCH",
    "INVALID_FEES",
    "INVALID_CARD",
    "INVALID_CARD_DATA",
    "CARD_MISMATCH",
    "CARD_PRESENCE_REQUIRED",
    "CARD_TOKEN_USED",
    "VERSION_MISMATCH",
)
DENIED = (
    "UNAUTHORIZED",
    "ACCESS_TOKEN_EXPIRED",
    "ACCESS_TOKEN_REVOKED",
    "FORBIDDEN",
    "INSUFFICIENT_SCOPES",
    "INSUFFICIENT_PERMISSIONS_FOR_REFUND",
    "APPLICATION_DISABLED",
    "INVALID_SQUARE_VERSION_FORMAT",
    "API_VERSION_INCOMPATIBLE",
    "SANDBOX_NOT_SUPPORTED",
)
IN_DOUBT = (
    (500, "INTERNAL_SERVER_ERROR"),
    (502, "BAD_GATEWAY"),
    (503, "SERVICE_UNAVAILABLE"),
    (504, "GATEWAY_TIMEOUT"),
    (408, "REQUEST_TIMEOUT"),
    (409, "CONFLICT"),
    (400, "TEMPORARY_ERROR"),
)
OTHERS = frozenset(
    {
        "REFUND_AMOUNT_INVALID",
        "PAYMENT_NOT_REFUNDABLE",
        "NOT_FOUND",
        "REFUND_ALREADY_PENDING",
        "RATE_LIMITED",
        "IDEMPOTENCY_KEY_REUSED",
    }
)
ERRORS = (
    *(error(400, code, RefusedByGateway, may_be_echo=False) for code in REFUSED),
    *(error(400, code, Unauthorized) for code in DENIED),
    *(error(status, code, Unsure, replayed=False) for status, code in IN_DOUBT),
    error(400, "REFUND_AMOUNT_INVALID", RefusedByGateway, may_be_echo=True),
    error(400, "PAYMENT_NOT_REFUNDABLE", RefusedByGateway, may_be_echo=True),
    error(404, "NOT_FOUND", RefusedByGateway),
    error(400, "REFUND_ALREADY_PENDING", NotProcessed, alone=True),
    error(429, "RATE_LIMITED", NotProcessed),
    error(400, "IDEMPOTENCY_KEY_REUSED", Unsure, replayed=True),
)

CASE = GatewayCase(
    name="square",
    instruction=replace(SQUARE_REFUND, payment_captured_minor=5_000),
    credentials=Credentials({"access_token": "EAAA_hidden_0001"}),
    valid=valid,
    amount_in=amount_in,
    currency_in=currency_in,
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(1234, "KWD", "1234"),
        Amount(5, "ISK", "5"),
        Amount(2**50, "USD", str(2**50)),
    ),
    impossible=((0, "EUR"), (1000, "XCG"), (1, "ZZZ")),
    answers=(
        *(
            Answered(
                one["name"],
                "refund",
                (answer(one["status"], one["body"]),),
                Heard,
                {
                    "word": Word(one["expected"]["word"]),
                    "evidence.raw_status": one["expected"]["raw_status"],
                },
            )
            for one in RECORDED
        ),
        Answered(
            "named by its payment",
            "look_up",
            looked(refund(1), refund(2, "rw-000001"), refunded_money=money(2_100)),
            Found,
            {"matches.0.evidence.gateway_reference": "RFD2"},
        ),
        Answered(
            "never refunded", "look_up", (answer(200, {"payment": payment()}),), Absent
        ),
        Answered("only others", "look_up", looked(refund(1)), Absent),
        Answered(
            "not listed yet",
            "look_up",
            looked(refunded_money=money(1_050)),
            LookupFailed,
            {"reason": "refunds_not_listed"},
        ),
        Answered(
            "read",
            "read_refund",
            (answer(200, {"refund": refund(7, "rw-000001")}),),
            Found,
            {"matches.0.word": Word.SUCCEEDED},
            replace(SQUARE_REFUND, gateway_reference="RFD7"),
        ),
        Answered(
            "payment read",
            "read_payment",
            (answer(200, {"payment": payment(refunded_money=money(1_050))}),),
            PaymentRead,
            {"captured_minor": 5_000, "refunded_minor": 1_050, "currency": "EUR"},
        ),
        Answered(
            "payment missing",
            "read_payment",
            (answer(404, {"errors": [{"code": "NOT_FOUND"}]}),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "probe without refunds",
            "probe",
            (answer(200, {}),),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset(REFUSED)
    | frozenset(DENIED)
    | {code for _, code in IN_DOUBT}
    | OTHERS,
    errors=ERRORS,
    deliveries=(
        delivered(SIGNED[0], Word.SUCCEEDED),
        delivered(SIGNED[1], Word.PENDING),
    ),
    gateway_reference="RFD7",
)
