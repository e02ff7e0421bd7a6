"""Mollie, as the shared suite sees it."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

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
from tests.contract.schemas import conforms, document, operation, resolved
from tests.unit.gateways.driving import NOW, answer
from tests.unit.gateways.mollie_hand import (
    GOOD,
    KNOWN,
    MOLLIE_REFUND,
    PAYMENT,
    RECORDED,
    REFUND_ID,
    SIGNED,
    error,
    listed,
    payment,
    refund,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse


@cache
def spec() -> dict[str, Any]:
    """Read the document; members that are only read bind answers alone."""
    found = copy.deepcopy(document("mollie-refunds.json"))
    shape = found["components"]["schemas"]["entity-refund"]
    shape["required"] = [
        name
        for name in shape["required"]
        if "readOnly" not in resolved(found, shape["properties"][name])
    ]
    return found


def valid(request: HttpRequest) -> None:
    described = operation(spec(), request)
    stated = [resolved(spec(), one) for one in described["parameters"]]
    query = {one["name"]: one["schema"] for one in stated if one["in"] == "query"}
    for name, value in parse_qsl(urlsplit(request.target).query):
        conforms(spec(), int(value) if name == "limit" else value, query[name])
    if request.body:
        content = described["requestBody"]["content"]
        media = dict(request.headers)["Content-Type"]
        conforms(spec(), json.loads(request.body), content[media]["schema"])


def told(request: HttpRequest) -> dict[str, str]:
    amount: dict[str, str] = json.loads(request.body)["amount"]
    return amount


def echo(amount: Amount) -> HttpResponse:
    stated = {"currency": amount.currency, "value": amount.written}
    return answer(201, GOOD | {"amount": stated})


def coded(
    status: int, detail: str, outcome: type, *, name: str = "", **said: object
) -> Coded:
    return Coded(name or str(status), error(status, detail), outcome, said)


def delivered(vector: dict[str, Any]) -> Delivered:
    header = {"x-mollie-signature": vector["header_X-Mollie-Signature"]}
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery(header, vector["body_utf8"].encode()),
        secrets=(vector["secret"],),
        at=NOW,
        signed=("x-mollie-signature",),
    )


CLASSIC = Delivered(
    name="classic",
    delivery=RawDelivery({}, f"id={PAYMENT}".encode()),
    secrets=("unused",),
    at=NOW,
    signed=(),
    responses=(answer(200, payment() | {"_embedded": {"refunds": [GOOD]}}),),
    words=(Word.PENDING,),
)
ERRORS = (
    coded(400, "The JSON cannot be read", RefusedByGateway, may_be_echo=True),
    coded(400, "The idempotency key was used", Unsure, name="400 key reused"),
    coded(401, "Missing authentication", Unauthorized),
    coded(403, "Permission denied", Unauthorized),
    coded(404, "No payment exists", RefusedByGateway, may_be_echo=False),
    coded(405, "Method not allowed", RefusedByGateway),
    coded(
        409,
        "A duplicate refund has been detected",
        NotProcessed,
        name="409 duplicate refund",
        retry_after_seconds=3_900,
    ),
    # The first call under the key may be the one that executes.
    coded(409, "A request with this key is running", Unsure),
    coded(410, "Gone", RefusedByGateway),
    coded(415, "Unsupported media type", RefusedByGateway),
    coded(422, "The amount is higher", RefusedByGateway, may_be_echo=True),
    coded(
        422,
        "The balance is too low",
        RefusedByGateway,
        name="422 balance",
        insufficient_funds=True,
    ),
    coded(429, "Too many requests", NotProcessed),
    coded(500, "Internal server error", Unsure),
    coded(502, "Bad gateway", Unsure),
    coded(503, "Refunds in parallel", NotProcessed),
    coded(504, "Gateway timeout", Unsure),
)

CASE = GatewayCase(
    name="mollie",
    instruction=MOLLIE_REFUND,
    credentials=Credentials({"api_key": "test_hidden_0001"}),
    valid=valid,
    amount_in=lambda request: told(request)["value"],
    currency_in=lambda request: told(request)["currency"],
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "10.50"),
        Amount(9899, "JPY", "9899"),
        Amount(5, "ISK", "5"),
        Amount(1234, "KWD", "1.234"),
        Amount(1234500, "HUF", "12345.00"),
    ),
    impossible=((0, "EUR"), (1, "ZZZ")),
    answers=(
        *(
            Answered(
                one["name"],
                "refund",
                (answer(one["status"], one["body"], **one["headers"]),),
                Heard,
                {"word": Word(one["expected"]["word"])},
            )
            for one in RECORDED
        ),
        Answered(
            "listed",
            "look_up",
            (listed(refund(1), GOOD),),
            Found,
            {"matches.0.word": Word.PENDING},
        ),
        Answered("not listed", "look_up", (listed(refund(1)),), Absent),
        Answered("no payment", "look_up", (error(404),), LookupFailed),
        Answered("gone", "read_refund", (error(404), listed(refund(1))), Absent),
        Answered(
            "payment read",
            "read_payment",
            (answer(200, payment()),),
            PaymentRead,
            {"captured_minor": 5000, "refunded_minor": 1050, "currency": "EUR"},
        ),
        Answered(
            "payment missing",
            "read_payment",
            (error(404),),
            PaymentUnreadable,
            {"missing": True},
        ),
        Answered(
            "cancelled",
            "cancel",
            (answer(204, b""),),
            Heard,
            {"word": Word.FAILED, "evidence.raw_status": "canceled"},
            KNOWN,
        ),
        Answered(
            "probe",
            "probe",
            (answer(200, {"resource": "profile"}),),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset(
        {
            *("400", "401", "403", "404", "405", "409", "410", "415", "422", "429"),
            *("500", "502", "503", "504", "409 duplicate refund"),
        }
    ),
    errors=ERRORS,
    deliveries=(*(delivered(one) for one in SIGNED), CLASSIC),
    before_order=lambda _instruction: (listed(),),
    gateway_reference=REFUND_ID,
)
