from __future__ import annotations

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
from refundwatch.gateways.square import facts
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.driving import answer, drive, result_of
from tests.unit.gateways.square import (
    GOOD,
    PAYMENT_ID,
    RECORDED,
    SQUARE,
    SQUARE_REFUND,
    money,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse

GATEWAY = Square()


def outcome(response: HttpResponse) -> Outcome:
    driven = drive(GATEWAY.refund(SQUARE_REFUND), response)
    assert len(driven.requests) == 1
    return driven.result  # type: ignore[no-any-return]


def errors(*codes: str) -> list[dict[str, str]]:
    return [{"category": "REFUND_ERROR", "code": code} for code in codes]


def failed(status: int, *codes: str, **headers: str) -> HttpResponse:
    return answer(status, {"errors": errors(*codes)}, **headers)


def heard(**changes: Any) -> Heard:
    result = outcome(answer(200, {"refund": GOOD | changes}))
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
            gateway_reference=GOOD["id"],
            merchant_reference="rw-000001",
            payment_reference=PAYMENT_ID,
            amount_minor=1050,
            currency="EUR",
            failure_code=expected.get("failure_code"),
        ),
    )


def test_an_unseen_status_is_carried_raw_to_people() -> None:
    result = heard(status="ON_ITS_WAY")
    assert (result.word, result.evidence.raw_status) == (Word.UNSEEN, "ON_ITS_WAY")


@pytest.mark.parametrize(
    ("stated", "raw_status"),
    [
        (money("1050"), "amount:1050 EUR"),
        (money(1050.0), "amount:1050.0 EUR"),
        (money(2**60), f"amount:{2**60} EUR"),
        (money(1050, "XCG"), "amount:1050 XCG"),
        (money(1050, None), "amount:1050 null"),
    ],
)
def test_an_amount_that_cannot_be_restated_goes_to_people(
    stated: dict[str, Any], raw_status: str
) -> None:
    result = heard(amount_money=stated)
    assert result.word is Word.UNSEEN
    assert result.evidence.raw_status == raw_status
    assert result.evidence.amount_minor is None


def test_words_of_a_person_in_the_reason_are_another_reference_and_not_kept() -> None:
    reference = heard(reason="Returned by Jane Doe").evidence.merchant_reference
    assert reference == "words_of_somebody_else"
    assert heard(reason=None).evidence.merchant_reference is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        {},
        {"refund": None},
        {"refund": []},
        {"refund": GOOD | {"id": None}},
        {"refund": GOOD | {"id": "r" * 300}},
        {"refund": GOOD | {"status": None}},
        {"refund": GOOD | {"amount_money": None}},
        {"errors": errors("REFUND_DECLINED")},
        b'{"refund":{},"refund":{}}',
        b'{"refund":{"id":"a","status":"PENDING","amount_money":NaN}}',
    ],
)
def test_a_200_that_is_no_whole_refund_proves_nothing(body: object) -> None:
    assert isinstance(outcome(answer(200, body)), Unsure)


@pytest.mark.parametrize("status", [201, 202, 204, 301, 304])
def test_a_refund_object_under_another_status_proves_nothing(status: int) -> None:
    assert outcome(answer(status, {"refund": GOOD})) == Unsure(f"http_{status}")


# --- errors beside a refund -------------------------------------------------------


def both(status: int, refund_status: str, *codes: str) -> Outcome:
    refund = GOOD | {"status": refund_status}
    return outcome(answer(status, {"errors": errors(*codes), "refund": refund}))


@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_failed_refund_with_errors_beside_it_failed(status: int) -> None:
    result = both(status, "FAILED", "GENERIC_DECLINE")
    assert isinstance(result, Heard)
    assert result.word is Word.FAILED
    assert result.evidence.raw_status == "FAILED:GENERIC_DECLINE"
    assert result.evidence.failure_code == "failed_payment_blocked"


@pytest.mark.parametrize("refund_status", ["PENDING", "COMPLETED"])
def test_errors_beside_a_good_refund_go_to_people(refund_status: str) -> None:
    result = both(200, refund_status, "REFUND_DECLINED")
    assert isinstance(result, Heard)
    assert result.word is Word.UNSEEN


@pytest.mark.parametrize("refund_status", ["PENDING", "COMPLETED"])
def test_a_good_refund_inside_an_error_is_neither(refund_status: str) -> None:
    result = both(400, refund_status, "REFUND_DECLINED")
    assert result == Unsure("http_400:REFUND_DECLINED:with_refund")


# --- errors -----------------------------------------------------------------------

CLASSES: list[tuple[int, str, Outcome]] = [
    (
        400,
        "REFUND_AMOUNT_INVALID",
        RefusedByGateway("REFUND_AMOUNT_INVALID", may_be_echo=True),
    ),
    (
        400,
        "PAYMENT_NOT_REFUNDABLE",
        RefusedByGateway("PAYMENT_NOT_REFUNDABLE", may_be_echo=True),
    ),
    *(
        (status, code, RefusedByGateway(code))
        for status in (400, 404, 422)
        for code in sorted(facts.REFUSALS - facts.ECHOES)
    ),
    *(
        (status, code, Unauthorized(f"http_{status}:{code}"))
        for status in (400, 401, 403)
        for code in sorted(facts.CREDENTIAL_CODES)
    ),
    (429, "RATE_LIMITED", NotProcessed("limited")),
    (400, "RATE_LIMITED", NotProcessed("limited")),
    (400, "REFUND_ALREADY_PENDING", NotProcessed("another_refund_pending", alone=True)),
    (409, "CONFLICT", Unsure("http_409:CONFLICT")),
    (408, "REQUEST_TIMEOUT", Unsure("http_408:REQUEST_TIMEOUT")),
    (500, "INTERNAL_SERVER_ERROR", Unsure("http_500:INTERNAL_SERVER_ERROR")),
    (500, "REFUND_DECLINED", Unsure("http_500:REFUND_DECLINED")),
    (500, "UNAUTHORIZED", Unsure("http_500:UNAUTHORIZED")),
    (400, "TEMPORARY_ERROR", Unsure("http_400:TEMPORARY_ERROR")),
    (400, "INSUFFICIENT_FUNDS", Unsure("http_400:INSUFFICIENT_FUNDS")),
    (400, "NEVER_HEARD_OF", Unsure("http_400:NEVER_HEARD_OF")),
    (418, "REFUND_DECLINED", Unsure("http_418:REFUND_DECLINED")),
]


@pytest.mark.parametrize(
    ("status", "code", "expected"), CLASSES, ids=[f"{s}-{c}" for s, c, _ in CLASSES]
)
def test_an_error_code_means_what_is_documented(
    status: int, code: str, expected: Outcome
) -> None:
    assert outcome(failed(status, code)) == expected


@pytest.mark.parametrize("status", [400, 409])
def test_a_key_used_for_another_request_is_never_a_refusal(status: int) -> None:
    result = outcome(failed(status, "IDEMPOTENCY_KEY_REUSED"))
    assert result == Unsure("idempotency_key_conflict", replayed=True)


@pytest.mark.parametrize(
    "codes",
    [
        ("REFUND_DECLINED", "INTERNAL_SERVER_ERROR"),
        ("REFUND_DECLINED", "NEVER_HEARD_OF"),
        ("UNAUTHORIZED", "TEMPORARY_ERROR"),
        ("REFUND_ALREADY_PENDING", "REFUND_DECLINED"),
    ],
)
def test_one_doubtful_code_among_others_leaves_all_in_doubt(
    codes: tuple[str, ...],
) -> None:
    assert isinstance(outcome(failed(400, *codes)), Unsure)


def test_several_refusals_are_one_and_any_echo_makes_it_one() -> None:
    result = outcome(failed(400, "VALUE_TOO_HIGH", "REFUND_AMOUNT_INVALID"))
    assert result == RefusedByGateway("VALUE_TOO_HIGH", may_be_echo=True)


@pytest.mark.parametrize("status", [400, 404, 408, 409, 422, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"errors":"x"}'])
def test_an_error_without_a_code_proves_nothing(status: int, body: bytes) -> None:
    assert outcome(answer(status, body)) == Unsure(f"http_{status}")


def test_an_error_without_its_code_still_stands() -> None:
    result = outcome(answer(400, {"errors": [{"category": "API_ERROR"}]}))
    assert result == Unsure("http_400:unnamed")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_no_refused_refund(status: int) -> None:
    assert outcome(answer(status, b"")) == Unauthorized(f"http_{status}")


def test_the_wait_that_is_asked_for_is_carried_on() -> None:
    limited = failed(429, "RATE_LIMITED", retry_after="7")
    assert outcome(limited) == NotProcessed("limited", 7)
    pending = failed(400, "REFUND_ALREADY_PENDING", retry_after="90")
    assert outcome(pending) == NotProcessed("another_refund_pending", 90, alone=True)
    down = answer(503, b"", retry_after="9")
    assert outcome(down) == Unsure("http_503", 9)


# --- the probe --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {}, ProbeResult()),
        (200, {"refunds": [GOOD], "cursor": "c"}, ProbeResult()),
        (200, b"", ProbeResult("no_list_object")),
        (200, {"errors": errors("FORBIDDEN")}, ProbeResult("no_list_object")),
        (
            401,
            {"errors": errors("UNAUTHORIZED")},
            ProbeResult("http_401:UNAUTHORIZED", unauthorized=True),
        ),
        (503, b"", ProbeResult("http_503")),
    ],
)
def test_a_probe_says_whether_token_and_version_are_taken(
    status: int, body: object, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(SQUARE), answer(status, body)) == expected
