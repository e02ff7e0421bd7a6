from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.refund import Word
from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.authorizenet import facts
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    HttpResponse,
    LookupFailed,
    NotOffered,
    NotProcessed,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
    Unverifiable,
)
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.anet import (
    ANET,
    ANET_REFUND,
    BOM,
    GATEWAY,
    KNOWN,
    SALE_ID,
)
from tests.unit.gateways.driving import NOW, VECTORS
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_authorizenet_answers import ORDER, VOID, WHOLE
from tests.unit.gateways.test_authorizenet_events import SECRET, notice, signature

RECORDED = [
    row["body"]
    for row in json.loads((VECTORS / "authorizenet_answers.json").read_text("utf-8"))[
        "answers"
    ]
]
RESPONSES = st.builds(
    HttpResponse,
    st.just(200) | STATUSES,
    HEADERS,
    bodies(*RECORDED).map(lambda body: BOM + body) | bodies(*RECORDED),
)


def run(operation: Any, responses: list[HttpResponse]) -> Any:
    """Answer in turn, the last answer for ever; whoever asks for ever has failed."""
    try:
        next(operation)
        for number in range(1000):
            operation.send(responses[min(number, len(responses) - 1)])
    except StopIteration as stop:
        return stop.value
    raise AssertionError("an operation that never ends")


SEVERAL = st.lists(RESPONSES, min_size=1, max_size=4)


@given(SEVERAL)
def test_any_answers_to_an_order_give_an_outcome_they_allow(
    responses: list[HttpResponse],
) -> None:
    outcome = run(GATEWAY.refund(ANET_REFUND, ORDER), responses)
    match outcome:
        case Heard(word=word, evidence=evidence):
            assert responses[0].status == 200
            assert evidence.gateway_reference or word is Word.UNSEEN
            assert len(evidence.raw_status) <= 100
        case RefusedByGateway(code=code):
            assert responses[0].status == 200
            assert len(code) <= 64
        case NotProcessed(reason=reason):
            assert reason.removeprefix("sale_") in facts.WAITING
        case Unauthorized() | Unsure():
            assert len(outcome.reason) <= 72
        case _:
            raise AssertionError(outcome)


@given(SEVERAL)
def test_a_void_is_done_only_where_it_is_said(responses: list[HttpResponse]) -> None:
    outcome = run(GATEWAY.refund(WHOLE, VOID), responses)
    if isinstance(outcome, Heard):
        assert outcome.word is Word.SUCCEEDED
        assert outcome.evidence.gateway_reference == SALE_ID
    else:
        assert isinstance(outcome, RefusedByGateway | Unauthorized | Unsure)


@given(SEVERAL)
def test_any_answers_to_reads_give_a_result(responses: list[HttpResponse]) -> None:
    for look in (GATEWAY.look_up(KNOWN), GATEWAY.read_refund(KNOWN)):
        assert isinstance(run(look, responses), Found | Absent | LookupFailed)
    payment = run(GATEWAY.read_payment(ANET, SALE_ID, "USD"), responses)
    assert isinstance(payment, PaymentRead | PaymentUnreadable)
    if isinstance(payment, PaymentRead):
        assert payment.captured_minor >= 0
    assert isinstance(run(GATEWAY.probe(ANET), responses), ProbeResult)
    taken = run(GATEWAY.cancel(KNOWN), responses)
    assert not isinstance(taken, NotOffered)


@given(
    bodies(json.loads(notice()))
    | st.builds(lambda value: json.dumps(value).encode(), VALUES),
    SEVERAL,
)
def test_any_well_signed_body_gives_a_verdict(
    body: bytes, responses: list[HttpResponse]
) -> None:
    delivery = RawDelivery({"x-anet-signature": signature(body)}, body)
    verdict = run(GATEWAY.receive(ANET, delivery, (SECRET,), NOW), responses)
    assert isinstance(verdict, Received | Unverifiable)


@given(bodies(*RECORDED))
def test_any_page_gives_lines_or_says_that_it_is_none(body: bytes) -> None:
    try:
        lines = list(GATEWAY.read_settlement(ANET, "page.json", [body]))
    except SettlementUnreadable:
        return
    assert all(isinstance(line, SettlementLine | BadLine) for line in lines)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
