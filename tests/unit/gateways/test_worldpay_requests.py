from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.currencies import EXPONENTS
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import (
    Credentials,
    Heard,
    HttpResponse,
    NotProcessed,
    Outcome,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.xml import attribute, child, parse_xml
from tests.unit.gateways.driving import NOW, drive, first_request
from tests.unit.gateways.worldpay_talk import (
    DOCTYPE,
    GATEWAY,
    ORDER,
    REFUND,
    WORLDPAY,
    amount,
    error,
    order,
    order_request,
    shown,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from refundwatch.gateways.contract import HttpRequest

CAPTURED = order()


def modification(request: HttpRequest) -> Element:
    found = child(parse_xml(request.body), "modify", "orderModification")
    assert found is not None
    assert found.get("orderCode") == ORDER
    (only,) = found
    return only


def test_a_refund_is_ordered_as_documented_after_its_order_was_seen() -> None:
    request = order_request(CAPTURED)
    assert (request.method, request.operation) == ("POST", "refund")
    assert request.target == "/jsp/merchant/xml/paymentService.jsp"
    assert request.headers == (("Content-Type", "text/xml; charset=UTF-8"),)
    inside = (
        '<paymentService version="1.4" merchantCode="RWTESTGBP"><modify>'
        '<orderModification orderCode="rw-order-10042">'
        '<refund reference="rw-000123-1"><amount value="595" currencyCode="GBP"'
        ' exponent="2" debitCreditIndicator="credit" /></refund></orderModification>'
        "</modify></paymentService>"
    )
    assert request.body.decode() == DOCTYPE + inside


def test_the_same_refund_is_built_byte_for_byte_the_same() -> None:
    assert order_request(CAPTURED) == order_request(CAPTURED)


def test_a_stored_request_is_sent_as_it_is_and_nothing_is_asked_before() -> None:
    stored = replace(order_request(CAPTURED), body=b"<x/>")
    unbuildable = replace(REFUND, amount_minor=0)
    assert first_request(GATEWAY.refund(unbuildable, stored)) is stored


@pytest.mark.parametrize(
    "event",
    [
        "CAPTURED",
        "SETTLED",
        "SETTLED_BY_MERCHANT",
        "SENT_FOR_REFUND",
        "REFUNDED",
        "REFUND_FAILED",
    ],
)
def test_what_was_captured_is_refunded(event: str) -> None:
    assert modification(order_request(order(event))).tag == "refund"


def test_an_order_that_is_not_captured_is_cancelled_whole_without_an_amount() -> None:
    request = order_request(order("AUTHORISED", total=amount(595)))
    assert request.operation == "void"
    cancel = modification(request)
    assert (cancel.tag, cancel.get("reference")) == ("cancel", "rw-000123-1")
    assert len(cancel) == 0


NOT_ORDERED: list[tuple[HttpResponse, Outcome]] = [
    (order("AUTHORISED"), NotProcessed("not_captured", 3600)),
    (order("SENT_FOR_AUTHORISATION"), NotProcessed("not_captured", 3600)),
    (order("CANCELLED"), RefusedByGateway("order_cancelled")),
    (order("REFUSED"), RefusedByGateway("order_refused")),
    (order("CHARGED_BACK"), RefusedByGateway("order_charged_back")),
    (order("INFORMATION_REQUESTED"), RefusedByGateway("order_information_requested")),
    (order("NEVER_SEEN"), RefusedByGateway("order_never_seen")),
    (order(None), RefusedByGateway("order_untold")),
    (order(total=amount(currency="EUR")), RefusedByGateway("order_currency")),
    (order(total=amount(exponent=1)), RefusedByGateway("order_currency")),
    (order(total=amount(exponent=0)), RefusedByGateway("not_expressible")),
    (error("5", "Could not find payment for order"), RefusedByGateway("unknown_order")),
    (error("4", "Security violation"), Unauthorized("error_4")),
    (error("8"), Unsure("error_8")),
    (error("1"), Unsure("error_1")),
    (order(code="another"), Unsure("other_order")),
    (HttpResponse(401, {}, b"<html>"), Unauthorized("http_401")),
    (HttpResponse(503, {"retry-after": "7"}, b""), Unsure("http_503", 7)),
    (HttpResponse(200, {}, b"<html><body>"), Unsure("not_xml")),
]


@pytest.mark.parametrize(("response", "expected"), NOT_ORDERED)
def test_nothing_is_ordered_for_what_is_not_ready(
    response: HttpResponse, expected: Outcome
) -> None:
    driven = drive(GATEWAY.refund(REFUND), response)
    assert driven.result == expected
    assert [request.moves_money for request in driven.requests] == [False]


def test_what_already_stands_under_our_reference_is_not_ordered_again() -> None:
    seen = order("SENT_FOR_REFUND", references=shown())
    driven = drive(GATEWAY.refund(REFUND), seen)
    assert isinstance(driven.result, Heard)
    assert len(driven.requests) == 1


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "written"),
    [
        (595, "JPY", 0, "595"),
        (5950, "KWD", 3, "5950"),
        (1050, "EUR", 2, "1050"),
        (1000, "HUF", 0, "10"),
        (1000, "HUF", 2, "1000"),
        (500000, "IDR", 0, "5000"),
        (7, "ISK", 2, "700"),
    ],
)
def test_the_exponent_of_the_original_payment_is_used(
    minor: int, currency: str, exponent: int, written: str
) -> None:
    before = order(total=amount(written + "0", currency, exponent))
    request = order_request(before, amount_minor=minor, currency=currency)
    stated = child(modification(request), "amount")
    assert stated is not None
    assert (stated.get("value"), stated.get("exponent")) == (written, str(exponent))
    assert stated.get("currencyCode") == currency


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 1050, "currency": "HUF"}, "amount_minor"),
        ({"amount_minor": 10000, "currency": "CLF"}, "currency"),
        ({"currency": "gbp"}, "currency"),
        ({"payment_reference": ""}, "payment_reference"),
        ({"payment_reference": "a b"}, "payment_reference"),
        ({"payment_reference": "o" * 65}, "payment_reference"),
        ({"payment_reference": "bestellung-ü"}, "payment_reference"),
        ({"merchant_reference": ""}, "merchant_reference"),
        ({"merchant_reference": "r" * 65}, "merchant_reference"),
        ({"merchant_reference": "a<b"}, "merchant_reference"),
    ],
)
def test_what_cannot_be_stated_is_refused_on_the_call_itself(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(NotExpressible) as caught:
        GATEWAY.refund(replace(REFUND, **changes))
    assert caught.value.field == field


@given(code=st.from_regex(r"[\x21-\x7e]{1,64}", fullmatch=True))
def test_any_order_code_is_escaped_and_read_back_unchanged(code: str) -> None:
    asked = replace(REFUND, payment_reference=code)
    operation = GATEWAY.refund(asked)
    look = parse_xml(next(operation).body)
    assert attribute(look, "orderCode", "inquiry", "orderInquiry") == code
    request = operation.send(order(code=code))
    told = attribute(
        parse_xml(request.body), "orderCode", "modify", "orderModification"
    )
    assert told == code


@given(minor=st.integers(1, 10**9), currency=st.sampled_from(sorted(EXPONENTS)))
def test_a_refund_always_states_an_amount_that_is_worth_ours(
    minor: int, currency: str
) -> None:
    before = order(total=amount("9" * 16, currency, 3))
    try:
        operation = GATEWAY.refund(
            replace(REFUND, amount_minor=minor, currency=currency)
        )
    except NotExpressible:
        return
    next(operation)
    try:
        request = operation.send(before)
    except StopIteration:
        return
    stated = child(modification(request), "amount")
    assert stated is not None
    units = int(stated.get("value", "0")) * 10 ** EXPONENTS[currency]
    assert units == minor * 10**3


def test_an_account_without_merchant_code_breaks_an_invariant() -> None:
    for settings in ({}, {"merchant_code": "a b"}):
        nameless = replace(WORLDPAY, settings=settings)
        with pytest.raises(InvariantBroken, match="merchant_code"):
            GATEWAY.refund(replace(REFUND, account=nameless))


def test_user_and_password_are_added_at_the_moment_of_sending() -> None:
    request = order_request(CAPTURED)
    known = Credentials({"username": "RWTESTGBP", "password": "xml-pass-01"})
    sent = GATEWAY.authorize(request, known, NOW)
    basic = ("Authorization", "Basic UldURVNUR0JQOnhtbC1wYXNzLTAx")
    assert sent.headers == (*request.headers, basic)
    assert replace(sent, headers=request.headers) == request


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_missing_credential_breaks_an_invariant(missing: str) -> None:
    known = {"username": "u", "password": "p"}
    del known[missing]
    with pytest.raises(InvariantBroken, match="credential"):
        GATEWAY.authorize(order_request(CAPTURED), Credentials(known), NOW)


def test_reads_move_no_money() -> None:
    for operation in (
        GATEWAY.look_up(REFUND),
        GATEWAY.read_refund(REFUND),
        GATEWAY.read_payment(WORLDPAY, ORDER, "GBP"),
        GATEWAY.probe(WORLDPAY),
    ):
        request = first_request(operation)
        assert not request.moves_money
        root = parse_xml(request.body)
        assert attribute(root, "orderCode", "inquiry", "orderInquiry") is not None
