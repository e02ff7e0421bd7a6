from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    Credentials,
    NotProcessed,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.checkout import (
    CHECKOUT,
    CHECKOUT_REFUND,
    KNOWN,
    PAYMENT_ID,
    READ,
    authorized,
    balances,
    payment,
)
from tests.unit.gateways.driving import NOW, answer, drive, first_request, result_of

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

GATEWAY = Checkout()
KEYED = {
    "Cko-Idempotency-Key": "a" * 32,
    "Content-Type": "application/json",
}
WHOLE = replace(CHECKOUT_REFUND, amount_minor=5_000)


def ordered(instruction: Any, *reads: HttpResponse) -> HttpRequest:
    operation = GATEWAY.refund(instruction)
    request = next(operation)
    for read in reads or (READ,):
        assert not request.moves_money
        request = operation.send(read)
    assert request.moves_money
    return request


def test_a_refund_is_one_post_with_key_amount_and_our_reference_twice() -> None:
    request = ordered(CHECKOUT_REFUND)
    assert (request.operation, request.method) == ("refund", "POST")
    assert request.target == f"/payments/{PAYMENT_ID}/refunds"
    assert dict(request.headers) == KEYED
    assert json.loads(request.body) == {
        "amount": 1050,
        "reference": "rw-000001",
        "metadata": {"rw_refund_id": "rw-000001"},
    }


def test_the_payment_is_read_before_the_order_and_not_before_a_repeat() -> None:
    first = first_request(GATEWAY.refund(CHECKOUT_REFUND))
    assert (first.method, first.target) == ("GET", f"/payments/{PAYMENT_ID}")
    stored = replace(ordered(CHECKOUT_REFUND), body=b'{"amount":1}')
    unbuildable = replace(CHECKOUT_REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


def test_a_whole_payment_that_is_not_captured_is_voided() -> None:
    request = ordered(WHOLE, answer(200, authorized()))
    assert (request.operation, request.target) == (
        "void",
        f"/payments/{PAYMENT_ID}/voids",
    )
    assert request.moves_money
    assert dict(request.headers) == KEYED
    assert json.loads(request.body) == {
        "reference": "rw-000001",
        "metadata": {"rw_refund_id": "rw-000001"},
    }


HALF_VOIDED = balances(
    captured=0, total_authorized=6_000, total_voided=1_000, available_to_void=5_000
)


@pytest.mark.parametrize(
    ("instruction", "read"),
    [
        (CHECKOUT_REFUND, authorized()),
        (replace(CHECKOUT_REFUND, amount_minor=6_000), authorized()),
        (WHOLE, authorized(balances=HALF_VOIDED)),
        (WHOLE, authorized(balances=None)),
        (WHOLE, authorized() | {"status": "Pending"}),
        (WHOLE, payment("Retry Scheduled", balances=balances(captured=0))),
    ],
)
def test_a_part_of_what_is_not_captured_waits_and_is_never_voided(
    instruction: Any, read: dict[str, Any]
) -> None:
    driven = drive(GATEWAY.refund(instruction), answer(200, read))
    assert driven.result == NotProcessed("not_captured_yet", 3600)
    assert not any(request.moves_money for request in driven.requests)


@pytest.mark.parametrize(
    "read",
    [
        payment("Partially Captured", balances=balances(captured=2_000)),
        payment("Voided", balances=balances(captured=0)),
        payment(balances=None),
        payment("Refunded", balances=balances(refunded=5_000)),
        # Captured a moment ago, although the status is still the old one.
        authorized(balances=balances()),
    ],
)
def test_what_is_captured_or_over_is_refunded_and_the_gateway_has_the_word(
    read: dict[str, Any],
) -> None:
    assert ordered(CHECKOUT_REFUND, answer(200, read)).operation == "refund"


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (answer(200, payment(currency="USD")), RefusedByGateway("currency_mismatch")),
        (answer(404, b""), RefusedByGateway("payment_not_found")),
        (answer(401, b""), Unauthorized("http_401", session_expired=True)),
        (answer(403, b""), Unauthorized("http_403")),
        (answer(503, b"", retry_after="7"), Unsure("http_503", 7)),
        (answer(200, payment(id="pay_other")), Unsure("another_payment")),
        (answer(200, b"<html>"), Unsure("not_json")),
        (answer(200, payment(7)), Unsure("missing_status")),
    ],
)
def test_nothing_is_ordered_for_a_payment_that_was_not_read_as_ours(
    read: HttpResponse, outcome: object
) -> None:
    assert drive(GATEWAY.refund(CHECKOUT_REFUND), read).result == outcome


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1234, "currency": "KWD"}, "amount_minor"),
        ({"currency": "CLF"}, "currency"),
        ({"amount_minor": 1_000_000_000}, "amount_minor"),
        ({"payment_reference": "../payments"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"payment_reference": "pay_1?x=1"}, "payment_reference"),
        ({"idempotency_key": "k" * 37}, "idempotency_key"),
        ({"idempotency_key": "a\r\nb"}, "idempotency_key"),
        ({"merchant_reference": "r" * 51}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(CHECKOUT_REFUND, **changes))
    assert caught.value.field == field


@given(
    minor=st.integers(1, 10**9),
    currency=st.sampled_from(sorted(EXPONENTS)),
    reference=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]),
        min_size=1,
        max_size=40,
    ),
)
def test_a_refund_always_states_its_amount_exactly(
    minor: int, currency: str, reference: str
) -> None:
    instruction = replace(
        CHECKOUT_REFUND,
        amount_minor=minor,
        currency=currency,
        merchant_reference=reference,
    )
    try:
        request = ordered(instruction, answer(200, payment(currency=currency)))
    except NotExpressible:
        return
    body = json.loads(request.body)
    assert type(body["amount"]) is int
    assert GATEWAY.capabilities.iso_minor(body["amount"], currency) == minor
    assert body["reference"] == body["metadata"]["rw_refund_id"] == reference


@pytest.mark.parametrize(
    ("currency", "minor", "units"),
    [
        ("JPY", 9899, 9899),
        ("KWD", 1230, 1230),
        ("CLP", 12, 1200),
        ("EUR", 5, 5),
        ("ISK", 7, 7),
    ],
)
def test_exceptions_of_currencies_are_restated_both_ways(
    currency: str, minor: int, units: int
) -> None:
    assert GATEWAY.capabilities.gateway_units(minor, currency) == units
    assert GATEWAY.capabilities.iso_minor(units, currency) == minor


def test_reads_move_no_money_and_have_no_body() -> None:
    reads = [
        first_request(GATEWAY.look_up(KNOWN)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(CHECKOUT, PAYMENT_ID, "EUR")),
        first_request(GATEWAY.probe(CHECKOUT)),
    ]
    assert [read.target for read in reads] == [
        f"/payments/{PAYMENT_ID}/actions",
        f"/payments/{PAYMENT_ID}/actions",
        f"/payments/{PAYMENT_ID}",
        "/payments/pay_aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]
    for read in reads:
        assert (read.method, read.body, read.headers) == ("GET", b"", ())
        assert not read.moves_money


@pytest.mark.parametrize("reference", ["../balance", "", "pay 1", "pay_1?x", "é"])
def test_a_reference_that_is_no_id_is_never_asked_for(reference: str) -> None:
    bad = replace(KNOWN, payment_reference=reference)
    operations = (
        GATEWAY.look_up(bad),
        GATEWAY.read_refund(bad),
        GATEWAY.read_refund(CHECKOUT_REFUND),
        GATEWAY.read_payment(CHECKOUT, reference, "EUR"),
    )
    for operation in operations:
        with pytest.raises(StopIteration):
            next(operation)


# --- bearers ----------------------------------------------------------------------

CLIENT = {"access_key_id": "ack_1", "access_key_secret": "s3cret"}


def opened(endpoint: str, *responses: HttpResponse, **settings: str) -> Any:
    account = replace(CHECKOUT, endpoint=endpoint, settings=settings)
    return drive(GATEWAY.open_session(account, Credentials(CLIENT), NOW), *responses)


TOKEN = answer(
    200, {"access_token": "e.y.J", "expires_in": 3600, "token_type": "Bearer"}
)


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        (
            "https://api.sandbox.checkout.com",
            "https://access.sandbox.checkout.com/connect/token",
        ),
        ("https://api.checkout.com/", "https://access.checkout.com/connect/token"),
        (
            "https://pl-abc1.api.sandbox.checkout.com",
            "https://pl-abc1.access.sandbox.checkout.com/connect/token",
        ),
        ("https://api.checkout.com.example.net", "/connect/token"),
        ("http://127.0.0.1:9", "/connect/token"),
    ],
)
def test_a_token_is_fetched_from_the_host_of_the_endpoint(
    endpoint: str, target: str
) -> None:
    driven = opened(endpoint, TOKEN)
    [request] = driven.requests
    assert (request.method, request.target) == ("POST", target)
    assert request.body == b"grant_type=client_credentials&scope=gateway"
    assert dict(request.headers)["Authorization"] == "Basic YWNrXzE6czNjcmV0"
    assert not request.moves_money
    assert driven.result.secret == "e.y.J"
    assert (driven.result.expires_at - NOW).total_seconds() == 3600
    # It brings its own authentication.
    assert GATEWAY.authorize(request, Credentials(CLIENT), NOW) is request


def test_the_scope_can_be_narrower() -> None:
    narrow = "gateway:payment-refunds gateway:payment-details"
    driven = opened("https://api.checkout.com", TOKEN, oauth_scope=narrow)
    assert driven.requests[0].body.endswith(
        b"&scope=gateway%3Apayment-refunds+gateway%3Apayment-details"
    )


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (
            answer(400, {"error": "invalid_client"}),
            Unauthorized("http_400:invalid_client"),
        ),
        (
            answer(400, {"error": "invalid_scope"}),
            Unauthorized("http_400:invalid_scope"),
        ),
        (answer(401, b""), Unauthorized("http_401")),
        (answer(400, {"error": "invalid_request"}), Unsure("http_400:invalid_request")),
        (answer(503, b"", retry_after="3"), Unsure("http_503", 3)),
        (answer(200, b""), Unsure("no_access_token")),
        (
            answer(200, {"access_token": "a b", "expires_in": 1}),
            Unsure("no_access_token"),
        ),
        (answer(200, {"access_token": "a", "expires_in": 0}), Unsure("expires_in")),
        (answer(200, {"access_token": "a", "expires_in": "1"}), Unsure("expires_in")),
    ],
)
def test_no_token_is_a_reason(response: HttpResponse, result: object) -> None:
    assert opened("https://api.checkout.com", response).result == result


def test_a_secret_key_is_a_session_without_asking() -> None:
    credentials = Credentials({"secret_key": "sk_sbox_1"})
    session = result_of(GATEWAY.open_session(CHECKOUT, credentials, NOW))
    assert isinstance(session, Session)
    request = first_request(GATEWAY.probe(CHECKOUT))
    held = replace(credentials, session=replace(session, secret="sk_sbox_old"))
    sent = GATEWAY.authorize(request, held, NOW)
    # The key of now, not of when the session was taken.
    assert dict(sent.headers)["Authorization"] == "Bearer sk_sbox_1"


def test_a_token_is_the_bearer_of_every_request() -> None:
    session = Session("e.y.J", NOW)
    request = ordered(CHECKOUT_REFUND)
    sent = GATEWAY.authorize(request, Credentials(CLIENT, session), NOW)
    assert sent.headers == (*request.headers, ("Authorization", "Bearer e.y.J"))
    assert replace(sent, headers=request.headers) == request


def test_without_any_credential_nothing_is_sent() -> None:
    with pytest.raises(InvariantBroken, match="session"):
        GATEWAY.authorize(first_request(GATEWAY.probe(CHECKOUT)), Credentials({}), NOW)
    with pytest.raises(InvariantBroken, match="access key"):
        GATEWAY.open_session(CHECKOUT, Credentials({"access_key_id": "a"}), NOW)
