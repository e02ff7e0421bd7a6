from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    CAPTURE,
    GATEWAY,
    KNOWN,
    ORDER,
    REFUND,
    capture,
    sale,
    search,
    summary,
    transaction,
)
from tests.unit.gateways.driving import answer, drive, result_of

OTHER = "7398200000000000000001"
THIRD = "7398200000000000000002"
PENDING = Evidence(
    source="poll",
    raw_status="PENDING",
    gateway_reference=REFUND,
    merchant_reference="rw-000001",
    payment_reference=CAPTURE,
    amount_minor=1050,
    currency="EUR",
)


def polled(body: object, status: int = 200) -> Any:
    return result_of(GATEWAY.read_refund(KNOWN), answer(status, body))


def looked_up(*answers: Any) -> Any:
    return drive(GATEWAY.look_up(ORDER), *answers).result


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_read_whole() -> None:
    assert polled(transaction()) == Found((Heard(Word.PENDING, PENDING),))


@pytest.mark.parametrize(
    ("status", "code", "word", "raw"),
    [
        ("PENDING", "1", Word.PENDING, "PENDING"),
        ("Transmitted", "1", Word.SUCCEEDED, "TRANSMITTED"),
        ("BATCHED", "1", Word.SUCCEEDED, "BATCHED"),
        ("SUCCEEDED", "1", Word.SUCCEEDED, "SUCCEEDED"),
        ("SETTLED", "1", Word.SUCCEEDED, "SETTLED"),
        ("FAILED", "1", Word.FAILED, "FAILED"),
        ("REJECTED", "1", Word.FAILED, "REJECTED"),
        ("VOIDED", "1", Word.FAILED, "VOIDED"),
        (None, "1", Word.PENDING, "PENDING"),
        ("PENDING", "0", Word.FAILED, "SOK"),
        ("TRANSMITTED", "-1", Word.FAILED, "SOK"),
        ("TRANSMITTED", 1, Word.SUCCEEDED, "TRANSMITTED"),
        ("TRANSMITTED", "2", Word.UNSEEN, "rCode:2"),
        ("TRANSMITTED", None, Word.UNSEEN, "rCode:null"),
        ("REFUNDED", "1", Word.UNSEEN, "REFUNDED"),
    ],
)
def test_a_word_is_what_code_and_status_say(
    status: str | None, code: object, word: Word, raw: str
) -> None:
    found = polled(transaction(status, code))
    assert isinstance(found, Found)
    (heard,) = found.matches
    assert (heard.word, heard.evidence.raw_status) == (word, raw)
    assert (heard.evidence.failure_code is None) is (word is not Word.FAILED)


def test_a_refund_of_an_electronic_check_is_one() -> None:
    found = polled(transaction("PENDING", "1", "ics_ecp_credit"))
    assert isinstance(found, Found)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": OTHER}, "another_transaction"),
        ({"id": ...}, "missing_id"),
        ({"id": int(REFUND)}, "missing_id"),
        ({"applicationInformation": None}, "not_a_refund"),
    ],
)
def test_what_is_not_that_refund_says_nothing(
    changes: dict[str, Any], reason: str
) -> None:
    assert polled(transaction(**changes)) == LookupFailed(reason)


def test_a_capture_is_no_refund() -> None:
    assert polled(capture(id=REFUND)) == LookupFailed("not_a_refund")


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (404, LookupFailed("http_404")),
        (500, LookupFailed("http_500")),
        (401, LookupFailed("http_401", unauthorized=True)),
    ],
)
def test_an_unanswered_read_is_no_absence(status: int, failed: object) -> None:
    assert polled(b"", status) == failed


def test_a_payment_is_named_only_where_the_refund_names_it() -> None:
    found = polled(transaction(names=(OTHER,), rootId=OTHER))
    assert found.matches[0].evidence.payment_reference is None
    found = polled(transaction(names=(), rootId=CAPTURE))
    assert found.matches[0].evidence.payment_reference == CAPTURE


# --- searching --------------------------------------------------------------------


def test_a_found_refund_is_read_before_it_is_believed() -> None:
    found = looked_up(
        answer(201, search(summary())), answer(200, transaction("VOIDED"))
    )
    assert isinstance(found, Found)
    assert [heard.word for heard in found.matches] == [Word.FAILED]
    assert found.matches[0].evidence.source == "lookup"


def test_a_found_refund_that_cannot_be_read_yet_is_what_the_search_says() -> None:
    found = looked_up(answer(201, search(summary())), answer(404))
    assert isinstance(found, Found)
    (heard,) = found.matches
    assert heard.word is Word.PENDING
    assert heard.evidence.amount_minor == 1050
    declined = looked_up(answer(201, search(summary("0"))), answer(404))
    assert declined.matches[0].word is Word.FAILED


def test_two_refunds_under_one_reference_are_both_told() -> None:
    rows = search(summary(), summary(id=OTHER))
    found = looked_up(
        answer(201, rows),
        answer(200, transaction()),
        answer(200, transaction(id=OTHER)),
    )
    assert [heard.evidence.gateway_reference for heard in found.matches] == [
        REFUND,
        OTHER,
    ]


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (summary(clientReferenceInformation={"code": "rw-000001-void"}),),
        (summary(clientReferenceInformation={"code": "rw-000002"}),),
        (summary(applicationInformation={"applications": [{"name": "ics_void"}]}),),
        (summary(applicationInformation={}),),
    ],
)
def test_absent_is_what_a_whole_result_does_not_hold(rows: tuple[Any, ...]) -> None:
    assert looked_up(answer(201, search(*rows))) == Absent()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (search(total=3), "search_not_whole"),
        (search(summary(), total=0), "search_not_whole"),
        (search(total=None), "search_not_whole"),
        ({}, "no_search"),
        ({"totalCount": "0"}, "no_search"),
        (b"[]", "not_an_object"),
    ],
)
def test_a_result_that_may_lack_something_proves_nothing(
    body: object, reason: str
) -> None:
    result = looked_up(answer(201, body))
    assert isinstance(result, LookupFailed)
    assert result.reason in {reason, "no_search"}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502])
def test_a_search_without_an_answer_proves_nothing(status: int) -> None:
    assert isinstance(looked_up(answer(status, search())), LookupFailed)


@pytest.mark.parametrize(
    "second", [answer(500), answer(200, transaction(id=OTHER)), answer(200, b"{")]
)
def test_a_found_refund_that_is_read_badly_proves_nothing(second: Any) -> None:
    result = looked_up(answer(201, search(summary())), second)
    assert isinstance(result, LookupFailed)


@pytest.mark.parametrize("theirs", ["", "a/b", int(REFUND)])
def test_a_found_refund_without_an_id_proves_nothing(theirs: object) -> None:
    result = looked_up(answer(201, search(summary(id=theirs))))
    assert isinstance(result, LookupFailed)


# --- payments ---------------------------------------------------------------------


def payment(*answers: Any, reference: str = CAPTURE) -> Any:
    return result_of(GATEWAY.read_payment(ACCOUNT, reference, "EUR"), *answers)


@pytest.mark.parametrize("make", [capture, sale])
def test_refunds_of_a_payment_are_added_up(make: Any) -> None:
    names = (REFUND, OTHER, THIRD)
    read = payment(
        answer(200, make(*names)),
        answer(200, transaction("TRANSMITTED")),
        answer(200, transaction("PENDING", id=OTHER, amount="0.50", currency="eur")),
        answer(200, transaction("VOIDED", id=THIRD)),
    )
    assert read == PaymentRead(5000, "EUR", refunded_minor=1100)


def test_the_authorization_before_a_capture_gave_nothing_back() -> None:
    before = transaction("AUTHORIZED", "1", "ics_auth", id=OTHER, names=(CAPTURE,))
    refused = transaction("REJECTED", "0", id=THIRD)
    read = payment(
        answer(200, capture(OTHER, THIRD)), answer(200, before), answer(200, refused)
    )
    assert read == PaymentRead(5000, "EUR", refunded_minor=0)


def test_whose_a_refund_is_cannot_be_told_beside_another_capture() -> None:
    beside = capture(id=OTHER)
    read = payment(answer(200, capture(OTHER, REFUND)), answer(200, beside))
    assert read == PaymentRead(5000, "EUR", refunded_minor=None)


@pytest.mark.parametrize(
    "one",
    [transaction(currency="USD"), transaction(amount="x"), transaction(amount="-1")],
)
def test_a_refund_that_cannot_be_counted_leaves_the_sum_untold(one: Any) -> None:
    read = payment(answer(200, capture(REFUND)), answer(200, one))
    assert read == PaymentRead(5000, "EUR", refunded_minor=None)


def test_a_crowd_of_related_transactions_is_not_read() -> None:
    names = tuple(f"{number:022d}" for number in range(1, 42))
    assert payment(answer(200, capture(*names))).refunded_minor is None


@pytest.mark.parametrize(
    "nothing",
    [
        transaction("AUTHORIZED", "1", "ics_auth", id=CAPTURE, amount="50.00"),
        capture() | {"applicationInformation": {"applications": []}},
        transaction("VOIDED", "1", "ics_bill", id=CAPTURE, amount="50.00"),
        transaction("TRANSMITTED", "0", "ics_bill", id=CAPTURE, amount="50.00"),
    ],
)
def test_what_took_nothing_has_nothing_to_give_back(nothing: Any) -> None:
    assert payment(answer(200, nothing)) == PaymentRead(0, "EUR", refunded_minor=0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((answer(404),), PaymentUnreadable("http_404", missing=True)),
        (
            (answer(401, {"response": {"rmsg": "Authentication Failed"}}),),
            PaymentUnreadable("http_401:Authentication Failed", unauthorized=True),
        ),
        ((answer(200, capture(id=OTHER)),), PaymentUnreadable("another_transaction")),
        ((answer(200, b""),), PaymentUnreadable("not_json")),
        (
            (answer(200, capture(orderInformation={})),),
            PaymentUnreadable("no_captured_amount"),
        ),
        (
            (answer(200, capture(amount="50.005")),),
            PaymentUnreadable("amount:50.005 EUR"),
        ),
        ((answer(200, capture(REFUND)), answer(404)), PaymentUnreadable("http_404")),
        (
            (answer(200, capture(REFUND)), answer(200, transaction(id=OTHER))),
            PaymentUnreadable("another_transaction"),
        ),
    ],
)
def test_a_payment_that_is_not_read_whole_is_not_read(
    answers: tuple[Any, ...], expected: object
) -> None:
    assert payment(*answers) == expected


def test_a_look_up_of_another_payment_does_not_borrow_its_name() -> None:
    asked = replace(KNOWN, payment_reference=OTHER)
    found = result_of(GATEWAY.read_refund(asked), answer(200, transaction()))
    assert isinstance(found, Found)
    assert found.matches[0].evidence.payment_reference is None
