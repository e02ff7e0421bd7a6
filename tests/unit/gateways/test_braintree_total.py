from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.gateways.braintree import building, facts
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.contract import (
    Absent,
    Forged,
    Found,
    Heard,
    HttpResponse,
    LookupFailed,
    NotProcessed,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.reading import parse
from tests.unit.gateways.braintree_talk import (
    BRAINTREE,
    KNOWN,
    PAIR,
    REFUND,
    REFUND_ID,
    SALE_ID,
    SIGNED,
    error,
    identity,
    refund,
    sale,
)
from tests.unit.gateways.driving import NOW, drive, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, bodies
from tests.unit.gateways.test_braintree_events import signed

GATEWAY = Braintree()
WHOLE = replace(REFUND, amount_minor=5000)
ORDERS = {
    "refund": building.refund_request(REFUND, SALE_ID),
    "void": building.void_request(WHOLE, SALE_ID),
}
REFUNDED = {"data": {"refundTransaction": {"refund": refund()}}}
REVERSED = {"data": {"reverseTransaction": {"reversal": sale(status="VOIDED")}}}
ERRORS = [
    {"data": None, "errors": [error("VALIDATION", code)]} for code in facts.REFUSALS
]
SALES = [
    {"data": {"node": sale(status=status, refunds=[refund()])}}
    for status in ("SETTLED", "VOIDED", "SUBMITTED_FOR_SETTLEMENT")
]


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(
    st.sampled_from(sorted(ORDERS)), responses(REFUNDED, REVERSED, ERRORS[0], ERRORS[1])
)
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    operation: str, response: HttpResponse
) -> None:
    outcome = result_of(GATEWAY.refund(REFUND, ORDERS[operation]), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status == 200
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status == 200
            assert code in facts.REFUSALS | {"NOT_FOUND", "NOT_IMPLEMENTED"}
        case NotProcessed() | Unauthorized():
            assert response.status in {200, 401, 403, 426, 429}
        case Unsure(reason=reason):
            assert len(reason) <= 200
        case _:
            raise AssertionError(outcome)


@given(responses({"data": {"idFromLegacyId": SALE_ID}}), responses(*SALES))
def test_any_sale_orders_exactly_what_it_allows(
    first: HttpResponse, second: HttpResponse
) -> None:
    operation = GATEWAY.refund(WHOLE)
    stop = HttpResponse(500)
    driven = drive(operation, first, second, stop, stop)
    orders = [one for one in driven.requests if one.moves_money]
    assert len(orders) <= 1
    if orders:
        read: Any = parse(second.body)
        status = read["data"]["node"]["status"]
        wanted = "refund" if status == "SETTLED" else "void"
        assert orders[0].operation == wanted
        assert wanted == "refund" or not read["data"]["node"]["refunds"]


@given(responses(*SALES))
def test_any_answers_to_a_look_up_give_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.look_up(REFUND), identity(), response)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Found):
        for match in result.matches:
            assert match.evidence.merchant_reference in {"rw-r-000123", None}


@given(responses({"data": {"node": refund()}}))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), identity(REFUND_ID), response)
    if isinstance(result, Found):
        assert result.matches[0].evidence.gateway_reference == "rwrefund01"
    else:
        assert isinstance(result, LookupFailed)


@given(responses(*SALES))
def test_any_answer_about_a_payment_gives_amounts_or_none(
    response: HttpResponse,
) -> None:
    operation = GATEWAY.read_payment(BRAINTREE, SALE_ID, "USD")
    result = result_of(operation, response)
    assert isinstance(result, PaymentRead | PaymentUnreadable)


@given(responses({"data": {"ping": "pong"}}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(BRAINTREE), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


def spliced(xml: str) -> st.SearchStrategy[bytes]:
    document = xml.encode()
    places = st.integers(0, len(document))
    return st.builds(
        lambda at, more, gone: document[:at] + more + document[at + gone :],
        places,
        st.binary(max_size=8),
        st.integers(0, 9),
    )


@given(spliced(SIGNED["vectors"][0]["xml"]) | st.binary(max_size=80))
def test_any_signed_document_gives_a_verdict(document: bytes) -> None:
    delivery = RawDelivery({}, signed(document))
    verdict = result_of(GATEWAY.receive(BRAINTREE, delivery, (PAIR,), NOW))
    assert isinstance(verdict, Received)


@given(st.binary(max_size=200))
def test_any_unsigned_body_is_forged(body: bytes) -> None:
    operation = GATEWAY.receive(BRAINTREE, RawDelivery({}, body), (PAIR,), NOW)
    assert isinstance(result_of(operation), Forged)
