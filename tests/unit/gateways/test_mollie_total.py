from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
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
    Unverifiable,
)
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.driving import NOW, answer, delivery, drive, result_of
from tests.unit.gateways.mollie_hand import (
    GATEWAY,
    GOOD,
    KNOWN,
    MOLLIE,
    MOLLIE_REFUND,
    PAYMENT,
    REFUND_ID,
    SECRET,
    error,
    listed,
    page,
    payment,
    refund,
    signature,
)
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_mollie_events import EVENT
from tests.unit.gateways.test_mollie_settlement import BOOKINGS, SETTLED

ERRORS = [json.loads(error(status).body) for status in (400, 409, 422, 503)]
STORED = drive(GATEWAY.refund(MOLLIE_REFUND), listed(), answer(201, GOOD)).requests[-1]
STOP = HttpResponse(500)


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@settings(max_examples=40)
@given(responses(GOOD, *ERRORS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(MOLLIE_REFUND, STORED), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status in {200, 201}
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status in {400, 404, 405, 410, 415, 422}
            assert len(code) <= 64
        case NotProcessed():
            assert response.status in {409, 429, 503}
        case Unauthorized():
            assert response.status in {401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 200
        case _:
            raise AssertionError(outcome)


@settings(max_examples=40)
@given(responses(page(), page(GOOD)), responses(GOOD, *ERRORS))
def test_before_an_order_any_answer_gives_an_outcome(
    first: HttpResponse, second: HttpResponse
) -> None:
    driven = drive(GATEWAY.refund(MOLLIE_REFUND), first, second, *[STOP] * 2)
    assert isinstance(
        driven.result,
        Heard | RefusedByGateway | NotProcessed | Unauthorized | Unsure,
    )
    if any(one.moves_money for one in driven.requests):
        assert first.status == 200


@settings(max_examples=40)
@given(
    st.lists(responses(page(refund(1), refund(2, "rw-000001"))), min_size=1, max_size=2)
)
def test_any_answers_to_a_look_up_give_a_result(answers: list[HttpResponse]) -> None:
    result = result_of(GATEWAY.look_up(MOLLIE_REFUND), *answers, *[STOP] * 2)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Found | Absent):
        assert answers[0].status == 200
    if isinstance(result, Found):
        for match in result.matches:
            assert match.evidence.merchant_reference == "rw-000001"


@settings(max_examples=40)
@given(responses(GOOD, *ERRORS), responses(page(GOOD)))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    first: HttpResponse, second: HttpResponse
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), first, second, *[STOP] * 2)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Found):
        names = {match.evidence.gateway_reference for match in result.matches}
        assert names == {REFUND_ID}


@settings(max_examples=40)
@given(responses(GOOD, *ERRORS), responses(GOOD), responses(page(GOOD)))
def test_any_answer_to_a_cancellation_gives_an_outcome(
    first: HttpResponse, second: HttpResponse, third: HttpResponse
) -> None:
    result = result_of(GATEWAY.cancel(KNOWN), first, second, third, *[STOP] * 2)
    assert isinstance(
        result, Heard | RefusedByGateway | NotProcessed | Unauthorized | Unsure
    )


@settings(max_examples=40)
@given(responses(payment()))
def test_any_answer_about_a_payment_gives_amounts_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_payment(MOLLIE, PAYMENT, "EUR"), response)
    match result:
        case PaymentRead():
            assert result.captured_minor >= 0
        case PaymentUnreadable():
            assert len(result.reason) <= 80
        case _:
            raise AssertionError(result)


@settings(max_examples=40)
@given(responses({"resource": "profile"}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(MOLLIE), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


@settings(max_examples=40)
@given(bodies(EVENT) | st.builds(lambda value: json.dumps(value).encode(), VALUES))
def test_any_signed_body_gives_a_verdict(body: bytes) -> None:
    arrived = delivery(body, x_mollie_signature=signature(body))
    verdict = result_of(GATEWAY.receive(MOLLIE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received) or verdict == Forged("mode")


@settings(max_examples=40)
@given(st.text(max_size=120), st.binary(max_size=120))
def test_any_wrong_signature_is_forged(header: str, body: bytes) -> None:
    arrived = delivery(body, x_mollie_signature=header)
    verdict = result_of(GATEWAY.receive(MOLLIE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Forged)


@settings(max_examples=40)
@given(
    st.sampled_from([f"id={PAYMENT}".encode()]) | st.binary(max_size=80),
    responses(payment() | {"_embedded": {"refunds": [GOOD]}}),
)
def test_any_unsigned_body_and_any_payment_give_a_verdict(
    body: bytes, response: HttpResponse
) -> None:
    verdict = result_of(
        GATEWAY.receive(MOLLIE, delivery(body), (SECRET,), NOW), response
    )
    assert isinstance(verdict, Received | Forged | Unverifiable)
    if isinstance(verdict, Received) and verdict.events:
        assert response.status == 200


@settings(max_examples=40)
@given(bodies(BOOKINGS, SETTLED))
def test_any_settlement_page_gives_lines_or_is_refused(body: bytes) -> None:
    try:
        lines = list(GATEWAY.read_settlement(MOLLIE, "page", [body]))
    except SettlementUnreadable:
        return
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert isinstance(line, SettlementLine | BadLine)
        if isinstance(line, SettlementLine):
            assert type(line.amount_minor) is int
