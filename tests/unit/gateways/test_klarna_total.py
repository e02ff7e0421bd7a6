from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
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
)
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.klarna import (
    GATEWAY,
    KLARNA,
    KLARNA_REFUND,
    KNOWN,
    ORDER,
    ORDER_ID,
    RECORDED,
    REFUND_ID,
    SIGNED,
)
from tests.unit.gateways.mutations import HEADERS, STATUSES, bodies
from tests.unit.gateways.test_klarna_events import KEY, signature

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR = RECORDED["refund-before-capture"]["body"]
IDS = st.sampled_from([{}, {"refund-id": REFUND_ID}, {"location": "/x/refunds/y"}])
BODIES = [vector["body_utf8"].encode() for vector in SIGNED]
LABELS: st.SearchStrategy[Mapping[str, str]] = st.builds(
    lambda some, ids: {**some, **ids}, HEADERS, IDS
)


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, LABELS, bodies(*goods))


@given(responses(ERROR), responses(ORDER))
def test_any_answers_to_an_order_give_an_outcome_their_status_allows(
    first: HttpResponse, second: HttpResponse
) -> None:
    outcome = result_of(GATEWAY.refund(KLARNA_REFUND), first, second)
    match outcome:
        case Heard(evidence=evidence):
            assert first.status == 201
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert first.status in {400, 403, 404, 413, 415, 422}
            assert len(code) <= 64
        case NotProcessed(retry_after_seconds=wait):
            assert first.status in {403, 429}
            assert wait is None or 0 <= wait <= 86_400
        case Unauthorized():
            assert first.status in {401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 80
        case _:
            raise AssertionError(outcome)


@given(responses(ORDER))
def test_any_answer_to_a_question_gives_a_result(response: HttpResponse) -> None:
    found = result_of(GATEWAY.look_up(KLARNA_REFUND), response)
    assert isinstance(found, Found | Absent | LookupFailed)
    assert response.status == 200 or isinstance(found, LookupFailed)
    read = result_of(GATEWAY.read_refund(KNOWN), response)
    assert isinstance(read, Found | LookupFailed)
    if isinstance(read, Found):
        assert {m.evidence.gateway_reference for m in read.matches} == {REFUND_ID}


@given(responses(ORDER))
def test_any_answer_about_an_order_gives_amounts_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_payment(KLARNA, ORDER_ID, "SEK"), response)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentUnreadable):
        assert len(result.reason) <= 80


@given(responses({"payouts": []}), responses(ERROR))
def test_any_answers_to_a_probe_give_a_result(
    first: HttpResponse, second: HttpResponse
) -> None:
    assert isinstance(result_of(GATEWAY.probe(KLARNA), first, second), ProbeResult)


@given(st.binary(max_size=120) | st.sampled_from(BODIES))
def test_any_signed_body_gives_a_verdict(body: bytes) -> None:
    arrived = delivery(body, klarna_signature=signature(body))
    verdict = result_of(GATEWAY.receive(KLARNA, arrived, (KEY,), NOW))
    assert isinstance(verdict, Received) or verdict == Forged("live")


@given(bodies(RECORDED["transactions"]["body"]) | st.text().map(str.encode))
def test_any_report_gives_lines_or_is_refused(content: bytes) -> None:
    try:
        for line in GATEWAY.read_settlement(KLARNA, "f", [content]):
            assert isinstance(line, SettlementLine | BadLine)
    except SettlementUnreadable:
        pass
