"""What Authorize.Net answers in tests, and its requests against the official schema."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from refundwatch.gateways.authorizenet.adapter import AuthorizeNet
from refundwatch.gateways.contract import (
    AccountView,
    Credentials,
    HttpRequest,
    HttpResponse,
)
from tests.unit.gateways.driving import NOW, STRIPE_REFUND

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "AnetApi/xml/v1/schema/AnetApiSchema.xsd"
BOM = b"\xef\xbb\xbf"
SALE_ID = "60190000100"
REFUND_ID = "60190000123"
OURS = "rwabcdefghij23456723"
CREDENTIALS = Credentials(
    {"api_login_id": "rwLogin01", "transaction_key": "4rwTK0000000TEST"}
)
ANET = AccountView(
    "authorizenet-us",
    "sandbox",
    "https://apitest.authorize.net",
    {"currency": "USD"},
)
ANET_REFUND = replace(
    STRIPE_REFUND,
    account=ANET,
    payment_reference=SALE_ID,
    merchant_reference=OURS,
    amount_minor=1250,
    currency="USD",
    created_at=NOW - timedelta(minutes=5),
)
KNOWN = replace(ANET_REFUND, gateway_reference=REFUND_ID)
GATEWAY = AuthorizeNet()
GOOD = {"resultCode": "Ok", "message": [{"code": "I00001", "text": "Successful."}]}
NOTHING = {
    "resultCode": "Ok",
    "message": [{"code": "I00004", "text": "No records found."}],
}


def answer(
    body: dict[str, Any] | bytes, status: int = 200, **headers: str
) -> HttpResponse:
    """Give an answer as it comes: always 200, always behind a byte order mark."""
    raw = body if isinstance(body, bytes) else BOM + json.dumps(body).encode()
    return HttpResponse(status, headers, raw)


def enveloped(code: str) -> HttpResponse:
    """Answer with an error of the request, without a transaction."""
    message = {"code": code, "text": "x"}
    return answer({"messages": {"resultCode": "Error", "message": [message]}})


def approved(**changes: Any) -> HttpResponse:
    transaction = {
        "responseCode": "1",
        "authCode": "",
        "avsResultCode": "P",
        "transId": REFUND_ID,
        "refTransID": SALE_ID,
        "testRequest": "0",
        "accountNumber": "XXXX1111",
        "accountType": "Visa",
        "messages": [{"code": "1", "description": "x"}],
    }
    return answer(
        {
            "transactionResponse": transaction | changes,
            "refId": OURS,
            "messages": GOOD,
        }
    )


def refused(code: str | None, response_code: str = "3", **changes: Any) -> HttpResponse:
    transaction: dict[str, Any] = {
        "responseCode": response_code,
        "transId": "0",
        "refTransID": SALE_ID,
        "accountNumber": "XXXX1111",
    }
    if code is not None:
        transaction["errors"] = [{"errorCode": code, "errorText": "x"}]
    message = {"code": "E00027", "text": "The transaction was unsuccessful."}
    return answer(
        {
            "transactionResponse": transaction | changes,
            "refId": OURS,
            "messages": {"resultCode": "Error", "message": [message]},
        }
    )


def sale(status: str = "settledSuccessfully", **changes: Any) -> HttpResponse:
    """Give the details of a sale; amounts are written as the gateway mixes them."""
    found = {
        "transId": SALE_ID,
        "submitTimeUTC": "2026-11-18T10:15:31.77Z",
        "submitTimeLocal": "2026-11-18T02:15:31.77",
        "transactionType": "authCaptureTransaction",
        "transactionStatus": status,
        "responseCode": 1,
        "responseReasonCode": 1,
        "responseReasonDescription": "Approval",
        "order": {"invoiceNumber": "shop-7"},
        "authAmount": "50.00",
        "settleAmount": 50.0,
        "payment": {"creditCard": {"cardNumber": "XXXX1111", "expirationDate": "XXXX"}},
    }
    return answer({"transaction": found | changes, "messages": GOOD})


def refund_details(
    status: str = "refundPendingSettlement", **changes: Any
) -> HttpResponse:
    found = {
        "transId": REFUND_ID,
        "refTransId": SALE_ID,
        "transactionType": "refundTransaction",
        "transactionStatus": status,
        "order": {"invoiceNumber": OURS},
        "authAmount": 12.5,
        "settleAmount": "12.5000",
    }
    return answer(
        {"transaction": found | changes, "transrefId": OURS, "messages": GOOD}
    )


def row(transaction_id: str = REFUND_ID, invoice: str | None = OURS) -> dict[str, Any]:
    found: dict[str, Any] = {
        "transId": transaction_id,
        "submitTimeUTC": "2026-11-20T11:56:31Z",
        "transactionStatus": "refundPendingSettlement",
        "accountType": "Visa",
        "accountNumber": "XXXX1111",
        "settleAmount": 12.5,
    }
    return found if invoice is None else found | {"invoiceNumber": invoice}


def listed(*rows: dict[str, Any], **headers: str) -> HttpResponse:
    if not rows:
        return answer({"messages": NOTHING}, **headers)
    body = {"transactions": list(rows), "totalNumInResultSet": len(rows)}
    return answer(body | {"messages": GOOD}, **headers)


def batches(*ids: str, **headers: str) -> HttpResponse:
    if not ids:
        return answer({"messages": NOTHING}, **headers)
    found = [{"batchId": one, "settlementState": "settledSuccessfully"} for one in ids]
    return answer({"batchList": found, "messages": GOOD}, **headers)


# --- the schema -------------------------------------------------------------------


@cache
def schema(path: Path) -> Any:
    return etree.XMLSchema(etree.parse(path))


def as_xml(name: str, value: Any) -> Any:
    """Map JSON onto elements in the order in which its members stand."""
    element = etree.Element(f"{{{NAMESPACE}}}{name}")
    if isinstance(value, dict):
        for key, inner in value.items():
            for one in inner if isinstance(inner, list) else [inner]:
                element.append(as_xml(key, one))
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    else:
        element.text = str(value)
    return element


def conforms(request: HttpRequest) -> None:
    """Fail where a request, as it is sent, is not what the schema asks for."""
    from tests.shared import SHARED

    assert (request.method, request.target) == ("POST", "/xml/v1/request.api")
    assert dict(request.headers)["Content-Type"] == "application/json"
    sent = json.loads(GATEWAY.authorize(request, CREDENTIALS, NOW).body)
    ((name, content),) = sent.items()
    official = schema(SHARED / "gateways/specs/AnetApiSchema.xsd")
    assert official.validate(as_xml(name, content)), official.error_log


def content_of(request: HttpRequest) -> tuple[str, Any]:
    ((name, content),) = json.loads(request.body).items()
    return name, content


def moment(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone(UTC)
