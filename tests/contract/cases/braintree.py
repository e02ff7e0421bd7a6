"""Braintree, as the shared suite sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from tests.unit.gateways.braintree_talk import (
    PAIR,
    REFUND,
    REFUND_ID,
    SIGNED,
    failed,
    identity,
    money,
    node,
    order_input,
    refund,
    refunded,
    said,
    sale,
    valid,
)
from tests.unit.gateways.driving import NOW, answer

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        RefundInstruction,
    )


def settled_sale(instruction: RefundInstruction) -> tuple[HttpResponse, ...]:
    captured = money("9999999", instruction.currency)
    return identity(), node(sale(amount=captured))


def amount_in(request: HttpRequest) -> str:
    amount: str = order_input(request)["refund"]["amount"]
    return amount


def echo(amount: Amount) -> HttpResponse:
    return refunded(amount=money(amount.written, amount.currency))


def invalid(code: str, outcome: type = RefusedByGateway, **stated: object) -> Coded:
    return Coded(code, failed("VALIDATION", code), outcome, stated)


def of_class(kind: str, outcome: type) -> Coded:
    return Coded(kind, failed(kind), outcome)


def delivered(vector: dict[str, Any]) -> Delivered:
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery({}, vector["form_body"].encode()),
        secrets=(PAIR,),
        at=NOW,
        signed=(),
        signed_in_body=True,
    )


REJECTED = (
    "91505",
    "91506",
    "91574",
    "91538",
    "91559",
    "91547",
    "81501",
    "81503",
    "81528",
    "81531",
    "915200",
    "915201",
    "915230",
    "915234",
    "915282",
)
ECHOES = ("91504", "91512", "91521", "4004")
CLASSES = (
    of_class("NOT_FOUND", RefusedByGateway),
    of_class("NOT_IMPLEMENTED", RefusedByGateway),
    of_class("RESOURCE_LIMIT", NotProcessed),
    of_class("INTERNAL", Unsure),
    of_class("SERVICE_AVAILABILITY", Unsure),
    of_class("AUTHENTICATION", Unauthorized),
    of_class("AUTHORIZATION", Unauthorized),
    of_class("UNSUPPORTED_CLIENT", Unauthorized),
    of_class("ANOTHER_CLASS", Unsure),
)
STATUSES = (
    Coded("http_401", answer(401), Unauthorized),
    Coded("http_403", answer(403), Unauthorized),
    Coded("http_408", answer(408), Unsure),
    Coded("http_426", answer(426), Unauthorized),
    Coded("http_429", answer(429), NotProcessed),
    Coded("http_500", answer(500), Unsure),
    Coded("http_504", answer(504), Unsure),
)
ERRORS = (
    *(invalid(code, may_be_echo=False) for code in REJECTED),
    *(invalid(code, may_be_echo=True) for code in ECHOES),
    invalid("915231", Unauthorized),
    invalid("915232", Unsure, replayed=True),
    invalid("915233", Unsure, replayed=False),
    invalid("915235", Unsure, replayed=False),
    *CLASSES,
    *STATUSES,
)
CODES = frozenset({*REJECTED, *ECHOES, "915231", "915232", "915233", "915235"})
WORDS = {
    "SUBMITTED_FOR_SETTLEMENT": Word.PENDING,
    "SETTLING": Word.PENDING,
    "SETTLED": Word.SUCCEEDED,
    "SETTLEMENT_DECLINED": Word.FAILED,
    "PROCESSOR_DECLINED": Word.FAILED,
    "GATEWAY_REJECTED": Word.FAILED,
    "VOIDED": Word.FAILED,
    "UNHEARD_OF": Word.UNSEEN,
}

CASE = GatewayCase(
    name="braintree",
    instruction=REFUND,
    credentials=Credentials(
        {"public_key": "rw_pub_key_test1", "private_key": "hidden_private_0001"}
    ),
    valid=valid,
    amount_in=amount_in,
    currency_in=lambda _request: None,
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "10.50"),
        Amount(1200, "USD", "12.00"),
        Amount(9899, "JPY", "9899"),
        Amount(1234, "KWD", "1.234"),
    ),
    impossible=((10000, "CLF"), (0, "EUR"), (1, "ZZZ")),
    answers=(
        *(
            Answered(
                status,
                "refund",
                (refunded(status=status),),
                Heard,
                {"word": word, "evidence.gateway_reference": "rwrefund01"},
            )
            for status, word in WORDS.items()
        ),
        Answered(
            "listed",
            "look_up",
            (identity(), node(sale(refunds=[refund()]))),
            Found,
            {"matches.0.word": Word.PENDING, "matches.0.evidence.amount_minor": 1250},
        ),
        Answered("not listed", "look_up", (identity(), node(sale())), Absent),
        Answered(
            "read",
            "read_refund",
            (identity(REFUND_ID), node(refund(status="SETTLED"))),
            Found,
            {"matches.0.word": Word.SUCCEEDED},
        ),
        Answered(
            "sale read",
            "read_payment",
            (identity(), node(sale(refunds=[refund()]))),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1250, "currency": "USD"},
        ),
        Answered(
            "sale missing",
            "read_payment",
            (identity(), failed("NOT_FOUND")),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "probe", "probe", (said({"ping": "pong"}),), ProbeResult, {"failure": None}
        ),
    ),
    codes=CODES | {coded.code for coded in (*CLASSES, *STATUSES)},
    errors=ERRORS,
    deliveries=tuple(delivered(one) for one in SIGNED["vectors"]),
    before_order=settled_sale,
    gateway_reference="rwrefund01",
)
