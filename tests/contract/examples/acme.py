"""Acme Pay, as the shared suite sees it: the case that the guide walks through."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    AccountView,
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
from refundwatch.gateways.signing import hmac_sha256
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.gateways.acme import Acme
from tests.unit.gateways.driving import NOW, STRIPE_REFUND, answer

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

ACCOUNT = AccountView("acme-eu", "sandbox", "https://api.acme.example")
INSTRUCTION = replace(STRIPE_REFUND, account=ACCOUNT, payment_reference="pay_1")
REFUND: dict[str, Any] = {
    "id": "re_1",
    "payment": "pay_1",
    "amount": 1050,
    "currency": "EUR",
    "reference": "rw-000001",
    "state": "paid",
}
ORDER = {
    "type": "object",
    "properties": {
        "payment": {"type": "string"},
        "amount": {"type": "integer", "minimum": 1},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "reference": {"type": "string", "maxLength": 64},
    },
    "required": ["payment", "amount", "currency", "reference"],
    "additionalProperties": False,
}
READS = ("/v1/payments/pay_1/refunds", "/v1/refunds/re_1", "/v1/payments/pay_1")
SECRET = "whsec_acme_0001"


def valid(request: HttpRequest) -> None:
    if request.method == "GET":
        assert request.target in {*READS, "/v1/status"}
        return
    assert request.target == "/v1/refunds"
    Draft202012Validator(ORDER).validate(json.loads(request.body))


def echo(amount: Amount) -> HttpResponse:
    told = {"amount": int(amount.written), "currency": amount.currency}
    return answer(201, REFUND | told)


def refused(status: int, code: str, outcome: type, **said: object) -> Coded:
    return Coded(code, answer(status, {"error": {"code": code}}), outcome, said)


def delivered(name: str, *words: Word | None, **changes: object) -> Delivered:
    event = {"id": name, "type": "refund.changed", "created": 1763640000}
    body = json.dumps(event | {"refund": REFUND | changes}).encode()
    stamp = int(NOW.timestamp())
    digest = hmac_sha256(SECRET.encode(), f"{stamp}.".encode() + body).hex()
    headers = {"acme-signature": f"t={stamp},v1={digest}"}
    sent = RawDelivery(headers, body)
    return Delivered(name, sent, (SECRET,), NOW, ("acme-signature",), words=words)


ERRORS = (
    refused(404, "payment_unknown", RefusedByGateway),
    refused(422, "payment_not_captured", RefusedByGateway),
    refused(422, "disputed", RefusedByGateway),
    refused(422, "amount_exceeds_remaining", RefusedByGateway, may_be_echo=True),
    refused(422, "insufficient_balance", RefusedByGateway, insufficient_funds=True),
    refused(401, "key_revoked", Unauthorized),
    refused(429, "too_many", NotProcessed),
    refused(500, "internal", Unsure),
)

CASE = GatewayCase(
    name="acme",
    adapter=Acme(),
    instruction=INSTRUCTION,
    credentials=Credentials({"api_key": "acme_hidden_0001"}),
    valid=valid,
    amount_in=lambda request: str(json.loads(request.body)["amount"]),
    currency_in=lambda request: str(json.loads(request.body)["currency"]),
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(1234, "KWD", "1234"),
        Amount(5, "ISK", "500"),
    ),
    impossible=((0, "EUR"), (1, "ZZZ")),
    answers=(
        Answered("paid", "refund", (answer(201, REFUND),), Heard),
        Answered(
            "a state nobody documents",
            "refund",
            (answer(201, REFUND | {"state": "dreaming"}),),
            Heard,
            {"word": Word.UNSEEN},
        ),
        Answered(
            "listed",
            "look_up",
            (answer(200, {"refunds": [REFUND]}),),
            Found,
            {"matches.0.word": Word.SUCCEEDED, "matches.0.evidence.amount_minor": 1050},
        ),
        Answered("not listed", "look_up", (answer(200, {"refunds": []}),), Absent),
        Answered("no list", "look_up", (answer(200, {}),), LookupFailed),
        Answered("read", "read_refund", (answer(200, REFUND),), Found),
        Answered(
            "payment read",
            "read_payment",
            (answer(200, {"captured": 5000, "refunded": 1050, "currency": "EUR"}),),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1050},
        ),
        Answered(
            "payment missing",
            "read_payment",
            (answer(404, {}),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered("probe", "probe", (answer(200, {}),), ProbeResult, {"failure": None}),
    ),
    codes=frozenset(coded.code for coded in ERRORS),
    errors=ERRORS,
    deliveries=(
        delivered("evt_paid", Word.SUCCEEDED),
        delivered("evt_failed", Word.FAILED, state="failed"),
        delivered("evt_new", Word.UNSEEN, state="dreaming"),
    ),
)
