"""Authorize.Net, as the shared suite sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Credentials,
    Found,
    Heard,
    PaymentRead,
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.unit.gateways.anet import (
    ANET_REFUND,
    REFUND_ID,
    SALE_ID,
    approved,
    batches,
    conforms,
    enveloped,
    listed,
    refund_details,
    refused,
    row,
    sale,
)
from tests.unit.gateways.anet import answer as told
from tests.unit.gateways.driving import NOW, VECTORS

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

RECORDED = {
    one["name"]: one["body"]
    for one in json.loads((VECTORS / "authorizenet_answers.json").read_text("utf-8"))[
        "answers"
    ]
}
SIGNED = json.loads((VECTORS / "webhooks_authorizenet.json").read_text("utf-8"))
REJECTED = ("2", "3", "4", "5", "6", "8", "16", "33", "128", "155", "289")
AMBIGUOUS = (
    *(str(code) for code in (*range(19, 24), 25, 26, *range(57, 64), 120, 121, 122)),
)
ON_REVIEW = ("193", "252", "253")
NO_ENTRY = ("E00005", "E00006", "E00007", "E00008", "E00009", "E00010", "E00011")


def order_in(request: HttpRequest) -> dict[str, Any]:
    body = json.loads(request.body)["createTransactionRequest"]
    order: dict[str, Any] = body["transactionRequest"]
    return order


def delivered(vector: dict[str, Any], response: HttpResponse) -> Delivered:
    header = {"x-anet-signature": vector["header_X-ANET-Signature"]}
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(header, vector["body_utf8"].encode()),
        secrets=(vector["secret"],),
        at=NOW,
        signed=("x-anet-signature",),
        responses=(response,),
    )


def rejected(code: str, *more: HttpResponse, **said: object) -> Coded:
    return Coded(code, refused(code), RefusedByGateway, {"code": code, **said}, more)


def held(code: str) -> HttpResponse:
    return approved(responseCode="4", messages=[{"code": code, "description": "x"}])


ERRORS = (
    *(rejected(code) for code in REJECTED),
    rejected("50", sale()),
    rejected("51", may_be_echo=True),
    rejected("54", sale(), may_be_echo=True),
    rejected("55", may_be_echo=True),
    *(Coded(code, refused(code), Unsure) for code in AMBIGUOUS),
    Coded("11", refused("11"), Unsure, {"replayed": True}),
    Coded("13", refused("13"), Unauthorized),
    *(
        Coded(code, held(code), Heard, {"evidence.requires_action": True})
        for code in ON_REVIEW
    ),
    *(
        Coded(code, enveloped(code), RefusedByGateway)
        for code in ("E00003", "E00013", "E00014", "E00015")
    ),
    *(
        Coded(code, enveloped(code), Unauthorized)
        for code in (*NO_ENTRY, "E00040", "E00045")
    ),
    *(
        Coded(code, enveloped(code), Unsure)
        for code in ("E00001", "E00027", "E00053", "E00104")
    ),
)

CASE = GatewayCase(
    name="authorizenet",
    instruction=ANET_REFUND,
    credentials=Credentials(
        {"api_login_id": "rwLogin01", "transaction_key": "4rwTK0000000TEST"}
    ),
    valid=conforms,
    amount_in=lambda request: order_in(request)["amount"],
    currency_in=lambda request: order_in(request)["currencyCode"],
    echo=None,
    amounts=(
        Amount(1250, "USD", "12.50"),
        Amount(5, "USD", "0.05"),
        Amount(1_000_000_000_000, "USD", "10000000000.00"),
    ),
    impossible=((1250, "EUR"), (1250, "JPY"), (1250, "KWD"), (1, "ZZZ"), (0, "USD")),
    answers=(
        Answered(
            "approved",
            "refund",
            (told(RECORDED["refund-approved"]),),
            Heard,
            {"word": Word.PENDING, "evidence.gateway_reference": REFUND_ID},
        ),
        Answered(
            "refused",
            "refund",
            (told(RECORDED["refund-refused"]),),
            RefusedByGateway,
            {"code": "6"},
        ),
        Answered(
            "settled",
            "read_refund",
            (told(RECORDED["refund-details"]),),
            Found,
            {"matches.0.word": Word.SUCCEEDED, "matches.0.evidence.amount_minor": 1250},
        ),
        Answered(
            "in a batch",
            "look_up",
            (
                told(RECORDED["sale"]),
                told(RECORDED["nothing"]),
                batches("71"),
                told(RECORDED["list"]),
                told(RECORDED["refund-details"]),
            ),
            Found,
            {"matches.0.word": Word.SUCCEEDED},
        ),
        Answered(
            "in no list", "look_up", (sale(), listed(row("7", None)), batches()), Absent
        ),
        Answered(
            "sale",
            "read_payment",
            (told(RECORDED["sale"]),),
            PaymentRead,
            {"captured_minor": 5000, "currency": "USD"},
        ),
        Answered(
            "bad login",
            "probe",
            (told(RECORDED["bad-login"]),),
            ProbeResult,
            {"failure": "E00007", "unauthorized": True},
        ),
    ),
    codes=frozenset(
        {*REJECTED, *AMBIGUOUS, *ON_REVIEW, *NO_ENTRY, "11", "13", "50", "51", "54"}
        | {"55", "E00001", "E00003", "E00013", "E00014", "E00015", "E00027"}
        | {"E00040", "E00045", "E00053", "E00104"}
    ),
    errors=ERRORS,
    deliveries=(
        delivered(SIGNED["vectors"][0], refund_details()),
        delivered(
            SIGNED["vectors"][1],
            sale("voided", transId=SALE_ID, authAmount=50.0, settleAmount=0.0),
        ),
    ),
    before_order=lambda _instruction: (sale(settleAmount=10_000_000_000.0),),
    gateway_reference=REFUND_ID,
)
