"""Adyen, as the shared suite sees it: it answers by webhook alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Credentials,
    Heard,
    NotProcessed,
    ProbeResult,
    RawDelivery,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.contract.case import Amount, Answered, Coded, Delivered, GatewayCase
from tests.contract.schemas import conforms, document
from tests.unit.gateways.driving import (
    ADYEN,
    ADYEN_REFUND,
    NOW,
    VECTORS,
    AccountView,
    answer,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

RECORDED = json.loads((VECTORS / "adyen_answers.json").read_text("utf-8"))["answers"]
SIGNED = json.loads((VECTORS / "webhooks_adyen.json").read_text("utf-8"))["vectors"]
KEY = "a" * 32
GOOD: dict[str, Any] = RECORDED[0]["body"]
CLASSES = {
    "heard": Heard,
    "refused": RefusedByGateway,
    "unauthorized": Unauthorized,
    "not_processed": NotProcessed,
    "unsure": Unsure,
}


def valid(request: HttpRequest) -> None:
    if request.operation == "probe":
        return  # /paymentMethods is in no document of refunds
    spec = document("adyen-checkout-refunds.json")
    pattern = r"/payments/[^/]+/refunds"
    assert re.fullmatch(pattern, request.target), request.target
    body = json.loads(request.body)
    schemas = spec["components"]["schemas"]
    name = "PaymentRefundRequest"
    conforms(spec, body, {"$ref": f"#/components/schemas/{name}"})
    assert body.keys() <= schemas[name]["properties"].keys()


def told(request: HttpRequest) -> dict[str, Any]:
    amount: dict[str, Any] = json.loads(request.body)["amount"]
    return amount


def echo(amount: Amount) -> HttpResponse:
    stated = {"currency": amount.currency, "value": int(amount.written)}
    return answer(201, GOOD | {"amount": stated}, idempotency_key=KEY)


def error(
    status: int, code: str, kind: str, outcome: type, *, transient: bool = False
) -> Coded:
    body = {"status": status, "errorCode": code, "message": "x", "errorType": kind}
    headers = {"idempotency_key": KEY}
    if transient:
        headers["transient_error"] = "true"
    return Coded(code, answer(status, body, **headers), outcome)


def delivered(vector: dict[str, Any]) -> Delivered:
    body = json.loads(vector["body_utf8"])
    item = body["notificationItems"][0]["NotificationRequestItem"]
    merchant = {"merchant_account": item["merchantAccountCode"]}
    return Delivered(
        name=vector["name"],
        delivery=RawDelivery({}, vector["body_utf8"].encode()),
        secrets=(vector["hmac_key_hex"],),
        at=NOW,
        signed=(),
        signed_in_body=True,
        account=AccountView(ADYEN.name, ADYEN.mode, ADYEN.endpoint, merchant),
    )


CASE = GatewayCase(
    name="adyen",
    instruction=ADYEN_REFUND,
    credentials=Credentials({"api_key": "AQE_hidden_0001"}),
    valid=valid,
    amount_in=lambda request: str(told(request)["value"]),
    currency_in=lambda request: str(told(request)["currency"]),
    echo=echo,
    amounts=(
        Amount(1050, "EUR", "1050"),
        Amount(9899, "JPY", "9899"),
        Amount(1234, "KWD", "1234"),
        Amount(5, "ISK", "500"),
        Amount(1200, "CVE", "12"),
    ),
    impossible=((1250, "CVE"), (1, "ZZZ")),
    answers=(
        *(
            Answered(
                one["name"],
                "refund",
                (
                    answer(
                        one["status"],
                        one["body"],
                        **{k.replace("-", "_"): v for k, v in one["headers"].items()},
                    ),
                ),
                CLASSES[one["expected"]["class"]],
                {"word": Word(one["expected"]["word"])}
                if "word" in one["expected"]
                else {},
            )
            for one in RECORDED
        ),
        Answered(
            "probe",
            "probe",
            (answer(200, {"paymentMethods": []}),),
            ProbeResult,
            {"failure": None},
        ),
    ),
    codes=frozenset(
        {"702", "100", "137", "167", "158", "703", "704", "905", "000", "901", "010"}
    ),
    errors=(
        error(400, "702", "validation", RefusedByGateway),
        error(422, "100", "validation", RefusedByGateway),
        error(422, "137", "validation", RefusedByGateway),
        error(422, "167", "validation", RefusedByGateway),
        error(422, "158", "validation", RefusedByGateway),
        error(422, "703", "validation", NotProcessed, transient=True),
        error(422, "704", "validation", NotProcessed, transient=True),
        error(500, "905", "configuration", Unsure),
        error(401, "000", "security", Unauthorized),
        error(403, "901", "security", Unauthorized),
        error(403, "010", "security", Unauthorized),
    ),
    deliveries=tuple(delivered(one) for one in SIGNED if one["expect"] == "valid"),
    gateway_reference="993617894906488A",
)
