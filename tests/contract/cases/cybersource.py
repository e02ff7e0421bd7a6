"""Cybersource, as the shared suite sees it: every payment is read before its order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
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
from tests.contract.schemas import spec_path
from tests.unit.gateways.cybersource_making import (
    AT,
    GOOD,
    HOOK_SECRET,
    KEY,
    ORDER,
    RECORDED,
    REFUND,
    SAID,
    SIGNED,
    capture,
    event,
    private_pem,
    sealed,
    search,
    signature,
    summary,
    transaction,
)
from tests.unit.gateways.driving import answer

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        RefundInstruction,
    )


def valid(request: HttpRequest) -> None:
    spec_path("cybersource-refunds.json")  # skips where the official document is absent
    from tests.unit.gateways.test_cybersource_schema import valid as against_document

    against_document(request)


def told(request: HttpRequest) -> dict[str, str]:
    details: dict[str, str] = json.loads(request.body)["orderInformation"][
        "amountDetails"
    ]
    return details


def echo(amount: Amount) -> HttpResponse:
    stated = {"refundAmount": amount.written, "currency": amount.currency.lower()}
    return answer(201, GOOD | {"refundAmountDetails": stated})


def captured(instruction: RefundInstruction) -> tuple[HttpResponse, ...]:
    return (answer(200, capture(currency=instruction.currency)),)


def rejected(reason: str, **said: object) -> Coded:
    body = {"status": "INVALID_REQUEST", "reason": reason, "message": "x"}
    return Coded(reason, answer(400, body), RefusedByGateway, said)


def declined(reason: str, outcome: type = RefusedByGateway, **said: object) -> Coded:
    body = {"id": REFUND, "status": "DECLINED", "errorInformation": {"reason": reason}}
    return Coded(reason, answer(201, body), outcome, said)


def error(status: int, code: str, outcome: type, body: Any = ...) -> Coded:
    plain = {"status": "SERVER_ERROR", "reason": code, "message": "x"}
    return Coded(code, answer(status, plain if body is ... else body), outcome)


def delivered(vector: dict[str, Any]) -> Delivered:
    header = vector["v-c-signature"]
    stamp = int(header.partition(";")[0].removeprefix("t="))
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery({"v-c-signature": header}, vector["body_utf8"].encode()),
        secrets=(vector["secret"],),
        at=datetime.fromtimestamp(stamp / 1000, UTC),
        signed=("v-c-signature",),
        responses=(answer(200, transaction("TRANSMITTED")),),
    )


def encrypted() -> Delivered:
    inner = event()
    body = json.dumps({"encData": sealed(inner)}).encode()
    return Delivered(
        name="encrypted",
        delivery=RawDelivery({"v-c-signature": signature(inner)}, body),
        secrets=(HOOK_SECRET, private_pem()),
        at=AT,
        signed=("v-c-signature",),
        responses=(answer(200, transaction("TRANSMITTED")),),
        words=(Word.SUCCEEDED,),
    )


ERRORS = (
    *(
        rejected(reason)
        for reason in (
            "MISSING_FIELD",
            "INVALID_DATA",
            "INVALID_CARD",
            "CAPTURE_ALREADY_VOIDED",
            "ACCOUNT_NOT_ALLOWED_CREDIT",
            "NOT_SUPPORTED",
        )
    ),
    rejected("INVALID_AMOUNT", may_be_echo=True),
    *(
        declined(reason)
        for reason in (
            "PROCESSOR_DECLINED",
            "EXPIRED_CARD",
            "INVALID_ACCOUNT",
            "PAYMENT_REFUSED",
            "DECISION_PROFILE_REJECT",
        )
    ),
    declined("INSUFFICIENT_FUND", insufficient_funds=True),
    error(429, "429", NotProcessed, {}),
    error(401, "401", Unauthorized, SAID["authentication-failed"]),
    error(403, "403", Unauthorized, {}),
    error(400, "INVALID_MERCHANT_CONFIGURATION", Unauthorized),
    error(400, "DUPLICATE_REQUEST", Unsure),
    error(500, "500", Unsure, b""),
    error(502, "SYSTEM_ERROR", Unsure),
    error(502, "SERVER_TIMEOUT", Unsure),
    error(502, "SERVICE_TIMEOUT", Unsure),
    error(502, "INVALID_OR_MISSING_CONFIG", Unsure),
    error(503, "503", Unsure, b""),
    error(504, "504", Unsure, b""),
)

CASE = GatewayCase(
    name="cybersource",
    instruction=ORDER,
    credentials=KEY,
    valid=valid,
    amount_in=lambda request: told(request)["totalAmount"],
    currency_in=lambda request: told(request)["currency"],
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "10.50"),
        Amount(595, "USD", "5.95"),
        Amount(9899, "JPY", "9899"),
        Amount(1230, "KWD", "1.230"),
        Amount(5, "ISK", "5"),
    ),
    impossible=((1234, "KWD"), (10_000, "CLF"), (1, "ZZZ"), (0, "EUR")),
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
            if "word" in one["expected"] and one["operation"] == "refund"
        ),
        Answered(
            "created but declined",
            "refund",
            (answer(201, SAID["created-but-declined"]),),
            RefusedByGateway,
            {"code": "PROCESSOR_DECLINED", "may_be_echo": False},
        ),
        Answered(
            "found and read",
            "look_up",
            (answer(201, search(summary())), answer(200, transaction("TRANSMITTED"))),
            Found,
            {"matches.0.word": Word.SUCCEEDED, "matches.0.evidence.amount_minor": 1050},
        ),
        Answered("not found", "look_up", (answer(201, search()),), Absent),
        Answered(
            "refund read",
            "read_refund",
            (answer(200, transaction("VOIDED")),),
            Found,
            {"matches.0.word": Word.FAILED},
        ),
        Answered(
            "capture and its refund read",
            "read_payment",
            (answer(200, capture(REFUND)), answer(200, transaction())),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1050, "currency": "EUR"},
        ),
        Answered(
            "payment missing",
            "read_payment",
            (answer(404),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "probe", "probe", (answer(201, search()),), ProbeResult, {"failure": None}
        ),
    ),
    codes=frozenset({coded.code for coded in ERRORS}),
    errors=ERRORS,
    deliveries=(*(delivered(one) for one in SIGNED), encrypted()),
    before_order=captured,
    gateway_reference=REFUND,
)
