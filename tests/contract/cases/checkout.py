"""Checkout.com, as the shared suite sees it: accepted is not done."""

from __future__ import annotations

import json
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
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import conforms_to_openapi
from tests.unit.gateways.checkout import (
    ACTION_ID,
    CAPTURE,
    CHECKOUT_REFUND,
    KNOWN,
    RECORDED,
    balances,
    error,
    payment,
)
from tests.unit.gateways.driving import NOW, VECTORS, answer

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        RefundInstruction,
    )

SIGNED = json.loads((VECTORS / "webhooks_checkout.json").read_text("utf-8"))["vectors"]
WORDS = {"payment_refunded": Word.SUCCEEDED, "payment_refund_declined": Word.FAILED}


def valid(request: HttpRequest) -> None:
    conforms_to_openapi("checkout-refunds.json", request)
    # Every field is optional there, and without this one everything goes back.
    assert request.method == "GET" or "amount" in json.loads(request.body)


def before_order(instruction: RefundInstruction) -> tuple[HttpResponse, ...]:
    return (answer(200, payment(currency=instruction.currency)),)


def refused(code: str, outcome: type = RefusedByGateway, **said: object) -> Coded:
    return Coded(code, answer(422, error(code)), outcome, said)


def delivered(vector: dict[str, Any]) -> Delivered:
    body = vector["body_utf8"].encode()
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery({"cko-signature": vector["header_Cko-Signature"]}, body),
        secrets=(vector["signature_key"],),
        at=NOW,
        signed=("cko-signature",),
        words=(WORDS[json.loads(body)["type"]],),
    )


def recorded(one: dict[str, Any]) -> Answered:
    heard = one["operation"] == "refund"
    place = "word" if heard else "matches.0.word"
    return Answered(
        one["name"],
        one["operation"],
        (answer(one["status"], one["body"]),),
        Heard if heard else Found,
        {place: Word(one["expected"]["word"])},
    )


ANSWERS = (
    *(recorded(one) for one in RECORDED),
    Answered(
        "absent",
        "look_up",
        (answer(200, [CAPTURE]), answer(200, payment())),
        Absent,
    ),
    Answered(
        "not listed although the balance knows of it",
        "look_up",
        (answer(200, [CAPTURE]), answer(200, payment(balances=balances(refunded=5)))),
        LookupFailed,
        {"reason": "refunds_not_listed"},
    ),
    Answered(
        "one of the actions",
        "read_refund",
        (answer(200, RECORDED[2]["body"]),),
        Found,
        {"matches.0.evidence.gateway_reference": ACTION_ID},
    ),
    Answered(
        "payment",
        "read_payment",
        (answer(200, payment(balances=balances(refunded=1_050))),),
        PaymentRead,
        {"captured_minor": 5_000, "refunded_minor": 1_050},
    ),
    Answered(
        "a refund of nothing left",
        "refund",
        (
            answer(403, b""),
            answer(200, payment("Refunded", balances=balances(refunded=5_000))),
        ),
        RefusedByGateway,
        {"code": "refund_not_allowed", "may_be_echo": True},
    ),
    Answered("probe", "probe", (answer(404, b""),), ProbeResult, {"failure": None}),
)
ERRORS = (
    *(
        refused(code, may_be_echo=False)
        for code in (
            "amount_invalid",
            "currency_invalid",
            "payment_invalid",
            "payment_expired",
            "payment_type_invalid",
            "parameter_invalid",
            "request_invalid",
            "metadata_key_invalid",
            "action_failure_limit_exceeded",
            "refund_authorization_declined",
        )
    ),
    refused("refund_amount_exceeds_balance", may_be_echo=True),
    Coded(
        "amount_exceeds_balance",
        answer(422, error("amount_exceeds_balance", kind="processing_error")),
        RefusedByGateway,
        {"insufficient_funds": True},
    ),
    refused("api_calls_quota_exceeded", NotProcessed),
    refused("processing_error", Unsure),
    refused("service_unavailable", Unsure),
    refused("business_invalid", Unauthorized),
    refused("business_settings_missing", Unauthorized),
    refused("server_api_not_allowed", Unauthorized),
    Coded("empty 401", answer(401, b""), Unauthorized, {"session_expired": True}),
    Coded("empty 404", answer(404, b""), RefusedByGateway),
    Coded("429", answer(429, b""), NotProcessed),
    Coded("409", answer(409, b""), Unsure),
    Coded("502", answer(502, b""), Unsure),
)

CASE = GatewayCase(
    name="checkout",
    instruction=CHECKOUT_REFUND,
    credentials=Credentials({"secret_key": "sk_sbox_hidden_0001"}),
    valid=valid,
    amount_in=lambda request: str(json.loads(request.body)["amount"]),
    currency_in=lambda _request: None,
    # An acceptance states no amount; the action does, which is read later.
    echo=None,
    amounts=(
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(1230, "KWD", "1230"),
        Amount(12, "CLP", "1200"),
    ),
    impossible=((1234, "KWD"), (1, "CLF"), (1, "ZZZ"), (0, "EUR")),
    answers=ANSWERS,
    codes=frozenset({coded.code for coded in ERRORS}),
    errors=ERRORS,
    deliveries=tuple(delivered(one) for one in SIGNED),
    before_order=before_order,
    gateway_reference=KNOWN.gateway_reference or "",
)
