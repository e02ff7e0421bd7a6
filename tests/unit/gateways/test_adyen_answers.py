from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    NotProcessed,
    Outcome,
    ProbeResult,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import (
    ADYEN,
    ADYEN_REFUND,
    VECTORS,
    answer,
    drive,
    result_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

GATEWAY = Adyen()
RECORDED = json.loads((VECTORS / "adyen_answers.json").read_text("utf-8"))["answers"]
GOOD: dict[str, Any] = RECORDED[0]["body"]
KEY = ADYEN_REFUND.idempotency_key

EVIDENCE = Evidence(
    source="answer",
    raw_status="received",
    gateway_reference="993617894906488A",
    merchant_reference="rw-000001",
    payment_reference="993617894903480A",
    amount_minor=1050,
    currency="EUR",
)


def outcome(response: HttpResponse) -> Outcome:
    driven = drive(GATEWAY.refund(ADYEN_REFUND), response)
    assert len(driven.requests) == 1
    return driven.result  # type: ignore[no-any-return]


def created(body: object, key: str = KEY) -> Outcome:
    return outcome(answer(201, body, idempotency_key=key))


def refused(
    status: int,
    code: object = "100",
    kind: str = "validation",
    headers: Mapping[str, str] | None = None,
) -> Outcome:
    body = {"status": status, "errorCode": code, "message": "x", "errorType": kind}
    named = {"idempotency-key": KEY} | dict(headers or {})
    return outcome(HttpResponse(status, named, json.dumps(body).encode()))


def expected_outcome(expected: dict[str, Any]) -> Outcome:
    match expected["class"]:
        case "heard":
            return Heard(Word(expected["word"]), EVIDENCE)
        case "refused":
            return RefusedByGateway(expected["code"])
        case "unauthorized":
            return Unauthorized(expected["reason"])
        case "not_processed":
            return NotProcessed(expected["reason"])
        case _:
            return Unsure(expected["reason"])


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_documented_answer_is_understood(recorded: dict[str, Any]) -> None:
    body = json.dumps(recorded["body"]).encode()
    response = HttpResponse(recorded["status"], recorded["headers"], body)
    assert outcome(response) == expected_outcome(recorded["expected"])


# --- acceptance -------------------------------------------------------------------


def heard(**changes: Any) -> Heard:
    result = created(GOOD | changes)
    assert isinstance(result, Heard)
    return result


def test_received_is_pending_and_never_more() -> None:
    assert heard() == Heard(Word.PENDING, EVIDENCE)


@pytest.mark.parametrize("status", ["authorised", "", None, 5])
def test_another_status_goes_to_people(status: object) -> None:
    assert heard(status=status).word is Word.UNSEEN


def test_what_is_not_echoed_contradicts_nothing() -> None:
    bare = {"pspReference": "993617894906488A", "status": "received"}
    result = created(bare)
    assert result == Heard(
        Word.PENDING, Evidence("answer", "received", "993617894906488A")
    )


def test_another_merchant_account_goes_to_people() -> None:
    result = heard(merchantAccount="Other")
    assert result.word is Word.UNSEEN
    assert result.evidence.raw_status == "merchant_account:Other"


@pytest.mark.parametrize(
    ("currency", "units", "minor"),
    [("JPY", 9899, 9899), ("KWD", 1234, 1234), ("ISK", 500, 5), ("CVE", 12, 1200)],
)
def test_an_echoed_amount_is_restated_in_iso_minor_units(
    currency: str, units: int, minor: int
) -> None:
    evidence = heard(amount={"currency": currency, "value": units}).evidence
    assert (evidence.amount_minor, evidence.currency) == (minor, currency)


@pytest.mark.parametrize(
    "amount",
    [
        {"currency": "CLP", "value": 1250},
        {"currency": "EUR", "value": "1050"},
        {"currency": "EUR", "value": 10.5},
        {"currency": "eur", "value": 1050},
        {"value": 1050},
    ],
)
def test_an_amount_that_cannot_be_restated_goes_to_people(amount: object) -> None:
    result = heard(amount=amount)
    assert result.word is Word.UNSEEN
    assert result.evidence.raw_status.startswith("amount:")
    assert result.evidence.amount_minor is None


def test_an_amount_of_another_shape_is_one_that_was_not_echoed() -> None:
    assert heard(amount=[1050]).evidence.amount_minor is None


@pytest.mark.parametrize("key", ["", "b" * 32])
def test_a_key_that_is_not_echoed_is_noted_beside_the_outcome(key: str) -> None:
    result = created(GOOD, key)
    assert isinstance(result, Heard)
    assert result.word is Word.PENDING
    assert result.evidence.raw_status == "received:key_not_echoed"


@pytest.mark.parametrize(
    "body", [b"", b"[]", {}, GOOD | {"pspReference": None}, b'{"a":1,"a":2}']
)
def test_a_201_without_a_reference_proves_nothing(body: object) -> None:
    assert isinstance(created(body), Unsure)


@pytest.mark.parametrize("status", [200, 202, 204, 301])
def test_a_receipt_under_another_status_proves_nothing(status: int) -> None:
    assert outcome(answer(status, GOOD)) == Unsure(f"http_{status}")


# --- errors -----------------------------------------------------------------------


@pytest.mark.parametrize("code", ["100", "130", "137", "158", "167", "14_030"])
def test_a_validation_error_is_a_refusal(code: str) -> None:
    assert refused(422, code) == RefusedByGateway(code)


@pytest.mark.parametrize("status", [400, 404])
def test_a_validation_error_under_the_other_statuses_is_a_refusal(status: int) -> None:
    assert refused(status, "702") == RefusedByGateway("702")


def test_a_refusal_without_the_echoed_key_may_be_our_own_echo() -> None:
    result = refused(422, "167", headers={"idempotency-key": ""})
    assert result == RefusedByGateway("167", may_be_echo=True)


@pytest.mark.parametrize("kind", ["security", "configuration", "internal", "other"])
def test_a_422_of_another_kind_proves_nothing(kind: str) -> None:
    assert refused(422, kind=kind) == Unsure("http_422:100")


@pytest.mark.parametrize("code", [None, 100, "", "a b", "x" * 40])
def test_a_422_without_a_readable_code_proves_nothing(code: object) -> None:
    assert refused(422, code) == Unsure("http_422")


@pytest.mark.parametrize("status", [409, 422])
def test_a_key_in_progress_without_the_transient_mark_will_only_repeat(
    status: int,
) -> None:
    assert refused(status, "704") == Unsure(f"http_{status}:704", replayed=True)


@pytest.mark.parametrize("status", [200, 202, 302])
def test_a_transient_mark_beside_no_error_proves_nothing(status: int) -> None:
    headers = {"transient-error": "true"}
    assert isinstance(outcome(HttpResponse(status, headers)), Unsure)


@pytest.mark.parametrize("status", [409, 422, 429, 500, 503])
def test_a_transient_error_was_not_processed_whatever_the_status(status: int) -> None:
    headers = {"transient-error": "true", "retry-after": "9"}
    assert refused(status, "703", headers=headers) == NotProcessed(
        f"transient:http_{status}:703", 9
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_without_the_mark_proves_nothing(status: int) -> None:
    assert outcome(answer(status, b"")) == Unsure(f"http_{status}")
    assert refused(status, "702", "validation") == Unsure(f"http_{status}:702")


def test_an_error_marked_as_lasting_will_only_repeat() -> None:
    result = refused(500, "905", "internal", {"transient-error": "false"})
    assert result == Unsure("http_500:905", replayed=True)


def test_a_limited_request_was_not_processed() -> None:
    assert outcome(answer(429, b"", retry_after="3")) == NotProcessed("http_429", 3)


def test_a_path_adyen_does_not_serve_was_not_processed() -> None:
    assert outcome(answer(404, b"<html>")) == NotProcessed("wrong_path")


@pytest.mark.parametrize(("status", "code"), [(401, "000"), (403, "901"), (403, "010")])
def test_refused_credentials_are_no_refusal_of_the_refund(
    status: int, code: str
) -> None:
    result = refused(status, code, "security")
    assert result == Unauthorized(f"http_{status}:{code}")


# --- probe ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(200, {"paymentMethods": []}), ProbeResult()),
        (answer(200, b"ok"), ProbeResult("not_an_object")),
        (answer(403, b""), ProbeResult("http_403", unauthorized=True)),
        (answer(502, b""), ProbeResult("http_502")),
    ],
)
def test_a_probe_proves_key_and_account(
    response: HttpResponse, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(ADYEN), response) == expected
