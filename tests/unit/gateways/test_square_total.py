from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.square import facts
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.square import (
    PAYMENT_ID,
    RECORDED,
    SQUARE,
    SQUARE_REFUND,
    money,
    payment,
    refund,
)
from tests.unit.gateways.test_square_events import DISPUTE, SECRET, event, signed

GATEWAY = Square()
KNOWN = replace(SQUARE_REFUND, gateway_reference="RFD7")
REFUNDS = [recorded["body"] for recorded in RECORDED]
CODES = sorted(
    facts.REFUSALS
    | facts.CREDENTIAL_CODES
    | {facts.KEY_REUSED, facts.ALREADY_PENDING, facts.LIMITED}
)
ERRORS = [{"errors": [{"category": "REFUND_ERROR", "code": code}]} for code in CODES]


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(responses(*REFUNDS, *ERRORS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(SQUARE_REFUND), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status in {200} | facts.REFUSAL_STATUSES
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status in facts.REFUSAL_STATUSES
            assert code in facts.REFUSALS
        case NotProcessed():
            assert response.status in {429} | facts.REFUSAL_STATUSES
        case Unauthorized():
            assert response.status in {401, 403} | facts.REFUSAL_STATUSES
        case Unsure(reason=reason):
            assert len(reason) <= 200
        case _:
            raise AssertionError(outcome)


@given(
    responses({"payment": payment(refund_ids=["RFD1", "RFD2"])}),
    st.lists(responses({"refund": refund(1)}, {"refund": refund(2, "rw-000001")})),
)
def test_any_answers_to_a_look_up_give_a_result(
    first: HttpResponse, others: list[HttpResponse]
) -> None:
    stop = [HttpResponse(500)] * (facts.MOST_REFUNDS + 1)
    result = result_of(GATEWAY.look_up(SQUARE_REFUND), first, *others, *stop)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Found | Absent):
        assert first.status == 200
    if isinstance(result, Found):
        for match in result.matches:
            assert match.evidence.merchant_reference == "rw-000001"


@given(responses({"refund": refund(7, "rw-000001")}))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), response)
    if isinstance(result, Found):
        assert [m.evidence.gateway_reference for m in result.matches] == ["RFD7"]
    else:
        assert isinstance(result, LookupFailed)


@given(responses({"payment": payment(refunded_money=money(100))}))
def test_any_answer_about_a_payment_gives_amounts_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_payment(SQUARE, PAYMENT_ID, "EUR"), response)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentUnreadable):
        assert len(result.reason) <= 100


@given(responses({"refunds": [refund(1)]}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(SQUARE), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


@given(
    bodies(
        event("refund.updated", {"refund": refund(7, "rw-000001")}),
        event("dispute.created", {"dispute": DISPUTE}),
    )
    | st.builds(lambda value: json.dumps(value).encode(), VALUES)
)
def test_any_signed_body_is_received(body: bytes) -> None:
    arrived = delivery(body, x_square_hmacsha256_signature=signed(body))
    verdict = result_of(GATEWAY.receive(SQUARE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received)


@given(st.text(max_size=120), st.binary(max_size=120))
def test_any_unsigned_body_is_forged(header: str, body: bytes) -> None:
    arrived = delivery(body, x_square_hmacsha256_signature=header)
    verdict = result_of(GATEWAY.receive(SQUARE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Forged)
