from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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
    RawDelivery,
    Received,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
    Unverifiable,
)
from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways import authority
from tests.unit.gateways.driving import NOW, PAYPAL, PAYPAL_REFUND, drive, result_of
from tests.unit.gateways.mutations import HEADERS, STATUSES, VALUES, bodies
from tests.unit.gateways.test_paypal_answers import DOCUMENTED, RECORDED
from tests.unit.gateways.test_paypal_events import DISPUTE, event
from tests.unit.gateways.test_paypal_reads import KNOWN, capture, order, refund
from tests.unit.gateways.test_paypal_requests import CLIENT, TOKEN
from tests.unit.gateways.test_paypal_webhooks import account, receive, verdict

GATEWAY = PayPal()
REFUNDS = [recorded["body"] for recorded in RECORDED]
ERRORS = [body for _, body, _ in DOCUMENTED if isinstance(body, dict)]
OURS = REFUNDS[0]
EVENTS = {"events": [{"resource": OURS}]}


def responses(*goods: Any) -> st.SearchStrategy[HttpResponse]:
    return st.builds(HttpResponse, STATUSES, HEADERS, bodies(*goods))


@given(responses(*REFUNDS, *ERRORS))
def test_any_answer_to_an_order_gives_an_outcome_its_status_allows(
    response: HttpResponse,
) -> None:
    outcome = result_of(GATEWAY.refund(PAYPAL_REFUND), response)
    match outcome:
        case Heard(evidence=evidence):
            assert response.status in {200, 201}
            assert evidence.gateway_reference
            assert len(evidence.raw_status) <= 64
        case RefusedByGateway(code=code):
            assert response.status in {400, 404, 422}
            named = {*facts.NAMED_REFUSALS.values()}
            assert code in facts.REFUSALS[response.status] | named
        case NotProcessed():
            assert response.status == 429
        case Unauthorized():
            assert response.status in {401, 403, 422}
        case Unsure(reason=reason):
            assert len(reason) <= 80
        case _:
            raise AssertionError(outcome)


@given(
    st.tuples(
        responses(capture(), capture("REFUNDED"), capture("PARTIALLY_REFUNDED")),
        responses(order(), order(OURS, refund(7)), order(refund(7))),
        responses(EVENTS, OURS),
        responses(OURS),
    )
)
def test_any_answers_to_a_look_up_give_a_result(
    answers: tuple[HttpResponse, ...],
) -> None:
    done = drive(GATEWAY.look_up(PAYPAL_REFUND), *answers)
    heard = [response.status for response in answers[: len(done.requests)]]
    match done.result:
        case Found(matches=matches):
            assert matches
            assert heard[0] == heard[-1] == 200
        case Absent():
            assert heard[0] == 200
            assert heard[1:] in ([], [200], [403], [404])
        case LookupFailed(reason=reason):
            assert len(reason) <= 80
        case _:
            raise AssertionError(done.result)


@given(responses(OURS))
def test_any_answer_to_a_read_gives_that_refund_or_none(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), response)
    if isinstance(result, Found):
        assert [m.evidence.gateway_reference for m in result.matches] == [
            "1JU08902781691411"
        ]
    else:
        assert isinstance(result, LookupFailed)


@given(
    responses(capture(), capture("REFUNDED"), capture("PARTIALLY_REFUNDED")),
    responses(order(), order(OURS, refund(7))),
)
def test_any_answers_about_a_payment_give_amounts_or_none(
    first: HttpResponse, second: HttpResponse
) -> None:
    operation = GATEWAY.read_payment(PAYPAL, "2GG279541U471931P", "EUR")
    result = result_of(operation, first, second)
    assert isinstance(result, PaymentRead | PaymentUnreadable)
    if isinstance(result, PaymentRead):
        assert first.status == 200
        assert result.refunded_minor is None or result.refunded_minor >= 0
    else:
        assert len(result.reason) <= 80


@given(responses({"event_types": [{"name": "X"}]}))
def test_any_answer_to_a_probe_gives_a_result(response: HttpResponse) -> None:
    result = result_of(GATEWAY.probe(PAYPAL), response)
    assert isinstance(result, ProbeResult)
    assert result.failure is not None or response.status == 200


@given(responses(TOKEN, {"error": "invalid_client"}))
def test_any_answer_to_a_token_request_gives_a_session_or_a_reason(
    response: HttpResponse,
) -> None:
    result = result_of(GATEWAY.open_session(PAYPAL, CLIENT, NOW), response)
    match result:
        case Session(secret=secret, expires_at=expires_at):
            assert response.status == 200
            assert secret.isascii()
            assert secret.isprintable()
            assert expires_at > NOW
        case Unauthorized() | Unsure():
            assert len(result.reason) <= 80
        case _:
            raise AssertionError(result)


@given(
    bodies(
        event("PAYMENT.CAPTURE.REFUNDED"),
        event("PAYMENT.CAPTURE.REVERSED"),
        event("CUSTOMER.DISPUTE.CREATED", DISPUTE),
    )
    | st.builds(lambda value: json.dumps(value).encode(), VALUES)
)
def test_any_signed_body_is_received(body: bytes) -> None:
    result = verdict(authority.signed(body))
    assert isinstance(result, Received)
    identities = [one.dedupe_id for one in result.events]
    assert len(set(identities)) == len(identities) > 0
    assert all(identities)


NAMES = sorted(authority.signed(b"").headers)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=400), max_size=3),
    st.binary(max_size=60),
)
def test_any_headers_that_are_not_paypals_are_forged(
    changes: dict[str, str], body: bytes
) -> None:
    good = authority.signed(b"{}").headers
    ignored = {"paypal-cert-url", "paypal-auth-version"}
    result = verdict(RawDelivery({**good, **changes}, body))
    if body == b"{}" and changes.keys() <= ignored:
        assert isinstance(result, Received | Forged)
    else:
        assert isinstance(result, Forged)


@given(responses("x", {"not": "a certificate"}))
def test_any_answer_of_a_certificate_host_gives_a_verdict(
    response: HttpResponse,
) -> None:
    sent = authority.signed(b"{}")
    result = receive(sent, response, to=account()).result
    assert isinstance(result, Forged | Unverifiable)
    if isinstance(result, Unverifiable):
        assert response.status != 200


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_client_is_written_into_one_header_line(name: str, secret: str) -> None:
    credentials = Credentials({"client_id": name, "client_secret": secret})
    if not (name and secret):
        return
    request = next(GATEWAY.open_session(PAYPAL, credentials, NOW))
    assert all(value.isprintable() for _, value in request.headers)
