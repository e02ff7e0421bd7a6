from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
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
from refundwatch.gateways.cybersource import facts
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    GATEWAY,
    GOOD,
    KNOWN,
    ORDER,
    RECORDED,
    REFUND,
    SAID,
    capture,
    search,
)
from tests.unit.gateways.driving import answer, drive, result_of

OF_ORDERS = [one for one in RECORDED if one["operation"] == "refund"]


def outcome(response: HttpResponse) -> Outcome:
    driven = drive(GATEWAY.refund(ORDER), answer(200, capture()), response)
    assert len(driven.requests) == 2
    return driven.result  # type: ignore[no-any-return]


def created(**changes: object) -> Outcome:
    body = {k: v for k, v in (GOOD | changes).items() if v is not ...}
    return outcome(answer(201, body))


def expected_outcome(expected: dict[str, Any]) -> Outcome:
    match expected:
        case {"refused": code}:
            return RefusedByGateway(code, may_be_echo=code in facts.ECHOES)
        case {"unsure": reason}:
            return Unsure(reason)
        case {"unauthorized": reason}:
            return Unauthorized(reason)
        case {"word": word, **said}:
            return Heard(
                Word(word), Evidence("answer", gateway_reference=REFUND, **said)
            )
        case _:
            raise AssertionError(expected)


@pytest.mark.parametrize("recorded", OF_ORDERS, ids=lambda r: r["name"])
def test_a_recorded_answer_means_what_is_documented(recorded: dict[str, Any]) -> None:
    heard = outcome(answer(recorded["status"], recorded["body"]))
    assert heard == expected_outcome(recorded["expected"])


@pytest.mark.parametrize("status", ["declined", "Declined", "INVALID_REQUEST"])
def test_created_is_no_success_where_its_status_says_no(status: str) -> None:
    assert created(status=status) == RefusedByGateway(status.upper())


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("EXPIRED_CARD", RefusedByGateway("EXPIRED_CARD")),
        ("DECISION_PROFILE_REJECT", RefusedByGateway("DECISION_PROFILE_REJECT")),
        (
            "INSUFFICIENT_FUND",
            RefusedByGateway("INSUFFICIENT_FUND", insufficient_funds=True),
        ),
        ("INVALID_AMOUNT", RefusedByGateway("INVALID_AMOUNT", may_be_echo=True)),
        ("DUPLICATE_REQUEST", Unsure("DUPLICATE_REQUEST")),
        (
            "INVALID_MERCHANT_CONFIGURATION",
            Unauthorized("INVALID_MERCHANT_CONFIGURATION"),
        ),
        ("no code at all", RefusedByGateway("DECLINED")),
    ],
)
def test_a_decline_is_told_by_its_reason(reason: str, expected: object) -> None:
    assert created(status="DECLINED", errorInformation={"reason": reason}) == expected


@pytest.mark.parametrize("status", ["IN_REVIEW", "AUTHORIZED", "", None, 5, ...])
def test_an_unseen_status_goes_to_review(status: object) -> None:
    heard = created(status=status)
    assert isinstance(heard, Heard)
    assert heard.word is Word.UNSEEN
    assert heard.evidence.gateway_reference == REFUND


@pytest.mark.parametrize("theirs", [..., "", None, int(REFUND)])
def test_an_acceptance_without_an_id_of_text_proves_nothing(theirs: object) -> None:
    assert created(id=theirs) == Unsure("missing_id")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("10.5", "EUR", 1050),
        ("10.50", "eur", 1050),
        ("1.230", "kwd", 1230),
        ("5", "JPY", 5),
    ],
)
def test_an_echoed_amount_is_read_exactly(
    amount: str, currency: str, minor: int
) -> None:
    details = {"refundAmount": amount, "currency": currency}
    heard = created(refundAmountDetails=details)
    assert isinstance(heard, Heard)
    assert heard.word is Word.PENDING
    assert heard.evidence.amount_minor == minor
    assert heard.evidence.currency == currency.upper()


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("10.505", "EUR"),
        (10.5, "EUR"),
        (1050, "EUR"),
        ("1e3", "EUR"),
        ("10.50", "euro"),
    ],
)
def test_a_doubtful_amount_goes_to_review(amount: object, currency: str) -> None:
    details = {"refundAmount": amount, "currency": currency}
    heard = created(refundAmountDetails=details)
    assert isinstance(heard, Heard)
    assert heard.word is Word.UNSEEN


REASONS = sorted(facts.REFUSALS)


@pytest.mark.parametrize("reason", REASONS)
def test_a_documented_refusal_refuses(reason: str) -> None:
    body = {"status": "INVALID_REQUEST", "reason": reason, "message": "x"}
    refused = RefusedByGateway(reason, may_be_echo=reason == "INVALID_AMOUNT")
    assert outcome(answer(400, body)) == refused
    for status in (404, 409, 500, 502):
        assert outcome(answer(status, body)) == Unsure(f"http_{status}:{reason}")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            answer(400, {"reason": "DUPLICATE_REQUEST"}),
            Unsure("http_400:DUPLICATE_REQUEST"),
        ),
        (answer(400, {"reason": "NEW_REASON"}), Unsure("http_400:NEW_REASON")),
        (answer(400, {"reason": "NOT_VOIDABLE"}), Unsure("http_400:NOT_VOIDABLE")),
        (answer(400, {"response": {"rmsg": "x"}}), Unsure("http_400:x")),
        (answer(400, b"<html>"), Unsure("http_400")),
        (
            answer(400, {"reason": "INVALID_MERCHANT_CONFIGURATION"}),
            Unauthorized("INVALID_MERCHANT_CONFIGURATION"),
        ),
        (
            answer(502, {"reason": "INVALID_OR_MISSING_CONFIG"}),
            Unsure("http_502:INVALID_OR_MISSING_CONFIG"),
        ),
        (answer(504, b""), Unsure("http_504")),
        (answer(503, b"", retry_after="7"), Unsure("http_503", 7)),
        (answer(429, b"", retry_after="7"), NotProcessed("http_429", 7)),
        (answer(403, {}), Unauthorized("http_403")),
        (answer(404, {}), Unsure("http_404")),
        (answer(200, GOOD), Unsure("http_200")),
        (answer(202, GOOD), Unsure("http_202")),
        (answer(201, b"{"), Unsure("not_json")),
    ],
)
def test_everything_else_proves_no_more_than_it_says(
    response: HttpResponse, expected: object
) -> None:
    assert outcome(response) == expected


# --- cancellations ----------------------------------------------------------------

VOID = {
    "id": "7398211111111111111111",
    "status": "VOIDED",
    "voidAmountDetails": {"voidAmount": "10.50", "currency": "eur"},
}


@pytest.mark.parametrize("status", ["VOIDED", "voided", "CANCELLED"])
def test_a_cancellation_is_the_end_of_the_refund_and_keeps_its_id(status: str) -> None:
    heard = result_of(GATEWAY.cancel(KNOWN), answer(201, VOID | {"status": status}))
    assert isinstance(heard, Heard)
    assert heard.word is Word.FAILED
    assert heard.evidence.gateway_reference == REFUND
    assert heard.evidence.amount_minor == 1050


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(400, {"reason": "NOT_VOIDABLE"}), RefusedByGateway("NOT_VOIDABLE")),
        (answer(400, {"reason": "INVALID_DATA"}), RefusedByGateway("INVALID_DATA")),
        (answer(201, {"status": "FAILED"}), RefusedByGateway("VOID_FAILED")),
        (answer(201, {"status": "PENDING"}), Unsure("void_status:PENDING")),
        (answer(201, {}), Unsure("void_status:")),
        (answer(201, b""), Unsure("not_an_object")),
        (answer(401, {}), Unauthorized("http_401")),
        (answer(502, {}), Unsure("http_502")),
        (answer(429, {}), NotProcessed("http_429")),
    ],
)
def test_what_was_not_cancelled_may_still_be_paid(
    response: HttpResponse, expected: object
) -> None:
    assert result_of(GATEWAY.cancel(KNOWN), response) == expected


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(201, search()), ProbeResult()),
        (answer(200, search(total=7)), ProbeResult()),
        (answer(201, {}), ProbeResult("no_search")),
        (
            answer(401, SAID["authentication-failed"]),
            ProbeResult("http_401:Authentication Failed", unauthorized=True),
        ),
        (answer(500, b""), ProbeResult("http_500")),
    ],
)
def test_a_probe_is_content_with_a_search(
    response: HttpResponse, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(ACCOUNT), response) == expected
