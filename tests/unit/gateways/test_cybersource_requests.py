from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from refundwatch.errors import NotExpressible
from refundwatch.gateways.contract import (
    HttpRequest,
    LookupFailed,
    NotProcessed,
    PaymentUnreadable,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    CAPTURE,
    GATEWAY,
    GOOD,
    KNOWN,
    ORDER,
    REFUND,
    capture,
    sale,
    transaction,
)
from tests.unit.gateways.driving import answer, drive, first_request, result_of

DEBIT = transaction("TRANSMITTED", "1", "ics_ecp_debit", id=CAPTURE, names=())


def ordered(payment: Any, **changes: Any) -> HttpRequest:
    driven = drive(
        GATEWAY.refund(replace(ORDER, **changes)),
        answer(200, payment),
        answer(201, GOOD),
    )
    look, order = driven.requests
    assert (look.method, look.moves_money) == ("GET", False)
    assert look.target == f"/tss/v2/transactions/{CAPTURE}"
    assert order.moves_money
    return order


@pytest.mark.parametrize(
    ("payment", "kind"), [(capture(), "captures"), (sale(), "payments")]
)
def test_an_order_goes_where_the_money_was_taken(payment: Any, kind: str) -> None:
    order = ordered(payment)
    assert (order.method, order.target) == ("POST", f"/pts/v2/{kind}/{CAPTURE}/refunds")
    body = json.loads(order.body)
    attempt = body["clientReferenceInformation"].pop("transactionId")
    assert len(attempt) == 30
    assert attempt.isalnum()
    assert body == {
        "clientReferenceInformation": {"code": "rw-000001"},
        "orderInformation": {
            "amountDetails": {"totalAmount": "10.50", "currency": "EUR"}
        },
    }


def test_a_check_names_its_kind() -> None:
    order = ordered(DEBIT)
    assert order.target == f"/pts/v2/payments/{CAPTURE}/refunds"
    assert json.loads(order.body)["paymentInformation"] == {
        "paymentType": {"name": "CHECK"}
    }


def test_each_attempt_has_an_id_of_its_own() -> None:
    ids = {
        json.loads(ordered(capture(), idempotency_key=f"{number:032d}").body)[
            "clientReferenceInformation"
        ]["transactionId"]
        for number in (1, 2, 3)
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("payment", "outcome"),
    [
        (transaction("AUTHORIZED", "1", "ics_auth", id=CAPTURE), "not_captured"),
        (capture() | {"applicationInformation": {}}, "not_captured"),
        (transaction("TRANSMITTED", "0", "ics_bill", id=CAPTURE), "not_captured"),
        (transaction("VOIDED", "1", "ics_bill", id=CAPTURE), "not_captured"),
        (transaction(id=CAPTURE), "not_captured"),
        (capture(currency="USD"), "currency_of_capture"),
    ],
)
def test_what_took_no_money_of_that_kind_is_given_to_people(
    payment: Any, outcome: str
) -> None:
    driven = drive(GATEWAY.refund(ORDER), answer(200, payment))
    assert driven.result == RefusedByGateway(outcome)
    assert not any(request.moves_money for request in driven.requests)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, NotProcessed("payment_not_found_yet", 120)),
        (401, Unauthorized("http_401")),
        (429, Unsure("http_429")),
        (500, Unsure("http_500")),
    ],
)
def test_a_payment_that_cannot_be_read_is_not_refunded_yet(
    status: int, outcome: object
) -> None:
    assert result_of(GATEWAY.refund(ORDER), answer(status, {})) == outcome


def test_a_payment_under_another_id_is_not_believed() -> None:
    other = capture() | {"id": REFUND}
    outcome = result_of(GATEWAY.refund(ORDER), answer(200, other))
    assert outcome == Unsure("another_transaction")


def test_a_stored_order_is_sent_as_it_is() -> None:
    stored = ordered(capture())
    assert first_request(GATEWAY.refund(ORDER, stored)) is stored


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "KWD", "amount_minor": 1234}, "amount_minor"),
        ({"currency": "CLF"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"payment_reference": "../credits"}, "payment_reference"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"merchant_reference": "rw 1"}, "merchant_reference"),
        ({"merchant_reference": 'rw"1'}, "merchant_reference"),
        ({"merchant_reference": "r" * 51}, "merchant_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_asked(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(ORDER, **changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (1050, "EUR", "10.50"),
        (5, "USD", "0.05"),
        (9899, "JPY", "9899"),
        (1230, "KWD", "1.230"),
        (2**53 - 1, "EUR", "90071992547409.91"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(
    minor: int, currency: str, written: str
) -> None:
    order = ordered(capture(currency=currency), amount_minor=minor, currency=currency)
    details = json.loads(order.body)["orderInformation"]["amountDetails"]
    assert details == {"totalAmount": written, "currency": currency}


def test_a_search_asks_for_exactly_our_reference() -> None:
    request = first_request(GATEWAY.look_up(ORDER))
    assert (request.method, request.target) == ("POST", "/tss/v2/searches")
    assert not request.moves_money
    asked = json.loads(request.body)
    assert asked["query"].startswith("clientReferenceInformation.code:rw-000001 AND ")
    assert asked["save"] is False


@pytest.mark.parametrize("reference", ["", "rw:1", "a OR b", "x" * 51])
def test_a_reference_that_would_change_the_search_is_not_searched(
    reference: str,
) -> None:
    asked = replace(ORDER, merchant_reference=reference)
    assert result_of(GATEWAY.look_up(asked)) == LookupFailed("reference_unusable")


@pytest.mark.parametrize("theirs", [None, "", "a/b", ".."])
def test_a_refund_is_read_only_by_an_id(theirs: str | None) -> None:
    asked = replace(ORDER, gateway_reference=theirs)
    result = result_of(GATEWAY.read_refund(asked))
    assert result == LookupFailed("no_gateway_reference")
    payment = result_of(GATEWAY.read_payment(ACCOUNT, theirs or "", "EUR"))
    assert payment == PaymentUnreadable("payment_reference_unusable", missing=True)


def test_a_known_refund_is_cancelled_under_a_reference_of_its_own() -> None:
    request = first_request(GATEWAY.cancel(KNOWN))
    assert request.target == f"/pts/v2/refunds/{REFUND}/voids"
    assert request.operation == "void"
    assert request.moves_money
    code = json.loads(request.body)["clientReferenceInformation"]["code"]
    assert code == "rw-000001-void"
    longest = replace(KNOWN, merchant_reference="r" * 50)
    written = json.loads(first_request(GATEWAY.cancel(longest)).body)
    assert len(written["clientReferenceInformation"]["code"]) == 50


@pytest.mark.parametrize("theirs", [None, "", "a/b"])
def test_a_refund_under_no_id_is_not_cancelled(theirs: str | None) -> None:
    result = result_of(GATEWAY.cancel(replace(ORDER, gateway_reference=theirs)))
    assert result == RefusedByGateway("no_gateway_reference")


def test_every_request_names_host_and_merchant_and_no_key() -> None:
    requests = [
        ordered(capture()),
        first_request(GATEWAY.look_up(ORDER)),
        first_request(GATEWAY.read_refund(KNOWN)),
        first_request(GATEWAY.read_payment(ACCOUNT, CAPTURE, "EUR")),
        first_request(GATEWAY.probe(ACCOUNT)),
        first_request(GATEWAY.cancel(KNOWN)),
    ]
    for request in requests:
        named = dict(request.headers)
        assert named["Host"] == "apitest.cybersource.com"
        assert named["v-c-merchant-id"] == "refundwatch_test"
        assert named["Authorization"] == "Bearer"
        assert ("Content-Type" in named) is (request.method == "POST")


def test_nothing_but_the_health_check_is_greeted() -> None:
    assert GATEWAY.greet(ACCOUNT, {}, ()) == b""
