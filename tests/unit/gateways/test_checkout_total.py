from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    Absent,
    Credentials,
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
    Session,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.checkout import (
    ACCEPTED,
    ACTION,
    ACTION_ID,
    CAPTURE,
    CHECKOUT,
    CHECKOUT_REFUND,
    KNOWN,
    PAYMENT_ID,
    authorized,
    error,
    payment,
)
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_checkout_answers import REFUND
from tests.unit.gateways.test_checkout_events import DISPUTE, SECRET, event, signed
from tests.unit.gateways.test_checkout_requests import CLIENT
from tests.unit.gateways.test_checkout_settlement import HEADER, SAMPLE

GATEWAY = Checkout()
CODES = sorted(facts.REFUSALS | facts.UNCERTAIN | facts.LIMITED | facts.ACCOUNT_TROUBLE)
ERRORS = [error(code) for code in CODES]
few = settings(max_examples=60)
OUTCOMES = (Heard, RefusedByGateway, NotProcessed, Unauthorized, Unsure)


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    statuses = STATUSES | st.sampled_from([202, 422])
    return st.builds(HttpResponse, statuses, HEADERS, bodies(*goods))


@few
@given(responses(ACCEPTED, *ERRORS), responses(payment()))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse, read: HttpResponse
) -> None:
    outcome = result_of(GATEWAY.refund(CHECKOUT_REFUND, REFUND), response, read)
    match outcome:
        case Heard(word=word, evidence=evidence):
            assert response.status == 202
            assert word == "pending"
            assert evidence.gateway_reference
        case RefusedByGateway(code=code):
            assert response.status in {403, 404, 422}
            assert len(code) <= 64
        case NotProcessed(reason=reason):
            assert response.status == 429 or reason in facts.LIMITED
        case Unauthorized():
            assert response.status >= 300
        case Unsure(reason=reason):
            assert len(reason) <= 200
        case _:
            raise AssertionError(outcome)


@few
@given(responses(payment(), authorized()), responses(ACCEPTED))
def test_any_read_before_an_order_gives_an_outcome(
    read: HttpResponse, response: HttpResponse
) -> None:
    stop = HttpResponse(500)
    outcome = result_of(GATEWAY.refund(CHECKOUT_REFUND), read, response, stop)
    assert isinstance(outcome, OUTCOMES)
    if isinstance(outcome, Heard):
        assert read.status == 200


@few
@given(responses([ACTION, CAPTURE], [CAPTURE]), responses(payment()))
def test_any_answers_to_a_look_up_give_a_result(
    listed: HttpResponse, read: HttpResponse
) -> None:
    result = result_of(GATEWAY.look_up(CHECKOUT_REFUND), listed, read)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Absent):
        assert (listed.status, read.status) == (200, 200)
    if isinstance(result, Found):
        for match in result.matches:
            assert match.evidence.merchant_reference == "rw-000001"
            assert len(match.evidence.raw_status) <= 64


@few
@given(responses([ACTION, CAPTURE]))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), response)
    assert isinstance(result, Found | LookupFailed)
    if isinstance(result, Found):
        assert {m.evidence.gateway_reference for m in result.matches} == {ACTION_ID}


@few
@given(responses(payment(), authorized()))
def test_any_answer_about_a_payment_gives_amounts_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_payment(CHECKOUT, PAYMENT_ID, "EUR"), response)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentUnreadable):
        assert len(result.reason) <= 64


@few
@given(responses(payment()))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(CHECKOUT), response)
    assert isinstance(result, ProbeResult)
    assert (result.failure is None) is (response.status == 404)


@few
@given(responses({"access_token": "a.b", "expires_in": 3600}))
def test_any_answer_to_a_token_request_gives_a_session_or_a_reason(
    response: HttpResponse,
) -> None:
    operation = GATEWAY.open_session(CHECKOUT, Credentials(CLIENT), NOW)
    result = result_of(operation, response)
    assert isinstance(result, Session | Unauthorized | Unsure)
    if isinstance(result, Session):
        assert result.expires_at > NOW


@few
@given(
    bodies(event(), event("payment_voided"), event("dispute_received", DISPUTE))
    | st.builds(lambda value: json.dumps(value).encode(), VALUES)
)
def test_any_signed_body_gives_a_verdict(body: bytes) -> None:
    arrived = delivery(body, cko_signature=signed(body))
    verdict = result_of(GATEWAY.receive(CHECKOUT, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received)
    for one in verdict.events:
        assert len(one.type) <= 64


@few
@given(st.text(max_size=120), st.binary(max_size=120))
def test_any_unsigned_body_is_forged(header: str, body: bytes) -> None:
    arrived = delivery(body, cko_signature=header, authorization=header)
    verdict = result_of(GATEWAY.receive(CHECKOUT, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Forged)


@few
@given(st.binary(max_size=200), st.integers(0, len(HEADER + SAMPLE)))
def test_any_file_gives_lines_or_is_no_report(spliced: bytes, at: int) -> None:
    good = (HEADER + SAMPLE).encode()
    content = (good[:at], spliced, good[at:])
    try:
        lines = [*GATEWAY.read_settlement(CHECKOUT, "x", content)]
    except SettlementUnreadable:
        return
    assert all(isinstance(line, SettlementLine | BadLine) for line in lines)
