from __future__ import annotations

import json
from typing import Any

import pytest
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
from refundwatch.gateways.stripe import facts
from refundwatch.gateways.stripe.adapter import Stripe
from tests.unit.gateways.driving import NOW, STRIPE, STRIPE_REFUND, delivery, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_stripe_answers import KIND, RECORDED
from tests.unit.gateways.test_stripe_events import (
    DISPUTE,
    REFUND,
    SECRET,
    event,
    signed,
)
from tests.unit.gateways.test_stripe_reads import CHARGE, INTENT, KNOWN, page, refund

GATEWAY = Stripe()
REFUNDS = [recorded["body"] for recorded in RECORDED]
CODES = sorted(facts.REFUSALS | facts.ECHOES | facts.LIMITED | facts.CREDENTIAL_CODES)
ERRORS = [{"error": {"type": KIND, "code": code, "param": "amount"}} for code in CODES]


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(responses(*REFUNDS, *ERRORS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(STRIPE_REFUND), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status == 200
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status in {400, 402, 404}
            assert len(code) <= 64
        case NotProcessed() | Unauthorized():
            assert 400 <= response.status < 500
        case Unsure(reason=reason):
            assert len(reason) <= 200
        case _:
            raise AssertionError(outcome)


@pytest.mark.parametrize("status", [201, 202, 302, 500, 503])
@pytest.mark.parametrize("code", sorted(facts.LIMITED | facts.CREDENTIAL_CODES))
def test_a_code_of_not_executed_proves_nothing_under_another_status(
    code: str, status: int
) -> None:
    body = json.dumps({"error": {"type": KIND, "code": code}}).encode()
    outcome = result_of(GATEWAY.refund(STRIPE_REFUND), HttpResponse(status, {}, body))
    assert isinstance(outcome, Unsure)


@given(st.lists(responses(page(refund(1), refund(2, "rw-000001"))), min_size=1))
def test_any_answers_to_a_look_up_give_a_result(answers: list[HttpResponse]) -> None:
    stop = HttpResponse(500)
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), *answers, *[stop] * 2)
    assert isinstance(result, Found | Absent | LookupFailed)
    if isinstance(result, Found | Absent):
        assert answers[0].status == 200
    if isinstance(result, Found):
        for match in result.matches:
            assert match.evidence.merchant_reference == "rw-000001"


@given(responses(refund(7, "rw-000001")))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), response)
    if isinstance(result, Found):
        assert [m.evidence.gateway_reference for m in result.matches] == ["re_7"]
    else:
        assert isinstance(result, LookupFailed)


@given(st.sampled_from(["pi_1", "ch_1"]), responses(CHARGE, INTENT), responses(CHARGE))
def test_any_answer_about_a_payment_gives_amounts_or_none(
    reference: str, first: HttpResponse, second: HttpResponse
) -> None:
    operation = GATEWAY.read_payment(STRIPE, reference, "EUR")
    result = result_of(operation, first, second)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentUnreadable):
        assert len(result.reason) <= 64


@given(responses({"object": "balance", "livemode": False}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(STRIPE), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


@given(
    bodies(event("refund.updated", REFUND), event("charge.dispute.created", DISPUTE))
    | st.builds(lambda value: json.dumps(value).encode(), VALUES)
)
def test_any_signed_body_gives_a_verdict(body: bytes) -> None:
    arrived = delivery(body, stripe_signature=signed(body))
    verdict = result_of(GATEWAY.receive(STRIPE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Received) or verdict == Forged("livemode")


@given(st.text(max_size=120), st.binary(max_size=120))
def test_any_unsigned_body_is_forged(header: str, body: bytes) -> None:
    arrived = delivery(body, stripe_signature=header)
    verdict = result_of(GATEWAY.receive(STRIPE, arrived, (SECRET,), NOW))
    assert isinstance(verdict, Forged)
