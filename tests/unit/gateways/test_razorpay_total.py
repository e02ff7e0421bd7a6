from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.contract import (
    Absent,
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
from refundwatch.gateways.razorpay import facts
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, bodies
from tests.unit.gateways.razorpay import (
    GATEWAY,
    KNOWN,
    PAYMENT,
    PAYMENT_ID,
    PROCESSED,
    RAZORPAY,
    RAZORPAY_REFUND,
    RECORDED,
    REFUND,
    SIGNED,
)
from tests.unit.gateways.test_razorpay_events import SECRET, event, signature

PAGE = RECORDED["refunds-of-payment"]["body"]
ERRORS = [
    {"error": {"code": "BAD_REQUEST_ERROR", "description": fragment}}
    for fragment, _ in (
        *facts.ECHOES,
        *facts.REFUSALS,
        *facts.SHORT_OF_FUNDS,
        *facts.USED_BEFORE,
    )
]
BODIES = [vector["body_utf8"].encode() for vector in SIGNED]
STOP = HttpResponse(500)


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(responses(REFUND, PROCESSED, *ERRORS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(RAZORPAY_REFUND), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status == 200
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status == 400
            assert len(code) <= 64
        case NotProcessed():
            assert response.status == 429
        case Unauthorized():
            assert response.status in {400, 401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 80
        case _:
            raise AssertionError(outcome)


@given(st.lists(responses(PAGE), min_size=1, max_size=3))
def test_any_answers_to_a_look_up_give_a_result(answers: list[HttpResponse]) -> None:
    found = result_of(GATEWAY.look_up(RAZORPAY_REFUND), *answers, *[STOP] * 2)
    assert isinstance(found, Found | Absent | LookupFailed)
    if isinstance(found, Found | Absent):
        assert answers[0].status == 200


@given(responses(REFUND), responses(PAGE))
def test_any_answers_to_a_read_give_that_refund_or_none(
    first: HttpResponse, second: HttpResponse
) -> None:
    found = result_of(GATEWAY.read_refund(KNOWN), first, second, STOP)
    assert isinstance(found, Found | LookupFailed)
    if isinstance(found, Found):
        [match] = found.matches
        assert match.evidence.gateway_reference == KNOWN.gateway_reference


@given(responses(PAYMENT, PAYMENT | {"refund_status": None}), responses(PAGE))
def test_any_answers_about_a_payment_give_amounts_or_none(
    first: HttpResponse, second: HttpResponse
) -> None:
    operation = GATEWAY.read_payment(RAZORPAY, PAYMENT_ID, "INR")
    result = result_of(operation, first, second, STOP)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentUnreadable):
        assert len(result.reason) <= 80


@given(responses(PAGE))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(RAZORPAY), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


@given(st.binary(max_size=120) | st.sampled_from([*BODIES, event()]))
def test_any_signed_body_gives_a_verdict(body: bytes) -> None:
    arrived = delivery(body, x_razorpay_signature=signature(body))
    verdict = result_of(GATEWAY.receive(RAZORPAY, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received)


@given(bodies(RECORDED["settled"]["body"]))
def test_any_page_gives_lines_or_is_refused(content: bytes) -> None:
    try:
        for line in GATEWAY.read_settlement(RAZORPAY, "f", [content]):
            assert isinstance(line, SettlementLine | BadLine)
    except SettlementUnreadable:
        pass
