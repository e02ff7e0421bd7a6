from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import Credentials, NotOffered
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.driving import NOW, first_request, result_of
from tests.unit.gateways.square import PAYMENT_ID, SQUARE, SQUARE_REFUND

GATEWAY = Square()
KNOWN = replace(SQUARE_REFUND, gateway_reference="RFD7")


def body_of(**changes: Any) -> dict[str, Any]:
    request = first_request(GATEWAY.refund(replace(SQUARE_REFUND, **changes)))
    found: dict[str, Any] = json.loads(request.body)
    return found


def test_a_refund_is_one_post_with_version_key_and_our_reference() -> None:
    request = first_request(GATEWAY.refund(SQUARE_REFUND))
    assert (request.method, request.target) == ("POST", "/v2/refunds")
    assert request.moves_money
    assert dict(request.headers) == {
        "Square-Version": "2025-08-20",
        "Content-Type": "application/json",
    }
    assert json.loads(request.body) == {
        "idempotency_key": "a" * 32,
        "payment_id": PAYMENT_ID,
        "amount_money": {"amount": 1050, "currency": "EUR"},
        "reason": "rw-000001",
    }


def test_the_same_refund_is_built_byte_for_byte_the_same() -> None:
    first = first_request(GATEWAY.refund(SQUARE_REFUND))
    assert first_request(GATEWAY.refund(SQUARE_REFUND)) == first


def test_a_stored_request_is_sent_as_it_is() -> None:
    stored = replace(first_request(GATEWAY.refund(SQUARE_REFUND)), body=b"{}")
    unbuildable = replace(SQUARE_REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


def test_the_account_pins_its_own_version() -> None:
    account = replace(SQUARE, api_version="2026-09-16")
    request = first_request(GATEWAY.refund(replace(SQUARE_REFUND, account=account)))
    assert dict(request.headers)["Square-Version"] == "2026-09-16"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "XCG"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"payment_reference": "../refunds"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"idempotency_key": "k" * 46}, "idempotency_key"),
        ({"idempotency_key": "ä" * 40}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"merchant_reference": "r" * 193}, "merchant_reference"),
        ({"merchant_reference": "as a person writes"}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(SQUARE_REFUND, **changes))
    assert caught.value.field == field


def test_a_key_of_45_characters_fits() -> None:
    assert body_of(idempotency_key="k" * 45)["idempotency_key"] == "k" * 45


@pytest.mark.parametrize(
    ("currency", "minor"), [("JPY", 1250), ("KWD", 1234), ("ISK", 5), ("UGX", 7)]
)
def test_amounts_are_iso_minor_units_as_integers(currency: str, minor: int) -> None:
    money = body_of(currency=currency, amount_minor=minor)["amount_money"]
    assert money == {"amount": minor, "currency": currency}
    assert type(money["amount"]) is int


@given(minor=st.integers(-5, 10**12), currency=st.sampled_from(sorted(EXPONENTS)))
def test_a_request_that_moves_money_always_states_its_amount(
    minor: int, currency: str
) -> None:
    try:
        body = body_of(amount_minor=minor, currency=currency)
    except NotExpressible:
        return
    assert body["amount_money"]["amount"] > 0
    units = body["amount_money"]["amount"]
    assert GATEWAY.capabilities.iso_minor(units, currency) == minor


def test_reads_move_no_money_and_have_no_body() -> None:
    reads = [
        first_request(GATEWAY.look_up(KNOWN)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(SQUARE, PAYMENT_ID, "EUR")),
        first_request(GATEWAY.probe(SQUARE)),
    ]
    assert [read.target for read in reads] == [
        f"/v2/payments/{PAYMENT_ID}",
        "/v2/refunds/RFD7",
        f"/v2/payments/{PAYMENT_ID}",
        "/v2/refunds?limit=1",
    ]
    for read in reads:
        assert read.method == "GET"
        assert not read.moves_money
        assert not read.body
        assert dict(read.headers) == {"Square-Version": "2025-08-20"}


def test_the_token_is_added_as_bearer_at_the_moment_of_sending() -> None:
    request = first_request(GATEWAY.refund(SQUARE_REFUND))
    sent = GATEWAY.authorize(request, Credentials({"access_token": "EAAA"}), NOW)
    assert sent.headers == (*request.headers, ("Authorization", "Bearer EAAA"))
    assert replace(sent, headers=request.headers) == request


@pytest.mark.parametrize("values", [{}, {"access_token": ""}])
def test_a_missing_token_breaks_an_invariant(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken, match="access_token"):
        GATEWAY.authorize(
            first_request(GATEWAY.probe(SQUARE)), Credentials(values), NOW
        )


def test_an_accepted_refund_cannot_be_cancelled() -> None:
    assert result_of(GATEWAY.cancel(KNOWN)) == NotOffered()


@pytest.mark.parametrize("reference", ["../payments", "", "P 1", "P?x", "é"])
def test_a_reference_that_is_no_id_is_never_asked_for(reference: str) -> None:
    operations = (
        GATEWAY.look_up(replace(SQUARE_REFUND, payment_reference=reference)),
        GATEWAY.read_refund(replace(SQUARE_REFUND, gateway_reference=reference)),
        GATEWAY.read_payment(SQUARE, reference, "EUR"),
    )
    for operation in operations:
        with pytest.raises(StopIteration):
            next(operation)
