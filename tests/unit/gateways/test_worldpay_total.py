from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Found,
    Heard,
    HttpResponse,
    LookupFailed,
    NotProcessed,
    NotShown,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import NOW, drive, result_of
from tests.unit.gateways.mutations import STATUSES
from tests.unit.gateways.worldpay_talk import (
    FAILED,
    GATEWAY,
    ORDER,
    REFUND,
    SECRET,
    SENT,
    WORLDPAY,
    delivery,
    error,
    left,
    notification,
    order,
    order_request,
    received,
    shown,
    with_settings,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpRequest

STORED = order_request(order())
PIECES = [
    b"<ok>",
    b"</ok>",
    b"<error/>",
    b'code="1"',
    b"&amp;",
    b"&x;",
    b"<!DOCTYPE a [",
    b"REFUNDED",
    b"-1",
    b"\x00",
    b"\xff",
    b'exponent="3"',
    b"<payment/>",
]


@st.composite
def broken(draw: st.DrawFn, *goods: bytes) -> bytes:
    """Give a good document with up to three places cut, doubled or replaced."""
    body = draw(st.sampled_from(goods))
    for _ in range(draw(st.integers(0, 3))):
        at, end = sorted(
            (
                draw(st.integers(0, len(body))),
                draw(st.integers(0, len(body))),
            )
        )
        piece = draw(st.sampled_from([b"", *PIECES]) | st.binary(max_size=4))
        keep = body[at:end] if draw(st.booleans()) else b""
        body = body[:at] + piece + keep + body[end:]
    return body


def responses(*goods: HttpResponse) -> st.SearchStrategy[HttpResponse]:
    bodies = st.binary(max_size=80) | broken(*(one.body for one in goods))
    headers = st.fixed_dictionaries({}, optional={"retry-after": st.text(max_size=9)})
    statuses = st.just(200) | STATUSES
    return st.builds(HttpResponse, statuses, headers, bodies)


@given(responses(received(), order("SENT_FOR_REFUND"), error("5"), error(None)))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    match result_of(GATEWAY.refund(REFUND, STORED), response):
        case Heard(word=word, evidence=evidence):
            assert response.status == 200
            assert word in {Word.PENDING, Word.UNSEEN}
            assert len(evidence.raw_status) <= 100
        case RefusedByGateway(code=code):
            assert response.status == 200
            assert len(code) <= 32
        case NotProcessed():
            assert response.status == 200 or 400 <= response.status < 500
        case Unauthorized():
            assert response.status in {200, 401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 64
        case other:
            raise AssertionError(other)


@given(responses(order(), order("REFUNDED", references=shown()), error("4")))
def test_any_answer_to_a_question_gives_a_result(response: HttpResponse) -> None:
    found = result_of(GATEWAY.look_up(REFUND), response)
    assert isinstance(found, Found | NotShown | LookupFailed)
    probed = result_of(GATEWAY.probe(WORLDPAY), response)
    assert isinstance(probed, ProbeResult)
    operation = order_of_it(response)
    assert operation is None or operation.moves_money


def order_of_it(response: HttpResponse) -> HttpRequest | None:
    operation = GATEWAY.refund(REFUND)
    next(operation)
    try:
        return operation.send(response)
    except StopIteration:
        return None


@given(responses(order(), error("5")), responses(left(5), error("5")))
def test_any_answer_about_a_payment_is_read_or_unreadable(
    first: HttpResponse, second: HttpResponse
) -> None:
    account = with_settings(refundable_amount_inquiry="yes")
    result = drive(GATEWAY.read_payment(account, ORDER, "GBP"), first, second).result
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentRead) and result.refunded_minor is not None:
        assert 0 <= result.refunded_minor <= result.captured_minor


REPORT = delivery(f'<report reportType="event">{notification()}</report>').body


@given(st.binary(max_size=80) | broken(SENT, FAILED, REPORT))
def test_any_body_at_the_right_address_is_received(body: bytes) -> None:
    operation = GATEWAY.receive(WORLDPAY, delivery(body), (SECRET,), NOW)
    verdict = result_of(operation)
    assert isinstance(verdict, Received)
    assert all(event.hint for event in verdict.events)
    ids = [event.dedupe_id for event in verdict.events]
    assert len(set(ids)) == len(ids)
