from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    HttpResponse,
    LookupFailed,
    NotOffered,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
)
from tests.unit.gateways.driving import answer, drive, result_of
from tests.unit.gateways.razorpay import (
    GATEWAY,
    KNOWN,
    PAYMENT,
    PAYMENT_ID,
    PROCESSED,
    RAZORPAY,
    RAZORPAY_REFUND,
    REFUND,
    REFUND_ID,
    error,
    page,
)


def refund(number: int, **changes: Any) -> dict[str, Any]:
    return REFUND | {"id": f"rfnd_{number}", "receipt": f"r-{number}"} | changes


def looked_up(*responses: HttpResponse) -> Any:
    return drive(GATEWAY.look_up(RAZORPAY_REFUND), *responses)


def test_every_refund_with_our_reference_is_found() -> None:
    auto = refund(3, receipt=None, notes=[])
    noted = refund(2, receipt=None, notes={"rw_refund_id": "rw-000123"})
    found = looked_up(page(auto, noted, REFUND)).result
    assert isinstance(found, Found)
    names = [one.evidence.gateway_reference for one in found.matches]
    assert names == ["rfnd_2", REFUND_ID]


def test_a_list_is_read_to_its_end_before_anything_is_absent() -> None:
    full = [refund(number, notes=[]) for number in range(100)]
    driven = looked_up(page(*full), page(*full[50:], refund(200, notes=[])))
    assert driven.result == Absent()
    assert [request.target.rpartition("=")[2] for request in driven.requests] == [
        "0",
        "100",
    ]
    assert isinstance(looked_up(page(*full), page(REFUND)).result, Found)


def test_what_a_new_refund_shows_twice_is_one_match() -> None:
    others = [refund(number, notes=[]) for number in range(99)]
    found = looked_up(page(*others, REFUND), page(REFUND)).result
    assert isinstance(found, Found)
    assert len(found.matches) == 1


def test_a_list_without_end_proves_nothing() -> None:
    full = [refund(number, notes=[]) for number in range(100)]
    driven = looked_up(*[page(*full)] * 50)
    assert driven.result == LookupFailed("listing_too_long")


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (answer(200, b"<html>"), LookupFailed("not_json")),
        (answer(200, {"items": []}), LookupFailed("no_collection")),
        (page(entity="list"), LookupFailed("no_collection")),
        (page(items=None), LookupFailed("no_collection")),
        (page(count=1), LookupFailed("another_count")),
        (page({"id": "x"}), LookupFailed("no_refund_object")),
        (page(refund(1, id=None)), LookupFailed("missing_id")),
        (
            error(401, "invalid"),
            LookupFailed("http_401:BAD_REQUEST_ERROR", unauthorized=True),
        ),
        (
            error(400, "Access Denied"),
            LookupFailed("http_400:BAD_REQUEST_ERROR", unauthorized=True),
        ),
        (
            error(400, "The id provided does not exist"),
            LookupFailed("http_400:BAD_REQUEST_ERROR"),
        ),
        (answer(429, b"", retry_after="2"), LookupFailed("http_429", 2)),
        (answer(500, b""), LookupFailed("http_500")),
    ],
)
def test_a_question_that_was_not_answered_proves_no_absence(
    response: HttpResponse, failure: LookupFailed
) -> None:
    assert looked_up(response).result == failure


def test_a_refund_is_read_by_its_id() -> None:
    driven = drive(GATEWAY.read_refund(KNOWN), answer(200, PROCESSED))
    [match] = driven.result.matches
    assert (match.word, match.evidence.source) == (Word.SUCCEEDED, "poll")
    assert len(driven.requests) == 1


BARE = {name: value for name, value in REFUND.items() if name != "status"}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (page(refund(1), PROCESSED), (Word.SUCCEEDED, "processed")),
        (page(BARE), (Word.UNSEEN, "no_status")),
    ],
)
def test_a_refund_without_status_is_looked_for_in_its_list(
    second: HttpResponse, expected: tuple[Word, str]
) -> None:
    driven = drive(GATEWAY.read_refund(KNOWN), answer(200, BARE), second)
    [match] = driven.result.matches
    assert (match.word, match.evidence.raw_status) == expected
    assert driven.requests[1].target.startswith(f"/v1/payments/{PAYMENT_ID}/refunds")


@pytest.mark.parametrize(
    ("responses", "failure"),
    [
        ((answer(200, refund(9)),), "another_refund"),
        ((answer(200, {}),), "no_refund_object"),
        ((answer(500, b""),), "http_500"),
        ((answer(200, BARE), page()), "not_listed"),
        ((answer(200, BARE), answer(500, b"")), "http_500"),
        (
            (answer(200, BARE | {"payment_id": "a/b"}),),
            "payment_reference_unusable",
        ),
    ],
)
def test_a_refund_that_was_not_read_says_nothing(
    responses: tuple[HttpResponse, ...], failure: str
) -> None:
    driven = drive(GATEWAY.read_refund(KNOWN), *responses)
    assert driven.result == LookupFailed(failure)


def paid(*responses: HttpResponse) -> Any:
    return drive(GATEWAY.read_payment(RAZORPAY, PAYMENT_ID, "INR"), *responses)


def payment(**changes: Any) -> HttpResponse:
    return answer(200, PAYMENT | changes)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (payment(), PaymentRead(120000, "INR", 50000)),
        (
            payment(status="refunded", refund_status="full", amount_refunded=120000),
            PaymentRead(120000, "INR", 120000),
        ),
        (
            payment(status="refunded", refund_status="full", amount_refunded=0),
            PaymentRead(120000, "INR", 120000),
        ),
        (
            payment(status="authorized", captured=False, refund_status=None),
            PaymentRead(0, "INR", 0),
        ),
        (
            payment(status="refunded", captured=False, refund_status="full"),
            PaymentRead(0, "INR", 0),
        ),
        (
            payment(status="failed", captured=None, refund_status=None),
            PaymentRead(0, "INR", 0),
        ),
        (payment(captured=None), PaymentRead(120000, "INR", 50000)),
        (payment(status="disputed"), PaymentUnreadable("payment_status:disputed")),
        (payment(amount=None), PaymentUnreadable("no_captured_amount")),
        (payment(amount=1.5), PaymentUnreadable("amount:1.5 INR")),
        (payment(amount_refunded="1"), PaymentUnreadable("amount:1 INR")),
        (payment(id="pay_2"), PaymentUnreadable("another_payment")),
        (payment(entity="order"), PaymentUnreadable("no_payment_object")),
        (answer(200, b"[]"), PaymentUnreadable("not_an_object")),
        (
            error(400, "The id provided does not exist"),
            PaymentUnreadable("http_400:BAD_REQUEST_ERROR", missing=True),
        ),
        (
            error(400, "pay_x is not a valid id"),
            PaymentUnreadable("http_400:BAD_REQUEST_ERROR", missing=True),
        ),
        (answer(404, b""), PaymentUnreadable("http_404")),
        (
            answer(401, b""),
            PaymentUnreadable("http_401", unauthorized=True),
        ),
    ],
)
def test_a_payment_says_what_was_captured_and_given_back(
    response: HttpResponse, expected: object
) -> None:
    driven = paid(response)
    assert driven.result == expected
    assert len(driven.requests) == 1


@pytest.mark.parametrize(
    ("refunds", "told", "given_back"),
    [
        ((), 0, 0),
        ((refund(1, amount=700),), 0, 700),
        ((refund(1, amount=700),), None, 700),
        ((refund(1, amount=700),), 900, 900),
        ((refund(1, amount=700), refund(2, amount=1, status="processed")), 0, 701),
        ((refund(1, amount=700, status="failed"),), 0, 0),
        ((refund(1, amount=700, status="new_word"),), 0, 700),
    ],
)
def test_without_a_refund_status_the_list_is_counted(
    refunds: tuple[dict[str, Any], ...], told: int | None, given_back: int
) -> None:
    silent = payment(refund_status=None, amount_refunded=told)
    assert paid(silent, page(*refunds)).result == (
        PaymentRead(120000, "INR", given_back)
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (page(refund(1, currency="EUR")), PaymentUnreadable("refunds_not_countable")),
        (page(refund(1, amount=-1)), PaymentUnreadable("refunds_not_countable")),
        (page(refund(1, amount="1")), PaymentUnreadable("refunds_not_countable")),
        (answer(401, b""), PaymentUnreadable("http_401", unauthorized=True)),
    ],
)
def test_a_list_that_cannot_be_counted_makes_the_payment_unreadable(
    response: HttpResponse, expected: PaymentUnreadable
) -> None:
    assert paid(payment(refund_status=None), response).result == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (page(REFUND), ProbeResult()),
        (page(), ProbeResult()),
        (answer(200, b"{}"), ProbeResult("no_collection")),
        (answer(200, b"<html>"), ProbeResult("not_json")),
        (
            error(401, "The API {key/secret} provided is invalid."),
            ProbeResult("http_401:BAD_REQUEST_ERROR", unauthorized=True),
        ),
        (
            error(400, "Access Denied"),
            ProbeResult("http_400:BAD_REQUEST_ERROR", unauthorized=True),
        ),
        (answer(503, b""), ProbeResult("http_503")),
    ],
)
def test_a_probe_proves_the_key(response: HttpResponse, expected: ProbeResult) -> None:
    assert result_of(GATEWAY.probe(RAZORPAY), response) == expected


def test_a_refund_cannot_be_taken_back() -> None:
    driven = drive(GATEWAY.cancel(KNOWN))
    assert (driven.result, driven.requests) == (NotOffered(), ())
