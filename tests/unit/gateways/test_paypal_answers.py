from __future__ import annotations

import json
from typing import Any

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
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways.driving import (
    PAYPAL,
    PAYPAL_REFUND,
    VECTORS,
    answer,
    drive,
    result_of,
)

GATEWAY = PayPal()
RECORDED = json.loads((VECTORS / "paypal_answers.json").read_text("utf-8"))["answers"]
REFUND = RECORDED[0]["body"]


def outcome(status: int, body: object, **headers: str) -> Outcome:
    return result_of(GATEWAY.refund(PAYPAL_REFUND), answer(status, body, **headers))


def heard(**changes: Any) -> Heard:
    said = outcome(201, REFUND | changes)
    assert isinstance(said, Heard)
    return said


def error(name: str, *issues: object) -> dict[str, object]:
    details = [{"issue": issue, "description": "…"} for issue in issues]
    return {
        "name": name,
        "message": "…",
        "debug_id": "90957fca61718",
        "details": details,
        "links": [],
    }


def unprocessable(*issues: object) -> dict[str, object]:
    return error("UNPROCESSABLE_ENTITY", *issues)


# --- acceptance -------------------------------------------------------------------


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda r: r["name"])
def test_a_documented_answer_means_what_was_recorded(recorded: dict[str, Any]) -> None:
    said = outcome(recorded["status"], recorded["body"])
    assert isinstance(said, Heard)
    expected = recorded["expected"]
    assert said.word == expected["word"]
    assert said.evidence == Evidence(
        source="answer",
        raw_status=expected["raw_status"],
        gateway_reference="1JU08902781691411",
        merchant_reference=expected["merchant_reference"],
        payment_reference="2GG279541U471931P",
        amount_minor=expected["amount_minor"],
        currency=expected["currency"],
        failure_code=expected["raw_status"] if said.word is Word.FAILED else None,
    )


def test_an_order_asks_once() -> None:
    asked = drive(GATEWAY.refund(PAYPAL_REFUND), answer(201, REFUND)).requests
    assert [request.moves_money for request in asked] == [True]


@pytest.mark.parametrize(
    ("status", "raw"),
    [
        ("PROCESSING", "PROCESSING"),
        ("completed", "completed"),
        ("", ""),
        (None, "null"),
        (["COMPLETED"], '["COMPLETED"]'),
        ("X" * 80, "X" * 64),
        ("A\nB", "A?B"),
    ],
)
def test_an_unseen_status_stays_unseen_with_its_raw_value(
    status: object, raw: str
) -> None:
    said = heard(status=status)
    assert said.word is Word.UNSEEN
    assert said.evidence.raw_status == raw


def test_an_undocumented_reason_of_a_pending_refund_is_not_repeated() -> None:
    said = heard(status="PENDING", status_details={"reason": "Jane Doe"})
    assert said.evidence.raw_status == "PENDING"


def test_an_amount_that_is_not_exact_becomes_unseen() -> None:
    said = heard(amount={"value": "10.505", "currency_code": "EUR"})
    assert said.word is Word.UNSEEN
    assert said.evidence.raw_status == "amount:10.505 EUR"
    assert said.evidence.amount_minor is None


def test_another_amount_is_told_as_it_is() -> None:
    evidence = heard(amount={"value": "10.51", "currency_code": "USD"}).evidence
    assert (evidence.amount_minor, evidence.currency) == (1051, "USD")


@pytest.mark.parametrize(
    ("custom_id", "invoice_id", "reference"),
    [
        ("rw-000001", "rw-000001", "rw-000001"),
        ("rw-000001", None, "rw-000001"),
        (None, "rw-000001", "rw-000001"),
        # PayPal may fill one of them from the capture.
        ("ORDER-18", "rw-000001", "rw-000001"),
        ("rw-000001", "ORDER-18", "rw-000001"),
        ("rw-000002", "ORDER-18", "rw-000002"),
        (None, "ORDER-18", "ORDER-18"),
        (None, None, None),
        ("", 7, None),
    ],
)
def test_our_reference_is_read_from_either_field(
    custom_id: object, invoice_id: object, reference: str | None
) -> None:
    said = heard(custom_id=custom_id, invoice_id=invoice_id)
    assert said.evidence.merchant_reference == reference


UP = "https://api-m.paypal.com/v2/payments/captures/"


@pytest.mark.parametrize(
    ("links", "capture"),
    [
        ([{"rel": "up", "href": UP + "3C679366HH908993F"}], "3C679366HH908993F"),
        ([{"rel": "up", "href": "/v2/payments/captures/3C6"}], "3C6"),
        ([{"rel": "self", "href": UP + "3C6"}], None),
        ([{"rel": "up", "href": UP + "3C6/refund"}], None),
        ([{"rel": "up", "href": UP + "3C6\n"}], None),
        ([{"rel": "up", "href": UP}], None),
        ([{"rel": "up"}, "x", None, {"rel": "up", "href": UP + "3C6"}], "3C6"),
        ("up", None),
        (None, None),
    ],
)
def test_the_capture_is_read_from_the_link_up_alone(
    links: object, capture: str | None
) -> None:
    assert heard(links=links).evidence.payment_reference == capture


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (201, b"", "not_json"),
        (200, b"<html>ok</html>", "not_json"),
        (201, json.dumps(REFUND).encode()[:-1], "not_json"),
        (201, [REFUND], "not_an_object"),
        (201, {}, "missing_id"),
        (201, REFUND | {"id": ""}, "missing_id"),
        (201, REFUND | {"id": 7}, "missing_id"),
        (201, b'{"id":"1","id":"2"}', "repeated_key"),
        (202, REFUND, "http_202"),
        (204, b"", "http_204"),
        (302, b"", "http_302"),
    ],
)
def test_an_acceptance_that_is_not_whole_is_unsure(
    status: int, body: object, reason: str
) -> None:
    assert outcome(status, body) == Unsure(reason)


# --- every documented error -------------------------------------------------------

REJECTED_422 = [
    "CANNOT_BE_ZERO_OR_NEGATIVE",
    "CANNOT_BE_NEGATIVE",
    "DECIMAL_PRECISION",
    "DECIMALS_NOT_SUPPORTED",
    "INVALID_CURRENCY_CODE",
    "CURRENCY_MISMATCH",
    "REFUND_CAPTURE_CURRENCY_MISMATCH",
    "REFUND_NOT_ALLOWED",
    "REFUND_TIME_LIMIT_EXCEEDED",
    "REFUND_AMOUNT_TOO_LOW",
    "PARTIAL_REFUND_NOT_ALLOWED",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK",
    "TRANSACTION_DISPUTED",
    "REFUND_IS_RESTRICTED",
    "PLATFORM_FEE_EXCEEDED",
    "PLATFORM_FEE_NOT_ENABLED",
    "PENDING_CAPTURE",
]
BUSY = "PREVIOUS_REQUEST_IN_PROGRESS"

DOCUMENTED: list[tuple[int, object, Outcome]] = [
    *(
        (400, error("INVALID_REQUEST", issue), RefusedByGateway(issue))
        for issue in (
            "MISSING_REQUIRED_PARAMETER",
            "INVALID_PARAMETER_SYNTAX",
            "INVALID_STRING_LENGTH",
        )
    ),
    (400, {"name": "INVALID_REQUEST"}, RefusedByGateway("INVALID_REQUEST")),
    (
        404,
        error("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"),
        RefusedByGateway("INVALID_RESOURCE_ID"),
    ),
    (404, {"name": "RESOURCE_NOT_FOUND"}, RefusedByGateway("RESOURCE_NOT_FOUND")),
    *((422, unprocessable(issue), RefusedByGateway(issue)) for issue in REJECTED_422),
    *(
        (422, unprocessable(issue), RefusedByGateway(issue, may_be_echo=True))
        for issue in ("REFUND_AMOUNT_EXCEEDED", "CAPTURE_FULLY_REFUNDED")
    ),
    (
        422,
        unprocessable("REFUND_FAILED_INSUFFICIENT_FUNDS"),
        RefusedByGateway("REFUND_FAILED_INSUFFICIENT_FUNDS", insufficient_funds=True),
    ),
    (
        422,
        unprocessable("DUPLICATE_INVOICE_ID"),
        Unsure("DUPLICATE_INVOICE_ID", replayed=True),
    ),
    (
        400,
        error("INVALID_REQUEST", "DUPLICATE_REQUEST_ID"),
        Unsure("DUPLICATE_REQUEST_ID", replayed=True),
    ),
    (
        400,
        {"name": "DUPLICATE_REQUEST_ID", "message": "…"},
        Unsure("DUPLICATE_REQUEST_ID", replayed=True),
    ),
    *(
        (422, unprocessable(issue), Unauthorized(issue))
        for issue in ("PAYEE_ACCOUNT_RESTRICTED", "PAYEE_ACCOUNT_LOCKED_OR_CLOSED")
    ),
    (
        401,
        {"error": "invalid_token", "error_description": "Token signature failed"},
        Unauthorized("http_401:invalid_token", session_expired=True),
    ),
    (
        401,
        {"name": "AUTHENTICATION_FAILURE"},
        Unauthorized("http_401:AUTHENTICATION_FAILURE"),
    ),
    (
        401,
        error("AUTHENTICATION_FAILURE", "INVALID_ACCOUNT_STATUS"),
        Unauthorized("http_401:INVALID_ACCOUNT_STATUS"),
    ),
    (
        403,
        error("NOT_AUTHORIZED", "PERMISSION_DENIED"),
        Unauthorized("http_403:PERMISSION_DENIED"),
    ),
    (
        429,
        {"name": "RATE_LIMIT_REACHED"},
        NotProcessed("http_429:RATE_LIMIT_REACHED"),
    ),
    (429, b"<html>", NotProcessed("http_429")),
    (409, error("RESOURCE_CONFLICT", BUSY), Unsure(f"http_409:{BUSY}")),
    (
        500,
        {"name": "INTERNAL_SERVER_ERROR"},
        Unsure("http_500:INTERNAL_SERVER_ERROR"),
    ),
    (502, b"<html>", Unsure("http_502")),
    (503, {"name": "SERVICE_UNAVAILABLE"}, Unsure("http_503:SERVICE_UNAVAILABLE")),
    (504, b"", Unsure("http_504")),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), DOCUMENTED, ids=lambda v: str(v)[:60]
)
def test_a_documented_error_has_its_class(
    status: int, body: object, expected: Outcome
) -> None:
    assert outcome(status, body) == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, unprocessable("SOMETHING_NEW")),
        (422, unprocessable()),
        (422, unprocessable(None, 7, "", ["REFUND_NOT_ALLOWED"])),
        (422, {"details": "REFUND_NOT_ALLOWED"}),
        (422, b"REFUND_NOT_ALLOWED"),
        (400, error("INVALID_REQUEST", "SOMETHING_NEW")),
        (400, {"name": "SOMETHING_NEW"}),
        (400, b"<html>Bad Request</html>"),
        (404, b"<html>Not Found</html>"),
        (404, {"name": "SOMETHING_NEW"}),
        # A documented issue under a status that it is not documented for.
        (400, error("INVALID_REQUEST", "REFUND_AMOUNT_EXCEEDED")),
        (404, unprocessable("PAYEE_ACCOUNT_RESTRICTED")),
        (500, unprocessable("REFUND_NOT_ALLOWED")),
        (409, unprocessable("REFUND_FAILED_INSUFFICIENT_FUNDS")),
        (405, {"name": "METHOD_NOT_SUPPORTED"}),
        (408, b""),
        (415, {"name": "UNSUPPORTED_MEDIA_TYPE"}),
        (418, REFUND),
    ],
)
def test_an_answer_that_is_not_documented_proves_nothing(
    status: int, body: object
) -> None:
    said = outcome(status, body)
    assert isinstance(said, Unsure)
    assert not said.replayed


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        (
            ("REFUND_NOT_ALLOWED", "DUPLICATE_INVOICE_ID"),
            Unsure("DUPLICATE_INVOICE_ID", replayed=True),
        ),
        (
            ("REFUND_NOT_ALLOWED", "CAPTURE_FULLY_REFUNDED"),
            RefusedByGateway("CAPTURE_FULLY_REFUNDED", may_be_echo=True),
        ),
        (
            ("CAPTURE_FULLY_REFUNDED", "PAYEE_ACCOUNT_RESTRICTED"),
            Unauthorized("PAYEE_ACCOUNT_RESTRICTED"),
        ),
        (("SOMETHING_NEW", "PENDING_CAPTURE"), RefusedByGateway("PENDING_CAPTURE")),
    ],
)
def test_the_gravest_of_several_issues_counts(
    issues: tuple[str, ...], expected: Outcome
) -> None:
    assert outcome(422, unprocessable(*issues)) == expected
    assert outcome(422, unprocessable(*reversed(issues))) == expected


def test_retry_after_is_honoured_where_nothing_was_processed_and_where_unsure() -> None:
    limited = outcome(429, {"name": "RATE_LIMIT_REACHED"}, retry_after="30")
    assert limited == NotProcessed("http_429:RATE_LIMIT_REACHED", 30)
    assert outcome(503, b"", retry_after="9") == Unsure("http_503", 9)
    busy = outcome(409, error("RESOURCE_CONFLICT", BUSY), retry_after="2")
    assert busy == Unsure(f"http_409:{BUSY}", 2)


def test_a_token_without_the_scope_is_not_an_old_one() -> None:
    denied = outcome(403, {"error": "invalid_token"})
    assert denied == Unauthorized("http_403:invalid_token")


# --- probes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"event_types": [{"name": "PAYMENT.CAPTURE.REFUNDED"}]}, ProbeResult()),
        (200, {"event_types": {}}, ProbeResult("no_event_types")),
        (200, b"<html>", ProbeResult("no_event_types")),
        (
            401,
            {"error": "invalid_token"},
            ProbeResult("http_401:invalid_token", unauthorized=True),
        ),
        (403, b"", ProbeResult("http_403", unauthorized=True)),
        (503, b"", ProbeResult("http_503")),
    ],
)
def test_a_probe_is_good_only_by_a_list_of_events(
    status: int, body: object, expected: ProbeResult
) -> None:
    assert result_of(GATEWAY.probe(PAYPAL), answer(status, body)) == expected
