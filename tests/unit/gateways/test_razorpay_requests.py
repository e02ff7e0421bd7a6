from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import Credentials, HttpRequest
from tests.unit.gateways.driving import NOW, drive, first_request
from tests.unit.gateways.razorpay import (
    GATEWAY,
    KNOWN,
    PAYMENT_ID,
    RAZORPAY,
    RAZORPAY_REFUND,
    REFUND_ID,
)


def built(**changes: Any) -> HttpRequest:
    return first_request(GATEWAY.refund(replace(RAZORPAY_REFUND, **changes)))


def test_an_order_states_amount_receipt_note_and_key() -> None:
    assert built() == HttpRequest(
        operation="refund",
        method="POST",
        target=f"/v1/payments/{PAYMENT_ID}/refund",
        headers=(
            ("X-Refund-Idempotency", "a" * 32),
            ("Content-Type", "application/json"),
        ),
        body=(
            b'{"amount":50000,"speed":"normal","receipt":"rw-000123",'
            b'"notes":{"rw_refund_id":"rw-000123"}}'
        ),
        moves_money=True,
    )


def test_an_account_can_ask_for_speed_but_for_none_that_is_unknown() -> None:
    quick = replace(RAZORPAY, settings={"speed": "optimum"})
    assert json.loads(built(account=quick).body)["speed"] == "optimum"
    with pytest.raises(NotExpressible) as caught:
        built(account=replace(RAZORPAY, settings={"speed": "fast"}))
    assert caught.value.field == "speed"


def test_what_is_stored_is_sent_again_as_it_is() -> None:
    stored = replace(built(), body=b"{}")
    assert first_request(GATEWAY.refund(RAZORPAY_REFUND, stored)) == stored


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 99}, "amount_minor"),
        ({"currency": "KWD", "amount_minor": 1234}, "amount_minor"),
        ({"currency": "CLF"}, "currency"),
        ({"currency": "inr"}, "currency"),
        ({"payment_reference": "pay/1"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "x" * 41}, "merchant_reference"),
        ({"idempotency_key": "short"}, "idempotency_key"),
        ({"idempotency_key": "x" * 65}, "idempotency_key"),
        ({"idempotency_key": "a key with blanks"}, "idempotency_key"),
        ({"idempotency_key": "0123456789\n"}, "idempotency_key"),
    ],
)
def test_what_razorpay_cannot_be_told_is_refused_before_anything_is_sent(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(RAZORPAY_REFUND, **changes))  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("operation", "target"),
    [
        (
            GATEWAY.look_up(KNOWN),
            f"/v1/payments/{PAYMENT_ID}/refunds?count=100&skip=0",
        ),
        (GATEWAY.read_refund(KNOWN), f"/v1/refunds/{REFUND_ID}"),
        (
            GATEWAY.read_payment(RAZORPAY, PAYMENT_ID, "INR"),
            f"/v1/payments/{PAYMENT_ID}",
        ),
        (GATEWAY.probe(RAZORPAY), "/v1/refunds?count=1"),
    ],
)
def test_a_read_is_a_get_that_moves_nothing(operation: Any, target: str) -> None:
    request = first_request(operation)
    assert (request.method, request.target, request.body) == ("GET", target, b"")
    assert not request.moves_money


@pytest.mark.parametrize(
    "operation",
    [
        GATEWAY.look_up(replace(KNOWN, payment_reference="a/b")),
        GATEWAY.read_refund(RAZORPAY_REFUND),
        GATEWAY.read_refund(replace(KNOWN, gateway_reference="a/b")),
        GATEWAY.read_payment(RAZORPAY, "..", "INR"),
    ],
)
def test_what_cannot_stand_in_a_path_asks_nothing(operation: Any) -> None:
    assert drive(operation).requests == ()


def test_key_and_secret_are_added_at_the_moment_of_sending() -> None:
    credentials = Credentials({"key_id": "rzp_test_1", "key_secret": "s:e"})
    sent = GATEWAY.authorize(built(), credentials, NOW)
    name, value = sent.headers[-1]
    assert name == "Authorization"
    assert value.startswith("Basic ")
    assert b64decode(value.removeprefix("Basic ")) == b"rzp_test_1:s:e"


@pytest.mark.parametrize("values", [{}, {"key_id": "k"}, {"key_secret": "s"}])
def test_half_a_credential_sends_nothing(values: dict[str, str]) -> None:
    with pytest.raises(InvariantBroken, match="credential"):
        GATEWAY.authorize(built(), Credentials(values), NOW)
