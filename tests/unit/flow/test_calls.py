from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.flow.calls import Asked, answered, failed, understood
from refundwatch.flow.ports import NoAnswerError
from refundwatch.gateways import registry
from refundwatch.gateways.contract import (
    HttpRequest,
    HttpResponse,
    LookupFailed,
    NotShown,
    PaymentUnreadable,
)
from refundwatch.store.contract import CallRecord
from tests.flow.fakes import a_path
from tests.unit.gateways.driving import NOW

if TYPE_CHECKING:
    from refundwatch.gateways.contract import PaymentRead

CALL = CallRecord(
    connection="a/main",
    operation="read_payment",
    started_at=NOW,
    duration_ms=1,
    outcome="ok",
    sent=True,
    status=200,
)


@pytest.mark.parametrize(
    ("outcome", "result", "expected"),
    [
        ("ok", PaymentUnreadable("E00040", missing=True), "refused"),
        ("refused", PaymentUnreadable("http_404", missing=True), "refused"),
        ("server_error", PaymentUnreadable("http_500", missing=True), "server_error"),
        ("ok", PaymentUnreadable("no_amount"), "malformed"),
        ("ok", PaymentUnreadable("key", unauthorized=True), "unauthorized"),
    ],
)
def test_payment_that_a_gateway_does_not_know_says_nothing_against_it(
    outcome: str, result: PaymentRead | PaymentUnreadable, expected: str
) -> None:
    judged = understood(replace(CALL, outcome=outcome), result)
    assert judged.outcome == expected
    assert judged.error is not None


@pytest.mark.parametrize(
    "result",
    [PaymentUnreadable("captured_not_told", untold_in="GBP"), NotShown()],
)
def test_a_whole_answer_that_tells_less_says_nothing_against_a_gateway(
    result: PaymentUnreadable | NotShown,
) -> None:
    assert understood(CALL, result) == CALL


@pytest.mark.parametrize(
    ("outcome", "result", "expected"),
    [
        ("ok", LookupFailed("E00040", unknown_there=True), "refused"),
        ("refused", LookupFailed("http_404", unknown_there=True), "refused"),
        ("server_error", LookupFailed("http_500", unknown_there=True), "server_error"),
        ("ok", LookupFailed("no_transaction"), "malformed"),
    ],
)
def test_refund_that_a_gateway_does_not_show_yet_says_nothing_against_it(
    outcome: str, result: LookupFailed, expected: str
) -> None:
    judged = understood(replace(CALL, outcome=outcome), result)
    assert judged.outcome == expected


def asked(
    gateway: str, target: str, endpoint: str = "https://api.example.test", **more: Any
) -> Asked:
    path = a_path(gateway=registry.gateway(gateway), endpoint=endpoint, **more)
    return Asked(path, HttpRequest("refund", "POST", target), NOW, 0.0)


@pytest.mark.parametrize(
    ("gateway", "target", "expected"),
    [
        ("paypal", "/v2/payments/captures/C1/refund", "v2"),
        ("mollie", "/v2/payments/tr_1/refunds", "v2"),
        ("razorpay", "/v1/payments/pay_1/refund", "v1"),
        ("klarna", "/ordermanagement/v1/orders/o1/refunds", "v1"),
        ("cybersource", "/pts/v2/captures/7/refunds", "v2"),
        ("authorizenet", "/xml/v1/request.api", "v1"),
        ("worldpay", "/jsp/merchant/xml/paymentService.jsp", None),
        ("mollie", "/payments/v2x?next=/v9/", None),
    ],
)
def test_version_asked_stands_in_the_path(
    gateway: str, target: str, expected: str | None
) -> None:
    call = failed(asked(gateway, target), NoAnswerError("read_timeout"), 1.0)
    assert (call.version_asked, call.version_answered) == (expected, None)


def test_version_asked_stands_in_the_address_of_the_connection() -> None:
    endpoint = "https://checkout-test.adyen.com/v71"
    one = asked("adyen", "/payments/P1/refunds", endpoint, api_version="v1")
    assert answered(one, HttpResponse(201), 1.0).version_asked == "v71"


def test_version_answered_is_read_where_nothing_pins_one() -> None:
    one = asked("checkout", "/payments/pay_1/refunds")
    call = answered(one, HttpResponse(202, {"cko-version": "1.1342.0"}), 1.0)
    assert (call.version_asked, call.version_answered) == (None, "1.1342.0")


@pytest.mark.parametrize(
    ("gateway", "header"),
    [
        ("stripe", "stripe-version"),
        ("square", "square-version"),
        ("braintree", "braintree-version"),
    ],
)
def test_version_answered_is_that_of_the_header_that_pins_it(
    gateway: str, header: str
) -> None:
    adapter = registry.gateway(gateway)
    request = next(adapter.probe(a_path().account))
    one = Asked(a_path(gateway=adapter), request, NOW, 0.0)
    call = answered(one, HttpResponse(200, {header: "2027-01-01"}), 1.0)
    assert call.version_asked
    assert call.version_answered == "2027-01-01"
    assert answered(one, HttpResponse(200), 1.0).version_answered is None
