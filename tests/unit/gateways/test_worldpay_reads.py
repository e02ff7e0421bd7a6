from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Heard,
    HttpResponse,
    LookupFailed,
    LookupResult,
    NotShown,
    PaymentRead,
    PaymentUnreadable,
)
from tests.unit.gateways.driving import NOW, drive, result_of
from tests.unit.gateways.worldpay_talk import (
    GATEWAY,
    ORDER,
    REFUND,
    WORLDPAY,
    amount,
    error,
    left,
    order,
    replied,
    shown,
    with_settings,
)

SENT = Evidence(
    source="lookup",
    raw_status="SENT_FOR_REFUND",
    gateway_reference="rw-000123-1",
    merchant_reference="rw-000123-1",
    payment_reference=ORDER,
    currency="GBP",
)


def looked(response: HttpResponse) -> LookupResult:
    return result_of(GATEWAY.look_up(REFUND), response)


def only(response: HttpResponse) -> Heard:
    found = looked(response)
    assert isinstance(found, Found)
    (match,) = found.matches
    return match


def test_a_refund_is_found_by_our_reference_alone() -> None:
    assert only(order("SENT_FOR_REFUND", references=shown())) == Heard(
        Word.PENDING, SENT
    )
    named = "<reference>rw-000123-1</reference>"
    assert only(order("SENT_FOR_REFUND", references=named)).word is Word.PENDING


def test_the_amount_beside_it_is_the_orders_and_not_stated() -> None:
    seen = only(order("REFUNDED", references=shown(), total=amount(9)))
    assert seen.evidence.amount_minor is None


@pytest.mark.parametrize(
    ("event", "word"),
    [
        ("SENT_FOR_REFUND", Word.PENDING),
        ("REFUNDED", Word.SUCCEEDED),
        ("REFUNDED_BY_MERCHANT", Word.SUCCEEDED),
        ("REFUND_FAILED", Word.FAILED),
        ("REFUND_EXPIRED", Word.FAILED),
        ("REFUND_WEBFORM_ISSUED", Word.PENDING),
        ("CANCELLED", Word.SUCCEEDED),
        # A later event of the order hides how a refund that is named stands.
        ("CHARGED_BACK", Word.PENDING),
        ("SETTLED", Word.PENDING),
        ("NEVER_SEEN", Word.UNSEEN),
    ],
)
def test_the_latest_event_is_the_word_where_our_reference_stands(
    event: str, word: Word
) -> None:
    seen = only(order(event, references=shown()))
    assert (seen.word, seen.evidence.raw_status) == (word, event)
    assert seen.evidence.requires_action is (event == "REFUND_WEBFORM_ISSUED")
    failure = event.lower() if word is Word.FAILED else None
    assert seen.evidence.failure_code == failure


@pytest.mark.parametrize(
    "response",
    [
        order("SENT_FOR_REFUND", references=shown("rw-000777-1")),
        order("SENT_FOR_REFUND"),
        order("CAPTURED"),
        order("CANCELLED"),
        order(None),
        error("5", "Could not find payment for order"),
    ],
)
def test_what_shows_another_refund_or_none_denies_nothing(
    response: HttpResponse,
) -> None:
    assert looked(response) == NotShown()


# --- what is left as a proof ------------------------------------------------------


def asked(first: HttpResponse, second: HttpResponse, **changes: Any) -> LookupResult:
    account = with_settings(refundable_amount_inquiry="yes")
    told = replace(REFUND, account=account, **changes)
    return drive(GATEWAY.look_up(told), first, second).result  # type: ignore[no-any-return]


def test_a_refund_is_absent_where_less_than_its_amount_has_left_the_order() -> None:
    assert asked(order("CAPTURED"), left(12000)) == Absent()
    another = order("REFUNDED", references=shown("rw-000777-1"))
    assert asked(another, left(11406)) == Absent()


@pytest.mark.parametrize(
    "second",
    [
        left(11405),
        left(0),
        left(12001),
        left(12000, "EUR"),
        error("5"),
        HttpResponse(500),
        HttpResponse(200, {}, b"<html>"),
    ],
)
def test_what_is_left_proves_nothing_else(second: HttpResponse) -> None:
    assert asked(order("CAPTURED"), second) == NotShown()


def test_nothing_follows_from_what_is_left_of_an_order_that_was_not_read() -> None:
    assert asked(error("5"), left(12000)) == NotShown()
    assert asked(order("CAPTURED", total=amount("x")), left(12000)) == NotShown()


def test_what_was_accepted_or_may_not_be_asked_is_not_asked_about() -> None:
    accepted = replace(
        REFUND,
        account=with_settings(refundable_amount_inquiry="yes"),
        accepted_at=NOW,
    )
    assert result_of(GATEWAY.look_up(accepted), order("CAPTURED")) == NotShown()
    assert looked(order("CAPTURED")) == NotShown()


# --- journals ---------------------------------------------------------------------


def test_a_journal_says_of_each_refund_which_event_last_bore_it() -> None:
    journals = "".join(
        f'<journal journalType="{event}"><bookingDate><date month="03" year="2026"/>'
        f'</bookingDate><journalReference type="refund" reference="{reference}"/>'
        "</journal>"
        for event, reference in [
            ("SENT_FOR_REFUND", "rw-000123-1"),
            ("REFUNDED", "rw-000123-1"),
            ("SENT_FOR_REFUND", "rw-000777-1"),
        ]
    )
    seen = order("SENT_FOR_REFUND", references=shown("rw-000777-1"), journals=journals)
    assert only(seen).word is Word.SUCCEEDED


def test_an_order_given_up_whole_ends_the_refund_of_all_of_it() -> None:
    seen = only(order("CANCELLED", total=amount(595)))
    assert (seen.word, seen.evidence.amount_minor) == (Word.SUCCEEDED, 595)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (error("4"), LookupFailed("error_4", unauthorized=True)),
        (error("8"), LookupFailed("error_8")),
        (HttpResponse(401, {}, b""), LookupFailed("http_401", unauthorized=True)),
        (HttpResponse(503, {"retry-after": "5"}, b""), LookupFailed("http_503", 5)),
        (HttpResponse(200, {}, b"<html>"), LookupFailed("not_xml")),
        (order(code="other"), LookupFailed("other_order")),
        (replied("<orderStatus/>"), LookupFailed("no_single_payment")),
    ],
)
def test_a_question_without_answer_says_nothing(
    response: HttpResponse, expected: LookupFailed
) -> None:
    assert looked(response) == expected


# --- silence that counts as success -----------------------------------------------


def polled(days: float, setting: str | None, event: str = "SENT_FOR_REFUND") -> Word:
    account = (
        WORLDPAY if setting is None else with_settings(sent_for_refund_days=setting)
    )
    asked = replace(
        REFUND,
        account=account,
        accepted_at=NOW - timedelta(days=days),
        asked_at=NOW,
    )
    found = result_of(GATEWAY.look_up(asked), order(event, references=shown()))
    assert isinstance(found, Found)
    return found.matches[0].word


def test_a_sent_refund_counts_as_paid_after_the_accounts_days_and_not_before() -> None:
    assert polled(6.9, "7") is Word.PENDING
    assert polled(7, "7") is Word.SUCCEEDED
    assert polled(400, None) is Word.PENDING
    assert polled(400, "7", "REFUND_FAILED") is Word.FAILED


def test_a_sent_refund_that_another_hides_counts_by_the_last_that_was_said() -> None:
    told = replace(
        REFUND,
        account=with_settings(sent_for_refund_days="7"),
        accepted_at=NOW - timedelta(days=7),
        asked_at=NOW,
        last_status="SENT_FOR_REFUND",
    )
    hidden = order("SENT_FOR_REFUND", references=shown("rw-000777-1"))
    found = result_of(GATEWAY.look_up(told), hidden)
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.SUCCEEDED
    assert found.matches[0].evidence.raw_status == "SENT_FOR_REFUND:7d"
    for less in (
        replace(told, last_status="refundReceived"),
        replace(told, asked_at=NOW - timedelta(seconds=1)),
        replace(told, account=WORLDPAY),
    ):
        assert result_of(GATEWAY.look_up(less), hidden) == NotShown()


@pytest.mark.parametrize("setting", ["", "0", "-1", "7.5", "soon", "1000"])
def test_a_setting_that_is_no_number_of_days_never_counts(setting: str) -> None:
    assert polled(9999, setting) is Word.PENDING


def test_only_a_poll_may_conclude_from_time() -> None:
    asked = replace(
        REFUND,
        account=with_settings(sent_for_refund_days="1"),
        accepted_at=NOW - timedelta(days=400),
    )
    seen = order("SENT_FOR_REFUND", references=shown())
    found = result_of(GATEWAY.look_up(asked), seen)
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.PENDING


# --- the original payment ---------------------------------------------------------


def read(*responses: HttpResponse, asks: bool = False) -> object:
    account = with_settings(refundable_amount_inquiry="yes") if asks else WORLDPAY
    return drive(GATEWAY.read_payment(account, ORDER, "GBP"), *responses).result


def test_what_was_ordered_is_not_taken_for_what_was_captured() -> None:
    told = PaymentUnreadable("captured_not_told", untold_in="GBP")
    assert read(order("CAPTURED")) == told
    assert read(order("AUTHORISED")) == told
    assert read(order("AUTHORISED"), asks=True) == told


def test_what_is_left_is_asked_for_where_the_account_may() -> None:
    assert read(order("SENT_FOR_REFUND"), left(11405), asks=True) == PaymentRead(
        12000, "GBP", 595
    )
    assert read(order("CHARGED_BACK"), left(0), asks=True) == PaymentRead(
        12000, "GBP", 12000, disputed=True
    )


@pytest.mark.parametrize(
    "second",
    [error("5"), left(12001), left(5, "EUR"), HttpResponse(500), replied("")],
)
def test_an_answer_about_what_is_left_that_cannot_be_is_none(
    second: HttpResponse,
) -> None:
    assert read(order(), second, asks=True) == PaymentUnreadable(
        "refundable_not_told", untold_in="GBP"
    )


def test_a_dispute_is_told_whatever_else_is_not() -> None:
    assert read(order("CHARGED_BACK")) == PaymentRead(12000, "GBP", disputed=True)


@pytest.mark.parametrize("event", ["CANCELLED", "REFUSED", "EXPIRED", "ERROR"])
def test_of_an_order_that_never_took_money_nothing_is_captured(event: str) -> None:
    assert read(order(event)) == PaymentRead(0, "GBP")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (error("5"), PaymentUnreadable("error_5", missing=True)),
        (error("4"), PaymentUnreadable("error_4", unauthorized=True)),
        (error("1"), PaymentUnreadable("error_1")),
        (HttpResponse(401), PaymentUnreadable("http_401", unauthorized=True)),
        (HttpResponse(200, {}, b""), PaymentUnreadable("not_xml")),
        (order(total=amount("x")), PaymentUnreadable("amount:x GBP")),
    ],
)
def test_a_payment_that_is_not_told_is_unreadable(
    response: HttpResponse, expected: PaymentUnreadable
) -> None:
    assert read(response) == expected
