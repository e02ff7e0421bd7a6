from __future__ import annotations

from typing import Any

import pytest

from refundwatch.gateways.contract import (
    HttpResponse,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways.driving import PAYPAL, answer, drive
from tests.unit.gateways.test_paypal_reads import CAPTURE_ID, capture, order, refund

GATEWAY = PayPal()


def paid(*responses: HttpResponse) -> Any:
    return drive(GATEWAY.read_payment(PAYPAL, CAPTURE_ID, "EUR"), *responses).result


def test_an_untouched_capture_is_read_alone() -> None:
    assert paid(answer(200, capture())) == PaymentRead(5000, "EUR", refunded_minor=0)


@pytest.mark.parametrize("status", ["DECLINED", "FAILED"])
def test_a_capture_that_took_nothing_has_nothing(status: str) -> None:
    expected = PaymentRead(0, "EUR", refunded_minor=0)
    assert paid(answer(200, capture(status))) == expected


@pytest.mark.parametrize(
    ("listed", "refunded"),
    [
        (order(refund(1), refund(2, "1.25")), 1175),
        (order(refund(1), refund(2, status="PENDING")), 2100),
        (order(refund(1), refund(2, status="FAILED")), 1050),
        (order(refund(1), refund(2, status="CANCELLED")), 1050),
        (order(refund(1), refund(2, of="OTHER")), 1050),
        (order(refund(1), refund(2, links=[])), 2100),
        (order(refund(1), refund(2, status="NEW")), None),
        (order(refund(1), refund(2, "1.255")), None),
        (order(refund(1), refund(2, "-1.25")), None),
        (order(refund(1), refund(2, amount=None)), None),
        (
            order(refund(1, amount={"value": "5", "currency_code": "USD"})),
            None,
        ),
        (order(), None),
    ],
)
def test_what_was_given_back_is_the_sum_of_the_orders_refunds_or_not_told(
    listed: object, refunded: int | None
) -> None:
    read_ = paid(answer(200, capture("PARTIALLY_REFUNDED")), answer(200, listed))
    assert read_ == PaymentRead(5000, "EUR", refunded_minor=refunded)


@pytest.mark.parametrize(
    ("listed", "refunded"),
    [
        (order(), 5000),
        (order(refund(1)), 5000),
        (order(refund(1, "50.00")), 5000),
        (order(refund(1, "51.00")), 5100),
        (order(refund(1, status="NEW")), 5000),
    ],
)
def test_a_capture_given_back_whole_is_never_less(
    listed: object, refunded: int
) -> None:
    read_ = paid(answer(200, capture("REFUNDED")), answer(200, listed))
    assert read_ == PaymentRead(5000, "EUR", refunded_minor=refunded)


@pytest.mark.parametrize("unreadable", [403, 404])
@pytest.mark.parametrize(
    ("status", "refunded"), [("REFUNDED", 5000), ("PARTIALLY_REFUNDED", None)]
)
def test_without_its_order_a_capture_tells_what_its_status_tells(
    unreadable: int, status: str, refunded: int | None
) -> None:
    read_ = paid(answer(200, capture(status)), answer(unreadable, b""))
    assert read_ == PaymentRead(5000, "EUR", refunded_minor=refunded)
    nameless = capture(status, supplementary_data={}, links=[])
    assert paid(answer(200, nameless)) == PaymentRead(
        5000, "EUR", refunded_minor=refunded
    )


def test_an_amount_without_decimals_is_read_in_minor_units() -> None:
    huf = capture(amount={"value": "12345", "currency_code": "HUF"})
    assert paid(answer(200, huf)) == PaymentRead(1234500, "HUF", refunded_minor=0)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            answer(404, {"name": "RESOURCE_NOT_FOUND"}),
            PaymentUnreadable("http_404:RESOURCE_NOT_FOUND", missing=True),
        ),
        (answer(401, b""), PaymentUnreadable("http_401", unauthorized=True)),
        (answer(500, b""), PaymentUnreadable("http_500")),
        (answer(200, b"x"), PaymentUnreadable("not_json")),
        (answer(200, capture(id="OTHER")), PaymentUnreadable("another_capture")),
        (answer(200, capture(amount=None)), PaymentUnreadable("no_captured_amount")),
        (
            answer(200, capture(amount={"value": "1.005", "currency_code": "EUR"})),
            PaymentUnreadable("amount:1.005 EUR"),
        ),
        (answer(200, capture("PENDING")), PaymentUnreadable("capture_status:PENDING")),
        (answer(200, capture("NEW")), PaymentUnreadable("capture_status:NEW")),
        (answer(200, capture(status=[])), PaymentUnreadable("capture_status:null")),
    ],
)
def test_a_payment_that_was_not_read_has_no_amounts(
    response: HttpResponse, expected: PaymentUnreadable
) -> None:
    assert paid(response) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(500, b""), PaymentUnreadable("http_500")),
        (answer(401, b""), PaymentUnreadable("http_401", unauthorized=True)),
        (answer(200, b"x"), PaymentUnreadable("not_json")),
        (answer(200, order(id="OTHER")), PaymentUnreadable("another_order")),
    ],
)
def test_a_payment_whose_order_failed_is_read_another_time(
    response: HttpResponse, expected: PaymentUnreadable
) -> None:
    assert paid(answer(200, capture("PARTIALLY_REFUNDED")), response) == expected
