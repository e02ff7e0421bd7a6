from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace

import pytest

from refundwatch.domain.idempotency import derive_key, derive_uuid
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import Credentials, HttpRequest
from tests.unit.gateways.driving import NOW, drive, first_request
from tests.unit.gateways.klarna import (
    GATEWAY,
    KLARNA,
    KLARNA_REFUND,
    KNOWN,
    ORDER_ID,
    REFUND_ID,
    booked,
    order,
)

PATH = f"/ordermanagement/v1/orders/{ORDER_ID}"


def test_an_order_states_amount_and_reference_under_a_uuid() -> None:
    parts = ("shop", "klarna-eu", ORDER_ID, "request-1", 0)
    instruction = replace(KLARNA_REFUND, idempotency_key=derive_key(*parts))
    assert first_request(GATEWAY.refund(instruction)) == HttpRequest(
        operation="refund",
        method="POST",
        target=f"{PATH}/refunds",
        headers=(
            ("Klarna-Idempotency-Key", derive_uuid(*parts)),
            ("Content-Type", "application/json"),
        ),
        body=b'{"refunded_amount":5950,"reference":"rw-000123"}',
        moves_money=True,
    )


def test_what_is_stored_is_sent_again_as_it_is() -> None:
    stored = replace(first_request(GATEWAY.refund(KLARNA_REFUND)), body=b"{}")
    assert first_request(GATEWAY.refund(KLARNA_REFUND, stored)) == stored


def test_a_booking_is_read_from_its_order_and_nothing_is_ordered_twice() -> None:
    driven = drive(GATEWAY.refund(KLARNA_REFUND), booked(refund_id=REFUND_ID), order())
    assert [(r.method, r.target) for r in driven.requests] == [
        ("POST", f"{PATH}/refunds"),
        ("GET", PATH),
    ]
    assert [request.moves_money for request in driven.requests] == [True, False]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 200_000_001}, "amount_minor"),
        ({"currency": "JPY"}, "currency"),
        ({"currency": "KWD"}, "currency"),
        ({"currency": "ZZZ"}, "currency"),
        ({"payment_reference": "../orders"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "x" * 256}, "merchant_reference"),
        ({"idempotency_key": "not-a-derived-key"}, "idempotency_key"),
    ],
)
def test_what_klarna_cannot_be_told_is_refused_before_anything_is_sent(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(KLARNA_REFUND, **changes))  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_largest_amount_can_be_told() -> None:
    largest = replace(KLARNA_REFUND, amount_minor=200_000_000)
    body = json.loads(first_request(GATEWAY.refund(largest)).body)
    assert body["refunded_amount"] == 200_000_000


@pytest.mark.parametrize(
    ("operation", "target"),
    [
        (GATEWAY.look_up(KNOWN), PATH),
        (GATEWAY.read_refund(KNOWN), PATH),
        (GATEWAY.read_payment(KLARNA, ORDER_ID, "SEK"), PATH),
        (GATEWAY.probe(KLARNA), "/settlements/v1/payouts?size=1"),
    ],
)
def test_a_read_is_a_get_that_moves_nothing(operation: object, target: str) -> None:
    request = first_request(operation)  # type: ignore[arg-type]
    assert (request.method, request.target, request.body) == ("GET", target, b"")
    assert not request.moves_money


def test_user_name_and_password_are_added_at_the_moment_of_sending() -> None:
    credentials = Credentials({"username": "PRW0001_é", "password": "rw:secret"})
    request = first_request(GATEWAY.probe(KLARNA))
    sent = GATEWAY.authorize(request, credentials, NOW)
    name, value = sent.headers[-1]
    assert name == "Authorization"
    scheme, _, packed = value.partition(" ")
    assert scheme == "Basic"
    assert b64decode(packed).decode() == "PRW0001_é:rw:secret"


@pytest.mark.parametrize("values", [{}, {"username": "u"}, {"password": "p"}])
def test_half_a_credential_sends_nothing(values: dict[str, str]) -> None:
    request = first_request(GATEWAY.probe(KLARNA))
    with pytest.raises(InvariantBroken, match="credential"):
        GATEWAY.authorize(request, Credentials(values), NOW)
