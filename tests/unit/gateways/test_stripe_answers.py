from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    Outcome,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.gateways.stripe.adapter import Stripe
from tests.unit.gateways.driving import (
    STRIPE,
    STRIPE_REFUND,
    VECTORS,
    answer,
    drive,
    result_of,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse, RefundInstruction

GATEWAY = Stripe()
RECORDED = json.loads((VECTORS / "stripe_answers.json").read_text("utf-8"))["answers"]
GOOD: dict[str, Any] = RECORDED[0]["body"]


def outcome(
    response: HttpResponse, instruction: RefundInstruction = STRIPE_REFUND
) -> Outcome:
    driven = drive(GATEWAY.refund(instruction), response)
    assert len(driven.requests) == 1
    return driven.result  # type: ignore[no-any-return]


def error(status: int, **fields: Any) -> HttpResponse:
    headers = fields.pop("headers", {})
    return answer(status, {"error": fields}, **headers)


def heard(**changes: Any) -> Heard:
    result = outcome(answer(200, GOOD | changes))
    assert isinstance(result, Heard)
    return result


# --- acceptance -------------------------------------------------------------------


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_documented_refund_object_is_understood(recorded: dict[str, Any]) -> None:
    result = outcome(answer(recorded["status"], recorded["body"]))
    expected = recorded["expected"]
    assert result == Heard(
        Word(expected["word"]),
        Evidence(
            source="answer",
            raw_status=expected["raw_status"],
            gateway_reference=recorded["body"]["id"],
            merchant_reference="rw-000001",
            payment_reference="pi_3RwTest0001",
            amount_minor=1050,
            currency="EUR",
            requires_action=expected.get("requires_action", False),
            failure_code=expected.get("failure_code"),
        ),
    )


@pytest.mark.parametrize("charge", ["ch_9", {"id": "ch_9", "object": "charge"}])
def test_a_payment_named_by_its_charge_is_compared_by_its_charge(
    charge: object,
) -> None:
    by_charge = replace(STRIPE_REFUND, payment_reference="ch_9")
    result = outcome(answer(200, GOOD | {"charge": charge}), by_charge)
    assert isinstance(result, Heard)
    assert result.evidence.payment_reference == "ch_9"


@pytest.mark.parametrize(
    ("currency", "units", "minor"),
    [("jpy", 9899, 9899), ("kwd", 1230, 1230), ("isk", 500, 5), ("ugx", 700, 7)],
)
def test_an_echoed_amount_is_restated_in_iso_minor_units(
    currency: str, units: int, minor: int
) -> None:
    evidence = heard(currency=currency, amount=units).evidence
    assert (evidence.amount_minor, evidence.currency) == (minor, currency.upper())


@pytest.mark.parametrize(
    ("changes", "raw_status"),
    [
        ({"amount": "1050"}, "amount:1050 EUR"),
        ({"amount": 1050.0}, "amount:1050.0 EUR"),
        ({"amount": 550, "currency": "isk"}, "amount:550 ISK"),
        ({"amount": 1000, "currency": "lyd"}, "amount:1000 LYD"),
        ({"currency": None}, "amount:1050 null"),
        ({"currency": 5}, "amount:1050 5"),
    ],
)
def test_an_amount_that_cannot_be_restated_goes_to_people(
    changes: dict[str, Any], raw_status: str
) -> None:
    result = heard(**changes)
    assert result.word is Word.UNSEEN
    assert result.evidence.raw_status == raw_status
    assert result.evidence.amount_minor is None
    assert result.evidence.gateway_reference == "re_3RwTest0001"


def test_what_is_not_echoed_contradicts_nothing() -> None:
    bare = {"id": "re_1", "object": "refund", "status": "succeeded"}
    result = outcome(answer(200, bare))
    assert result == Heard(Word.SUCCEEDED, Evidence("answer", "succeeded", "re_1"))


def test_an_unknown_failure_reason_is_not_carried_on() -> None:
    assert heard(status="failed", failure_reason="x" * 40).evidence.failure_code == (
        "failed"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        {},
        GOOD | {"id": None},
        GOOD | {"id": ""},
        GOOD | {"id": "r" * 300},
        GOOD | {"object": "charge"},
        b'{"object":"refund","id":"re_1","amount":1050,"amount":1}',
        b'{"object":"refund","id":"re_1","amount":NaN}',
    ],
)
def test_a_200_that_is_no_refund_proves_nothing(body: object) -> None:
    assert isinstance(outcome(answer(200, body)), Unsure)


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 304])
def test_a_refund_object_under_another_status_proves_nothing(status: int) -> None:
    assert outcome(answer(status, GOOD)) == Unsure(f"http_{status}")


# --- errors -----------------------------------------------------------------------

KIND = "invalid_request_error"

CLASSES: list[tuple[int, str, Outcome]] = [
    (400, "parameter_missing", RefusedByGateway("parameter_missing")),
    (400, "parameter_unknown", RefusedByGateway("parameter_unknown")),
    (400, "parameter_invalid_integer", RefusedByGateway("parameter_invalid_integer")),
    (400, "amount_too_small", RefusedByGateway("amount_too_small")),
    (400, "amount_too_large", RefusedByGateway("amount_too_large", may_be_echo=True)),
    (400, "charge_not_refundable", RefusedByGateway("charge_not_refundable")),
    (400, "charge_disputed", RefusedByGateway("charge_disputed")),
    (400, "refund_disputed_payment", RefusedByGateway("refund_disputed_payment")),
    (402, "charge_invalid_parameter", RefusedByGateway("charge_invalid_parameter")),
    (404, "resource_missing", RefusedByGateway("resource_missing")),
    (400, "livemode_mismatch", RefusedByGateway("livemode_mismatch")),
    (
        400,
        "charge_already_refunded",
        RefusedByGateway("charge_already_refunded", may_be_echo=True),
    ),
    (
        400,
        "balance_insufficient",
        RefusedByGateway("balance_insufficient", insufficient_funds=True),
    ),
    (400, "rate_limit", NotProcessed("limited:rate_limit")),
    (429, "rate_limit", NotProcessed("limited:rate_limit")),
    (429, "lock_timeout", NotProcessed("limited:lock_timeout")),
    (409, "idempotency_key_in_use", Unsure("http_409:idempotency_key_in_use")),
    (401, "api_key_expired", Unauthorized("http_401:api_key_expired")),
    (400, "api_key_expired", Unauthorized("http_400:api_key_expired")),
    (
        401,
        "platform_api_key_expired",
        Unauthorized("http_401:platform_api_key_expired"),
    ),
    (403, "secret_key_required", Unauthorized("http_403:secret_key_required")),
    (400, "never_heard_of", Unsure("http_400:never_heard_of")),
    (402, "card_declined", Unsure("http_402:card_declined")),
    (418, "parameter_missing", Unsure("http_418:parameter_missing")),
    (500, "parameter_missing", Unsure("http_500:parameter_missing")),
]


@pytest.mark.parametrize(
    ("status", "code", "expected"), CLASSES, ids=[f"{s}-{c}" for s, c, _ in CLASSES]
)
def test_an_error_code_means_what_is_documented(
    status: int, code: str, expected: Outcome
) -> None:
    assert outcome(error(status, type=KIND, code=code)) == expected


@pytest.mark.parametrize("status", [408, 409, 424, 500, 502, 503, 504, 529])
def test_a_status_without_a_body_proves_nothing(status: int) -> None:
    assert outcome(answer(status, b"")) == Unsure(f"http_{status}")


@pytest.mark.parametrize("status", [400, 402, 404])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error":"x"}'])
def test_a_refusal_without_a_documented_code_proves_nothing(
    status: int, body: bytes
) -> None:
    assert outcome(answer(status, body)) == Unsure(f"http_{status}")


def test_more_than_the_remainder_comes_without_code_and_may_be_our_own_echo() -> None:
    refused = outcome(error(400, type=KIND, param="amount", message="greater than …"))
    assert refused == RefusedByGateway("amount_not_refundable", may_be_echo=True)


def test_a_codeless_fault_of_the_payment_is_a_refusal_and_of_another_is_not() -> None:
    refused = outcome(error(400, type=KIND, param="payment_intent"))
    assert refused == RefusedByGateway("parameter_invalid:payment_intent")
    assert outcome(error(400, type=KIND, param="shape")) == Unsure("http_400")
    assert outcome(error(400, type="api_error", param="amount")) == Unsure("http_400")


def test_a_key_used_for_other_parameters_is_never_a_refusal() -> None:
    result = outcome(error(400, type="idempotency_error", message="Keys for …"))
    assert result == Unsure("idempotency_key_conflict", replayed=True)


def test_a_replayed_500_says_that_the_key_repeats_it_for_ever() -> None:
    headers = {"idempotent_replayed": "true"}
    result = outcome(error(500, type="api_error", headers=headers))
    assert result == Unsure("http_500", replayed=True)


def test_a_replayed_refusal_is_the_first_answer_again() -> None:
    headers = {"idempotent_replayed": "true"}
    result = outcome(error(400, type=KIND, code="charge_disputed", headers=headers))
    assert result == RefusedByGateway("charge_disputed")


def test_a_replayed_success_is_heard() -> None:
    result = outcome(answer(200, GOOD, idempotent_replayed="true"))
    assert isinstance(result, Heard)


def test_should_retry_wins_over_a_refusing_status() -> None:
    headers = {"stripe_should_retry": "true"}
    result = outcome(error(400, type=KIND, code="charge_disputed", headers=headers))
    assert result == Unsure("http_400:charge_disputed")


def test_should_not_retry_on_a_500_leaves_only_the_look_up() -> None:
    headers = {"stripe_should_retry": "false"}
    assert outcome(error(500, headers=headers)) == Unsure("http_500", replayed=True)
    assert outcome(error(409, headers=headers)) == Unsure("http_409")


def test_a_limited_request_was_not_processed_and_says_when_to_return() -> None:
    headers = {"retry_after": "3", "stripe_rate_limited_reason": "endpoint-rate"}
    result = outcome(answer(429, b"", **headers))
    assert result == NotProcessed("limited:endpoint-rate", 3)


def test_a_wait_asked_for_is_kept_where_nothing_is_known() -> None:
    assert outcome(answer(503, b"", retry_after="30")) == Unsure("http_503", 30)


# --- probe ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(200, {"object": "balance", "livemode": False}), ProbeResult()),
        (answer(200, {"object": "balance"}), ProbeResult("no_livemode")),
        (
            answer(200, {"object": "balance", "livemode": True}),
            ProbeResult("livemode", unauthorized=True),
        ),
        (answer(200, b"ok"), ProbeResult("no_livemode")),
        (answer(401, b""), ProbeResult("http_401", unauthorized=True)),
        (answer(500, b""), ProbeResult("http_500")),
    ],
)
def test_a_probe_proves_key_and_mode(
    response: HttpResponse, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(STRIPE), response) == expected
