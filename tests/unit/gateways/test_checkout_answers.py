from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    Found,
    Heard,
    HttpResponse,
    NotProcessed,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.checkout import (
    ACCEPTED,
    ACTION_ID,
    CHECKOUT,
    CHECKOUT_REFUND,
    PAYMENT_ID,
    READ,
    RECORDED,
    authorized,
    balances,
    error,
    payment,
)
from tests.unit.gateways.driving import answer, drive, first_request, result_of

GATEWAY = Checkout()


def order(operation: str = "refund") -> Any:
    generator = GATEWAY.refund(
        CHECKOUT_REFUND
        if operation == "refund"
        else replace(CHECKOUT_REFUND, amount_minor=5_000)
    )
    next(generator)
    read = READ if operation == "refund" else answer(200, authorized())
    return generator.send(read)


REFUND, VOID = order(), order("void")


def outcome_of(*responses: HttpResponse, stored: Any = REFUND) -> Any:
    return result_of(GATEWAY.refund(CHECKOUT_REFUND, stored), *responses)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: one["name"])
def test_a_recorded_answer_means_what_the_document_says(
    recorded: dict[str, Any],
) -> None:
    response = answer(recorded["status"], recorded["body"])
    if recorded["operation"] == "refund":
        heard = outcome_of(response)
    else:
        found = result_of(GATEWAY.look_up(CHECKOUT_REFUND), response)
        assert isinstance(found, Found)
        [heard] = found.matches
        assert heard.evidence.amount_minor == 1050
    expected = dict(recorded["expected"])
    assert heard.word == expected.pop("word")
    assert heard.evidence.gateway_reference == ACTION_ID
    for name, value in expected.items():
        assert getattr(heard.evidence, name) == value


@pytest.mark.parametrize("stored", [REFUND, VOID], ids=["refund", "void"])
def test_accepted_is_never_more_than_pending(stored: Any) -> None:
    heard = outcome_of(answer(202, ACCEPTED | {"status": "Refunded"}), stored=stored)
    assert heard == Heard(
        Word.PENDING,
        Evidence(
            source="answer",
            raw_status="accepted",
            gateway_reference=ACTION_ID,
            merchant_reference="rw-000001",
            payment_reference=PAYMENT_ID,
        ),
    )


def test_an_acceptance_for_something_else_is_told_as_it_is() -> None:
    link = {"payment": {"href": "https://api.checkout.com/payments/pay_other"}}
    body = ACCEPTED | {"reference": "rw-999999", "_links": link}
    evidence = outcome_of(answer(202, body)).evidence
    assert evidence.merchant_reference == "rw-999999"
    assert evidence.payment_reference == "pay_other"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (answer(202, {}), "missing_action_id"),
        (answer(202, b""), "not_json"),
        (answer(202, []), "not_an_object"),
        (answer(200, ACCEPTED), "http_200"),
        (answer(201, ACCEPTED), "http_201"),
        (answer(204, b""), "http_204"),
        (answer(302, b""), "http_302"),
        (answer(408, b""), "http_408"),
        (answer(409, b""), "http_409"),
        (answer(500, error("processing_error")), "http_500:processing_error"),
        (answer(502, b"<html>"), "http_502"),
        (
            answer(503, error(kind="service_unavailable")),
            "http_503:service_unavailable",
        ),
        (answer(504, b""), "http_504"),
        (answer(422, b""), "http_422"),
        (answer(422, error()), "http_422:request_invalid"),
        (answer(422, error("never_seen")), "http_422:never_seen"),
        (answer(422, error("processing_error")), "http_422:processing_error"),
        (answer(422, error("service_unavailable")), "http_422:service_unavailable"),
        (
            answer(422, error("amount_invalid", "processing_error")),
            "http_422:amount_invalid",
        ),
        (answer(422, {"error_codes": "amount_invalid"}), "http_422"),
        (answer(400, error("amount_invalid")), "http_400:amount_invalid"),
        (answer(500, error("amount_invalid")), "http_500:amount_invalid"),
        (answer(500, error("business_invalid")), "http_500:business_invalid"),
        (answer(200, error("business_invalid")), "http_200:business_invalid"),
    ],
)
def test_what_is_not_documented_proves_nothing(
    response: HttpResponse, reason: str
) -> None:
    assert outcome_of(response) == Unsure(reason)


@pytest.mark.parametrize(
    "code",
    [
        "action_failure_limit_exceeded",
        "amount_invalid",
        "currency_invalid",
        "metadata_key_invalid",
        "parameter_invalid",
        "payment_expired",
        "payment_invalid",
        "payment_type_invalid",
        "refund_authorization_declined",
        "request_invalid",
    ],
)
def test_a_documented_refusal_is_one(code: str) -> None:
    assert outcome_of(answer(422, error(code))) == RefusedByGateway(code)


def test_more_than_is_left_can_be_the_echo_of_our_own_success() -> None:
    refused = outcome_of(answer(422, error("refund_amount_exceeds_balance")))
    assert refused == RefusedByGateway(
        "refund_amount_exceeds_balance", may_be_echo=True
    )


def test_a_processing_error_for_lack_of_balance_is_a_refusal_all_the_same() -> None:
    body = error("amount_exceeds_balance", kind="processing_error")
    assert outcome_of(answer(422, body)) == RefusedByGateway(
        "amount_exceeds_balance", may_be_echo=True, insufficient_funds=True
    )


def test_a_payment_that_nobody_knows_is_a_refusal() -> None:
    assert outcome_of(answer(404, b"")) == RefusedByGateway("payment_not_found")


def test_limits_mean_that_nothing_was_processed() -> None:
    assert outcome_of(answer(429, b"")) == NotProcessed("http_429")
    limited = outcome_of(answer(429, b"", retry_after="4"))
    assert limited == NotProcessed("http_429", 4)
    quota = outcome_of(answer(422, error("api_calls_quota_exceeded")))
    assert quota == NotProcessed("api_calls_quota_exceeded")


def test_an_empty_401_is_a_session_that_may_have_ended() -> None:
    refused = outcome_of(answer(401, b""))
    assert refused == Unauthorized("http_401", session_expired=True)


@pytest.mark.parametrize(
    "code", ["business_invalid", "business_settings_missing", "server_api_not_allowed"]
)
@pytest.mark.parametrize("status", [403, 422])
def test_what_the_account_may_not_do_is_no_refusal_of_the_refund(
    code: str, status: int
) -> None:
    refused = outcome_of(answer(status, error(code)))
    assert refused == Unauthorized(f"http_{status}:{code}")


# --- a 403 without a word ---------------------------------------------------------

NOT_ALLOWED = answer(403, b"")
GONE = RefusedByGateway("refund_not_allowed", may_be_echo=True)


def linkless() -> dict[str, Any]:
    links = payment()["_links"]
    del links["refund"]
    return payment(_links=links)


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (answer(200, payment("Refunded", balances=balances(refunded=5_000))), GONE),
        (answer(200, payment(balances=balances(refunded=4_000))), GONE),
        (answer(200, linkless()), GONE),
        (answer(200, payment(balances=None)), GONE),
        # The payment would allow it, so it is we who may not.
        (answer(200, payment()), Unauthorized("http_403")),
        (answer(403, b""), Unauthorized("http_403")),
        (answer(500, b""), Unauthorized("http_403")),
        (answer(200, payment(id="pay_other")), Unauthorized("http_403")),
    ],
)
def test_a_bare_403_is_explained_by_the_payment(
    read: HttpResponse, outcome: object
) -> None:
    driven = drive(GATEWAY.refund(CHECKOUT_REFUND, REFUND), NOT_ALLOWED, read)
    assert driven.result == outcome
    assert [request.moves_money for request in driven.requests] == [True, False]


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (payment(), RefusedByGateway("void_not_allowed", may_be_echo=True)),
        (authorized(), Unauthorized("http_403")),
        (
            authorized(balances=balances(captured=0, total_voided=5_000)),
            RefusedByGateway("void_not_allowed", may_be_echo=True),
        ),
    ],
)
def test_a_void_that_came_too_late_is_refused_by_the_payment(
    read: dict[str, Any], outcome: object
) -> None:
    assert outcome_of(NOT_ALLOWED, answer(200, read), stored=VOID) == outcome


def test_a_stored_order_that_could_not_be_built_today_is_no_refusal() -> None:
    odd = replace(CHECKOUT_REFUND, currency="CLF")
    operation = GATEWAY.refund(odd, REFUND)
    assert result_of(operation, NOT_ALLOWED, READ) == Unauthorized("http_403")


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (answer(404, b""), ProbeResult()),
        (answer(200, payment()), ProbeResult("payment_of_nobody")),
        (answer(401, b""), ProbeResult("http_401", unauthorized=True)),
        (answer(403, b""), ProbeResult("http_403", unauthorized=True)),
        (answer(503, b""), ProbeResult("http_503")),
    ],
)
def test_a_probe_asks_for_nothing_and_is_content_not_to_find_it(
    response: HttpResponse, result: ProbeResult
) -> None:
    assert not first_request(GATEWAY.probe(CHECKOUT)).moves_money
    assert result_of(GATEWAY.probe(CHECKOUT), response) == result
