"""Klarna, as the shared suite sees it: each booking is read from its order."""

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
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import conforms_to_openapi
from tests.unit.gateways.driving import NOW, answer
from tests.unit.gateways.klarna import (
    KLARNA_REFUND,
    ORDER,
    RECORDED,
    REFUND,
    REFUND_ID,
    SIGNED,
    booked,
    error,
    order,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse


def valid(request: HttpRequest) -> None:
    conforms_to_openapi("klarna-refunds.json", request)


def amount_in(request: HttpRequest) -> str:
    return str(json.loads(request.body)["refunded_amount"])


def echo(amount: Amount) -> tuple[HttpResponse, ...]:
    """Book, then show the booking: the answer to the order states no amount."""
    refund = REFUND | {"refunded_amount": int(amount.written)}
    return (
        booked(refund_id=REFUND_ID),
        order(refund, purchase_currency=amount.currency),
    )


def coded(status: int, code: str, outcome: type, **said: object) -> Coded:
    return Coded(code, error(status, code), outcome, said)


def delivered(vector: dict[str, Any]) -> Delivered:
    headers = {
        "klarna-signature": vector["header_Klarna-Signature"],
        "klarna-signing-key-id": vector["key_id"],
    }
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(headers, vector["body_utf8"].encode()),
        secrets=(vector["secret"],),
        at=NOW,
        signed=("klarna-signature",),
    )


BOOKED = RECORDED["refund-booked"]
EARLY = RECORDED["refund-before-capture"]["body"]
SHOWN = {
    "word": Word.SUCCEEDED,
    "evidence.gateway_reference": REFUND_ID,
    "evidence.merchant_reference": "rw-000123",
    "evidence.amount_minor": 5950,
    "evidence.currency": "SEK",
}

CASE = GatewayCase(
    name="klarna",
    instruction=KLARNA_REFUND,
    credentials=Credentials({"username": "PRW0001_abcdef", "password": "rw_secret_1"}),
    valid=valid,
    amount_in=amount_in,
    currency_in=lambda _request: None,
    echo=echo,
    amounts=(
        Amount(5950, "SEK", "5950"),
        Amount(1050, "EUR", "1050"),
        Amount(200_000_000, "USD", "200000000"),
        Amount(1, "HUF", "1"),
    ),
    impossible=((200_000_001, "EUR"), (9899, "JPY"), (1230, "KWD"), (1, "ZZZ")),
    answers=(
        Answered(
            "booked",
            "refund",
            (answer(201, b"", **BOOKED["headers"]), answer(200, ORDER)),
            Heard,
            SHOWN,
        ),
        Answered(
            "booked, not shown yet",
            "refund",
            (booked(refund_id=REFUND_ID), order()),
            Heard,
            {"word": Word.PENDING, "evidence.gateway_reference": REFUND_ID},
        ),
        Answered(
            "no captures",
            "refund",
            (answer(403, EARLY),),
            RefusedByGateway,
            {"code": "REFUND_NOT_ALLOWED", "may_be_echo": False},
        ),
        Answered(
            "listed",
            "look_up",
            (answer(200, ORDER),),
            Found,
            {f"matches.0.{name}": value for name, value in SHOWN.items()},
        ),
        Answered("not listed", "look_up", (order(),), Absent),
        Answered("read", "read_refund", (answer(200, ORDER),), Found),
        Answered("not there yet", "read_refund", (order(),), LookupFailed),
        Answered(
            "order read",
            "read_payment",
            (answer(200, ORDER),),
            PaymentRead,
            {"captured_minor": 12000, "refunded_minor": 5950, "currency": "SEK"},
        ),
        Answered(
            "order missing",
            "read_payment",
            (error(404, "NO_SUCH_ORDER"),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "probe",
            "probe",
            (answer(200, {"payouts": [], "pagination": {"count": 0}}),),
            ProbeResult,
            {"failure": None},
        ),
        Answered(
            "probe without permission for settlements",
            "probe",
            (error(403, "ACCESS_NOT_ALLOWED"), error(404, "NO_SUCH_ORDER")),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset(
        {
            "BAD_VALUE",
            "REFUND_NOT_ALLOWED",
            "NOT_ALLOWED",
            "NOT_FOUND",
            "NO_SUCH_ORDER",
            "UNPROCESSABLE_ENTITY",
            "TOO_MANY_REQUESTS",
            "CONFLICT",
            "edge",
            "INTERNAL_SERVER_ERROR",
            "UNEXPECTED_ERROR",
            "TEMPORARILY_UNAVAILABLE",
            "UNAUTHORIZED",
            "permission",
        }
    ),
    errors=(
        coded(400, "BAD_VALUE", RefusedByGateway, may_be_echo=False),
        coded(403, "REFUND_NOT_ALLOWED", RefusedByGateway, may_be_echo=True),
        Coded("NOT_ALLOWED", error(403, "CREDIT_NOT_ALLOWED"), RefusedByGateway),
        coded(404, "NOT_FOUND", RefusedByGateway),
        coded(404, "NO_SUCH_ORDER", RefusedByGateway),
        coded(422, "UNPROCESSABLE_ENTITY", RefusedByGateway),
        coded(429, "TOO_MANY_REQUESTS", NotProcessed),
        coded(409, "CONFLICT", Unsure, replayed=False),
        Coded(
            "edge",
            answer(403, b"<html>blocked</html>"),
            NotProcessed,
            {"retry_after_seconds": 300},
        ),
        coded(500, "INTERNAL_SERVER_ERROR", Unsure),
        coded(500, "UNEXPECTED_ERROR", Unsure),
        coded(503, "TEMPORARILY_UNAVAILABLE", Unsure),
        coded(401, "UNAUTHORIZED", Unauthorized),
        Coded(
            "permission",
            error(403, "ACCESS_NOT_ALLOWED", "No permission to refund."),
            Unauthorized,
        ),
    ),
    deliveries=tuple(delivered(one) for one in SIGNED),
    gateway_reference=REFUND_ID,
)
