from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Heard,
    HttpResponse,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from tests.unit.gateways.driving import answer, result_of
from tests.unit.gateways.razorpay import (
    GATEWAY,
    PAYMENT_ID,
    PROCESSED,
    RAZORPAY_REFUND,
    REFUND,
    REFUND_ID,
    error,
)


def outcome(response: HttpResponse) -> Any:
    return result_of(GATEWAY.refund(RAZORPAY_REFUND), response)


def test_an_accepted_refund_states_everything_about_itself() -> None:
    assert outcome(answer(200, REFUND)) == Heard(
        Word.PENDING,
        Evidence(
            source="answer",
            raw_status="pending",
            amount_minor=50000,
            currency="INR",
            gateway_reference=REFUND_ID,
            merchant_reference="rw-000123",
            payment_reference=PAYMENT_ID,
        ),
    )


@pytest.mark.parametrize(
    ("changes", "word", "raw_status"),
    [
        ({"status": "processed"}, Word.SUCCEEDED, "processed:no_bank_reference"),
        (
            {"status": "processed", "acquirer_data": []},
            Word.SUCCEEDED,
            "processed:no_bank_reference",
        ),
        (
            {"status": "processed", "acquirer_data": {"rrn": "1"}},
            Word.SUCCEEDED,
            "processed",
        ),
        (
            {"status": "processed", "acquirer_data": {"utr": "1"}},
            Word.SUCCEEDED,
            "processed",
        ),
        ({"status": "failed"}, Word.FAILED, "failed"),
        ({"status": None}, Word.PENDING, "no_status"),
        ({"status": "reversed"}, Word.UNSEEN, "reversed"),
        ({"status": "Processed"}, Word.UNSEEN, "Processed"),
        ({"status": 7}, Word.UNSEEN, "7"),
        ({"amount": "50000"}, Word.UNSEEN, "amount:50000 INR"),
        ({"amount": 500.0}, Word.UNSEEN, "amount:500.0 INR"),
        ({"currency": None}, Word.UNSEEN, "amount:50000 null"),
        ({"currency": "KWD", "amount": 7}, Word.PENDING, "pending"),
    ],
)
def test_a_status_has_its_word(
    changes: dict[str, Any], word: Word, raw_status: str
) -> None:
    heard = outcome(answer(200, REFUND | changes))
    assert (heard.word, heard.evidence.raw_status) == (word, raw_status)


@pytest.mark.parametrize(
    ("receipt", "notes", "reference"),
    [
        ("rw-000123", [], "rw-000123"),
        (None, {"rw_refund_id": "rw-000123"}, "rw-000123"),
        ("rw-000999", {"rw_refund_id": "rw-000123"}, "rw-000999"),
        (None, [], None),
        (None, {"comment": "x"}, None),
        (None, "rw-000123", None),
    ],
)
def test_our_reference_is_the_receipt_or_else_the_note(
    receipt: str | None, notes: Any, reference: str | None
) -> None:
    heard = outcome(answer(200, REFUND | {"receipt": receipt, "notes": notes}))
    assert heard.evidence.merchant_reference == reference


def test_a_failure_has_a_code() -> None:
    assert outcome(answer(200, REFUND | {"status": "failed"})).evidence == (
        Evidence(
            source="answer",
            raw_status="failed",
            amount_minor=50000,
            currency="INR",
            gateway_reference=REFUND_ID,
            merchant_reference="rw-000123",
            payment_reference=PAYMENT_ID,
            failure_code="failed",
        )
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(200, b"<html>"), Unsure("not_json")),
        (answer(200, {}), Unsure("no_refund_object")),
        (answer(200, {"entity": "payment", "id": "p"}), Unsure("no_refund_object")),
        (answer(200, {"entity": "refund"}), Unsure("missing_id")),
        (answer(201, PROCESSED), Unsure("http_201")),
        (
            error(400, "THE PAYMENT HAS BEEN FULLY REFUNDED ALREADY"),
            RefusedByGateway("already_refunded", may_be_echo=True),
        ),
        (
            error(400, "pay_1 is not a valid id"),
            RefusedByGateway("id_invalid"),
        ),
        (
            error(400, "Something new"),
            Unsure("http_400:BAD_REQUEST_ERROR"),
        ),
        (
            error(400, "pay_1 is not a valid id", "GATEWAY_ERROR"),
            Unsure("http_400:GATEWAY_ERROR"),
        ),
        (
            error(500, "pay_1 is not a valid id"),
            Unsure("http_500:BAD_REQUEST_ERROR"),
        ),
        (
            error(400, "Different request with the same idempotency key has already"),
            Unsure("key_used_before", replayed=True),
        ),
        (
            error(400, "The receipt has been used."),
            Unsure("receipt_used_before", replayed=True),
        ),
        (
            error(400, "Your account does not have enough balance to carry out"),
            RefusedByGateway("insufficient_balance", insufficient_funds=True),
        ),
        (
            error(409, "… is still in progress."),
            Unsure("http_409:BAD_REQUEST_ERROR"),
        ),
        (
            error(429, "Slow down", retry_after="4"),
            NotProcessed("http_429:BAD_REQUEST_ERROR", 4),
        ),
        (answer(401, b""), Unauthorized("http_401")),
        (answer(403, b"<html>"), Unauthorized("http_403")),
        (
            error(400, "Access Denied"),
            Unauthorized("http_400:BAD_REQUEST_ERROR"),
        ),
        (answer(400, b"<html>"), Unsure("http_400")),
        (answer(404, b""), Unsure("http_404")),
        (answer(503, b"", retry_after="9"), Unsure("http_503", 9)),
        (error(502, "Bank", "GATEWAY_ERROR"), Unsure("http_502:GATEWAY_ERROR")),
    ],
)
def test_what_is_no_refund_has_its_class(
    response: HttpResponse, expected: object
) -> None:
    assert outcome(response) == expected
