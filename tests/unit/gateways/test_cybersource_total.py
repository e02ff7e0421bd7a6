"""Whatever Cybersource sends, every reader gives a value of its contract."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refundwatch.domain.refund import Word
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
    RawDelivery,
    Received,
    RefusedByGateway,
    Unauthorized,
    Unsure,
    Unverifiable,
)
from refundwatch.gateways.cybersource import encryption
from refundwatch.gateways.settlement import BadLine, SettlementLine
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    AT,
    CAPTURE,
    GATEWAY,
    HOOK_SECRET,
    KNOWN,
    ORDER,
    RECORDED,
    REFUND,
    capture,
    event,
    private_key,
    private_pem,
    sale,
    sealed,
    search,
    signed,
    summary,
    transaction,
)
from tests.unit.gateways.driving import answer, drive, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, bodies
from tests.unit.gateways.test_cybersource_settlement import PAGE

ORDERS = [one["body"] for one in RECORDED if one["operation"] == "refund"]
BOTH = (HOOK_SECRET, private_pem())
# The fuzzing of every reader draws many more of these.
SOME = settings(max_examples=40)


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@SOME
@given(responses(*ORDERS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    operation = GATEWAY.refund(ORDER)
    match result_of(operation, answer(200, capture()), response):
        case Heard(evidence=evidence):
            assert response.status == 201
            assert evidence.gateway_reference
        case RefusedByGateway(code=code):
            assert response.status in {201, 400}
            assert len(code) <= 64
        case NotProcessed():
            assert response.status == 429
        case Unauthorized():
            assert response.status in {201, 400, 401, 403}
        case Unsure(reason=reason):
            assert len(reason) <= 80
        case outcome:
            raise AssertionError(outcome)


@SOME
@given(responses(capture(), sale(), transaction(id=CAPTURE)))
def test_any_payment_gives_an_order_or_a_reason(response: HttpResponse) -> None:
    driven = drive(GATEWAY.refund(ORDER), response, answer(201, ORDERS[0]))
    orders = [request for request in driven.requests if request.moves_money]
    assert len(orders) == isinstance(driven.result, Heard)
    assert not orders or response.status == 200


@SOME
@given(responses(*ORDERS, {"status": "VOIDED"}))
def test_any_answer_to_a_cancellation_gives_an_outcome(response: HttpResponse) -> None:
    outcome = result_of(GATEWAY.cancel(KNOWN), response)
    if isinstance(outcome, Heard):
        assert response.status == 201
        assert outcome.word in {Word.FAILED, Word.UNSEEN}
        assert outcome.evidence.gateway_reference == REFUND
    else:
        assert isinstance(
            outcome, RefusedByGateway | NotProcessed | Unauthorized | Unsure
        )


@SOME
@given(
    responses(search(), search(summary()), search(summary("0"), summary())),
    responses(transaction()),
    responses(transaction()),
)
def test_any_answers_to_a_look_up_give_a_result(
    first: HttpResponse, second: HttpResponse, third: HttpResponse
) -> None:
    more = [HttpResponse(500)] * 9
    done = drive(GATEWAY.look_up(ORDER), first, second, third, *more)
    match done.result:
        case Found(matches=matches):
            assert matches
            assert all(one.evidence.gateway_reference for one in matches)
        case Absent():
            assert first.status in {200, 201}
            assert len(done.requests) == 1
        case LookupFailed(reason=reason):
            assert len(reason) <= 80
        case result:
            raise AssertionError(result)


@SOME
@given(responses(transaction()))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), response)
    if isinstance(result, Found):
        assert [m.evidence.gateway_reference for m in result.matches] == [REFUND]
    else:
        assert isinstance(result, LookupFailed)


@SOME
@given(
    responses(capture(REFUND), sale(), capture(REFUND, "7")), responses(transaction())
)
def test_any_answers_about_a_payment_give_amounts_or_none(
    first: HttpResponse, second: HttpResponse
) -> None:
    operation = GATEWAY.read_payment(ACCOUNT, CAPTURE, "EUR")
    result = result_of(operation, first, *[second] * 50)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentRead):
        assert first.status == 200
        assert result.refunded_minor is None or result.refunded_minor >= 0


@SOME
@given(responses(search(), search(summary())))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(ACCOUNT), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status in {200, 201}


PAYLOADS = [{"id": REFUND, "status": "BATCHED"}, [{"data": {"id": REFUND}}]]


@SOME
@given(
    bodies(
        *(
            {"eventType": "payments.refund.status.updated", "payload": p}
            for p in PAYLOADS
        ),
        {"encData": "a.b.c.d.e"},
        {"encData": sealed(event())},
    ),
    responses(transaction(), capture(id=REFUND)),
)
def test_any_signed_body_gives_a_verdict(body: bytes, response: HttpResponse) -> None:
    operation = GATEWAY.receive(ACCOUNT, signed(body), BOTH, AT)
    verdict = result_of(operation, *[response] * 20)
    assert isinstance(verdict, Received | Forged | Unverifiable)
    if isinstance(verdict, Received):
        identities = [one.dedupe_id for one in verdict.events]
        assert len(set(identities)) == len(identities) > 0
        assert all(identities)


@SOME
@given(st.text(max_size=80), st.binary(min_size=3, max_size=40))
def test_any_other_header_is_forged(header: str, body: bytes) -> None:
    operation = GATEWAY.receive(
        ACCOUNT, RawDelivery({"v-c-signature": header}, body), BOTH, AT
    )
    assert isinstance(result_of(operation), Forged)


@SOME
@given(st.text(max_size=60) | st.lists(st.text(max_size=9), max_size=7).map(".".join))
def test_any_text_that_is_not_encrypted_opens_to_nothing(sealed_text: str) -> None:
    assert encryption.decrypted(sealed_text, (private_key(),)) is None


@SOME
@given(bodies(PAGE))
def test_any_report_gives_lines_or_is_refused(body: bytes) -> None:
    try:
        lines = list(GATEWAY.read_settlement(ACCOUNT, "page", [body]))
    except SettlementUnreadable:
        return
    assert all(isinstance(line, SettlementLine | BadLine) for line in lines)
    assert len({line.number for line in lines}) == len(lines)
