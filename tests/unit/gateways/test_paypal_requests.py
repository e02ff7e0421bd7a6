from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import (
    Credentials,
    HttpRequest,
    LookupFailed,
    PaymentUnreadable,
    Session,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways.driving import (
    NOW,
    PAYPAL,
    PAYPAL_REFUND,
    answer,
    drive,
    first_request,
    result_of,
)

GATEWAY = PayPal()
CLIENT = Credentials({"client_id": "rw-client", "client_secret": "rw:sécret"})
SESSION = Session("A21AAtoken", NOW + timedelta(hours=1))
TOKEN = {
    "scope": "https://uri.paypal.com/services/payments/refund",
    "access_token": "A21AAFs_Xyz-1.2~3+4/5==",
    "token_type": "Bearer",
    "app_id": "APP-80W284485P519543T",
    "expires_in": 32400,
    "nonce": "2026-11-20T12:00:00Zabc",
}


def refund_body(**changes: Any) -> Any:
    request = first_request(GATEWAY.refund(replace(PAYPAL_REFUND, **changes)))
    return json.loads(request.body)


# --- the order --------------------------------------------------------------------


def test_a_refund_is_one_post_with_key_amount_and_our_reference_twice() -> None:
    request = first_request(GATEWAY.refund(PAYPAL_REFUND))
    assert request.method == "POST"
    assert request.target == "/v2/payments/captures/2GG279541U471931P/refund"
    assert request.moves_money
    assert dict(request.headers) == {
        "PayPal-Request-Id": "a" * 32,
        "Prefer": "return=representation",
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {
        "amount": {"value": "10.50", "currency_code": "EUR"},
        "invoice_id": "rw-000001",
        "custom_id": "rw-000001",
    }


def test_the_same_refund_is_built_byte_for_byte_the_same() -> None:
    first = first_request(GATEWAY.refund(PAYPAL_REFUND))
    assert first_request(GATEWAY.refund(PAYPAL_REFUND)) == first


def test_a_stored_request_is_sent_as_it_is() -> None:
    stored = replace(first_request(GATEWAY.refund(PAYPAL_REFUND)), body=b"{}")
    unbuildable = replace(PAYPAL_REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


def test_a_full_refund_states_its_amount_too() -> None:
    body = refund_body(payment_captured_minor=1050)
    assert body["amount"] == {"value": "10.50", "currency_code": "EUR"}


def test_a_currency_without_decimals_is_written_without_a_point() -> None:
    amount = refund_body(amount_minor=1234500, currency="HUF")["amount"]
    assert amount == {"value": "12345", "currency_code": "HUF"}


@pytest.mark.parametrize("reason_code", ["duplicate", "fraud", "goods_returned"])
def test_a_reason_is_never_shown_to_the_buyer(reason_code: str) -> None:
    assert "note_to_payer" not in refund_body(reason_code=reason_code)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1234567, "currency": "HUF"}, "amount_minor"),
        ({"currency": "KWD"}, "currency"),
        ({"payment_reference": "../../orders"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"payment_reference": "2GG/refund?x=1"}, "payment_reference"),
        ({"idempotency_key": "k" * 109}, "idempotency_key"),
        ({"idempotency_key": "a\r\nPrefer: x"}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"merchant_reference": "r" * 128}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "rw 000001"}, "merchant_reference"),
        ({"merchant_reference": "rw-é"}, "merchant_reference"),
        ({"merchant_reference": "rw-1\n"}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(PAYPAL_REFUND, **changes))
    assert caught.value.field == field


# --- reads ------------------------------------------------------------------------


def test_reads_move_no_money_and_have_no_body() -> None:
    known = replace(PAYPAL_REFUND, gateway_reference="1JU08902781691411")
    reads = [
        first_request(GATEWAY.look_up(known)),
        first_request(GATEWAY.read_refund(known)),
        first_request(GATEWAY.read_payment(PAYPAL, "2GG279541U471931P", "EUR")),
        first_request(GATEWAY.probe(PAYPAL)),
    ]
    assert [read.target for read in reads] == [
        "/v2/payments/captures/2GG279541U471931P",
        "/v2/payments/refunds/1JU08902781691411",
        "/v2/payments/captures/2GG279541U471931P",
        "/v1/notifications/webhooks-event-types",
    ]
    for read in reads:
        assert read.method == "GET"
        assert not read.moves_money
        assert not read.body
        assert not read.reusable


@pytest.mark.parametrize("reference", ["../captures", "", "2GG 1", "2GG?x", "é"])
def test_a_reference_that_is_no_id_is_never_asked_for(reference: str) -> None:
    strange = replace(
        PAYPAL_REFUND, payment_reference=reference, gateway_reference=reference
    )
    assert drive(GATEWAY.look_up(strange)).result == LookupFailed(
        "payment_reference_unusable"
    )
    assert drive(GATEWAY.read_refund(strange)).result == LookupFailed(
        "no_gateway_reference"
    )
    assert drive(
        GATEWAY.read_payment(PAYPAL, reference, "EUR")
    ).result == PaymentUnreadable("payment_reference_unusable", missing=True)


def test_a_refund_without_a_gateway_reference_is_not_read() -> None:
    assert drive(GATEWAY.read_refund(PAYPAL_REFUND)).requests == ()


# --- authentication ---------------------------------------------------------------


def test_the_session_is_added_as_bearer_at_the_moment_of_sending() -> None:
    request = first_request(GATEWAY.refund(PAYPAL_REFUND))
    sent = GATEWAY.authorize(request, replace(CLIENT, session=SESSION), NOW)
    assert sent.headers == (*request.headers, ("Authorization", "Bearer A21AAtoken"))
    assert replace(sent, headers=request.headers) == request


def test_a_request_without_a_session_breaks_an_invariant() -> None:
    with pytest.raises(InvariantBroken, match="session"):
        GATEWAY.authorize(first_request(GATEWAY.probe(PAYPAL)), CLIENT, NOW)


@pytest.mark.parametrize(
    "request_",
    [
        first_request(GATEWAY.open_session(PAYPAL, CLIENT, NOW)),
        HttpRequest(
            "certificate", "GET", "https://api.paypal.com/v1/notifications/certs/C"
        ),
    ],
    ids=lambda r: r.operation,
)
def test_a_token_goes_neither_with_a_token_request_nor_to_another_host(
    request_: HttpRequest,
) -> None:
    assert GATEWAY.authorize(request_, replace(CLIENT, session=SESSION), NOW) is (
        request_
    )
    assert GATEWAY.authorize(request_, CLIENT, NOW) is request_


def test_a_session_is_asked_for_with_the_clients_own_authentication() -> None:
    request = first_request(GATEWAY.open_session(PAYPAL, CLIENT, NOW))
    pair = base64.b64encode("rw-client:rw:sécret".encode()).decode()
    assert (request.method, request.target) == ("POST", "/v1/oauth2/token")
    assert not request.moves_money
    assert request.body == b"grant_type=client_credentials"
    assert dict(request.headers) == {
        "Authorization": f"Basic {pair}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


@pytest.mark.parametrize(
    "values",
    [{}, {"client_id": "x"}, {"client_secret": "x"}, dict.fromkeys(CLIENT.values, "")],
)
def test_a_missing_credential_breaks_an_invariant(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken, match="client_id or client_secret"):
        GATEWAY.open_session(PAYPAL, Credentials(values), NOW)


def opened(status: int, body: object = None, **headers: str) -> Any:
    response = answer(status, body, **headers)
    return result_of(GATEWAY.open_session(PAYPAL, CLIENT, NOW), response)


@pytest.mark.parametrize(
    ("seconds", "life"),
    [
        (32400, timedelta(seconds=29160)),
        (1, timedelta(milliseconds=900)),
        (2**53 - 1, timedelta(days=27)),
    ],
)
def test_a_session_is_given_back_after_nine_tenths_of_its_life(
    seconds: int, life: timedelta
) -> None:
    session = opened(200, TOKEN | {"expires_in": seconds})
    assert session == Session("A21AAFs_Xyz-1.2~3+4/5==", NOW + life)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"access_token": None}, "no_access_token"),
        ({"access_token": "A21\r\nX: 1"}, "no_access_token"),
        ({"access_token": "A" * 4097}, "no_access_token"),
        ({"access_token": ""}, "no_access_token"),
        ({"token_type": "mac"}, "token_type"),
        ({"token_type": None}, "token_type"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": -5}, "expires_in"),
        ({"expires_in": "32400"}, "expires_in"),
        ({"expires_in": 3.5}, "expires_in"),
        ({"expires_in": True}, "expires_in"),
    ],
)
def test_a_token_that_is_not_whole_opens_no_session(
    changes: dict[str, object], reason: str
) -> None:
    assert opened(200, TOKEN | changes) == Unsure(reason)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            401,
            {"error": "invalid_client", "error_description": "Client Authentication"},
            Unauthorized("http_401:invalid_client"),
        ),
        (400, {"error": "invalid_client"}, Unauthorized("http_400:invalid_client")),
        (401, b"", Unauthorized("http_401")),
        (403, {"name": "NOT_AUTHORIZED"}, Unauthorized("http_403:NOT_AUTHORIZED")),
        (
            400,
            {"error": "unsupported_grant_type"},
            Unsure("http_400:unsupported_grant_type"),
        ),
        (500, b"<html>", Unsure("http_500")),
        (201, TOKEN, Unsure("http_201")),
    ],
)
def test_a_refused_client_is_unauthorized_and_anything_else_is_unsure(
    status: int, body: object, expected: object
) -> None:
    assert opened(status, body) == expected


def test_a_limited_token_request_waits_as_long_as_paypal_says() -> None:
    limited = opened(429, {"name": "RATE_LIMIT_REACHED"}, retry_after="7")
    assert limited == Unsure("http_429:RATE_LIMIT_REACHED", 7)


def test_no_secret_is_in_any_repr() -> None:
    session = opened(200, TOKEN)
    request = first_request(GATEWAY.open_session(PAYPAL, CLIENT, NOW))
    sent = GATEWAY.authorize(
        first_request(GATEWAY.probe(PAYPAL)), replace(CLIENT, session=session), NOW
    )
    assert str(TOKEN["access_token"]) in str(sent.headers)
    shown = (
        f"{session!r} {request!r} {sent!r} {sent} {replace(CLIENT, session=session)!r}"
    )
    basic = dict(request.headers)["Authorization"].split()[1]
    for secret in (str(TOKEN["access_token"]), "rw:s", basic):
        assert secret not in shown
