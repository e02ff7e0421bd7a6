from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    Absent,
    Found,
    HttpResponse,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from tests.unit.gateways.checkout import (
    ACTION,
    ACTION_ID,
    CAPTURE,
    CHECKOUT,
    CHECKOUT_REFUND,
    KNOWN,
    PAYMENT_ID,
    READ,
    action,
    authorized,
    balances,
    payment,
)
from tests.unit.gateways.driving import answer, drive, result_of

GATEWAY = Checkout()


def looked_up(listed: Any, *more: HttpResponse) -> Any:
    return result_of(GATEWAY.look_up(CHECKOUT_REFUND), answer(200, listed), *more)


# --- look-ups ---------------------------------------------------------------------


def test_every_action_with_our_reference_is_found() -> None:
    listed = [action(1, "rw-000001"), action(2, "rw-000002"), ACTION, CAPTURE]
    found = looked_up(listed)
    assert isinstance(found, Found)
    assert [one.evidence.gateway_reference for one in found.matches] == [
        "act_1",
        ACTION_ID,
    ]


@pytest.mark.parametrize("kind", ["Capture", "Authorization", "Payout", "Return"])
def test_what_gives_nothing_back_is_never_our_refund(kind: str) -> None:
    listed = [action(1, "rw-000001", type=kind)]
    back = payment(balances=balances(captured=5_000))
    assert looked_up(listed, answer(200, back)) == Absent()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"approved": True}, Word.SUCCEEDED),
        ({"approved": False, "response_code": "30000"}, Word.FAILED),
        ({"approved": None}, Word.PENDING),
        ({"approved": "true"}, Word.UNSEEN),
        ({"approved": 1}, Word.UNSEEN),
        # A word and a code that deny each other.
        ({"approved": True, "response_code": "20005"}, Word.UNSEEN),
        ({"approved": False, "response_code": "10000"}, Word.UNSEEN),
        ({"approved": True, "response_code": None}, Word.SUCCEEDED),
        ({"amount": "1050"}, Word.UNSEEN),
        ({"amount": 10.5}, Word.UNSEEN),
        ({"amount": None}, Word.SUCCEEDED),
    ],
)
def test_an_action_counts_by_its_approval(changes: dict[str, Any], word: Word) -> None:
    found = looked_up([ACTION | changes, CAPTURE])
    assert isinstance(found, Found)
    assert found.matches[0].word is word
    assert found.matches[0].evidence.currency is None


def test_another_amount_is_told_as_it_is() -> None:
    found = looked_up([ACTION | {"amount": 1051}])
    assert found.matches[0].evidence.amount_minor == 1051


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        ([CAPTURE], payment()),
        ([action(1, "rw-2"), CAPTURE], payment(balances=balances(refunded=1_050))),
        # Accepted and not counted yet by the payment.
        ([action(1, "rw-2"), CAPTURE], payment()),
        ([action(1, None, approved=False, amount="x")], payment()),
        ([action(1, None, type="Return")], payment(balances=balances(refunded=1_050))),
        ([CAPTURE], payment(balances=None)),
        # What is left of a partial capture is voided by the gateway itself.
        ([CAPTURE], payment(balances=balances(captured=3_000, total_voided=2_000))),
        ([CAPTURE], authorized()),
    ],
)
def test_a_whole_list_without_ours_is_an_absence(
    listed: list[Any], read: dict[str, Any]
) -> None:
    assert looked_up(listed, answer(200, read)) == Absent()


@pytest.mark.parametrize(
    ("listed", "read", "reason"),
    [
        # The payment knows of a refund that the list does not show yet.
        ([CAPTURE], payment(balances=balances(refunded=1)), "refunds_not_listed"),
        (
            [action(1, "rw-2", approved=False), CAPTURE],
            payment(balances=balances(refunded=1_050)),
            "refunds_not_listed",
        ),
        (
            [CAPTURE],
            authorized(balances=balances(captured=0, total_voided=5_000)),
            "refunds_not_listed",
        ),
        ([action(1, "rw-2", amount="x")], payment(), "no_action_amount"),
        ([CAPTURE], payment(id="pay_other"), "another_payment"),
    ],
)
def test_a_list_that_may_lack_something_proves_no_absence(
    listed: list[Any], read: dict[str, Any], reason: str
) -> None:
    assert looked_up(listed, answer(200, read)) == LookupFailed(reason)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ([], "no_action_list"),
        ({}, "no_action_list"),
        ([ACTION, "x"], "no_action_object"),
        ([ACTION, {"type": "Refund"}], "missing_id"),
        ([ACTION, {"id": "act_1"}], "missing_type"),
    ],
)
def test_what_is_no_list_of_actions_answers_nothing(listed: Any, reason: str) -> None:
    assert looked_up(listed) == LookupFailed(reason)


def test_a_look_up_that_is_not_answered_says_so() -> None:
    look_up = GATEWAY.look_up(CHECKOUT_REFUND)
    assert result_of(look_up, answer(401, b"")) == LookupFailed(
        "http_401", unauthorized=True
    )
    limited = looked_up([CAPTURE], answer(429, b"", retry_after="2"))
    assert limited == LookupFailed("http_429", 2)


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_read_out_of_the_list_by_its_id() -> None:
    driven = drive(GATEWAY.read_refund(KNOWN), answer(200, [action(1), ACTION]))
    assert isinstance(driven.result, Found)
    [heard] = driven.result.matches
    assert heard.evidence.gateway_reference == ACTION_ID
    assert (heard.evidence.source, heard.word) == ("poll", Word.SUCCEEDED)


def test_the_id_of_another_refund_shows_whose_it_is() -> None:
    found = result_of(
        GATEWAY.read_refund(KNOWN),
        answer(200, [ACTION | {"reference": "rw-999999"}]),
    )
    assert isinstance(found, Found)
    assert found.matches[0].evidence.merchant_reference == "rw-999999"


def test_the_id_of_no_refund_is_unseen() -> None:
    found = result_of(
        GATEWAY.read_refund(KNOWN), answer(200, [CAPTURE | {"id": ACTION_ID}])
    )
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.UNSEEN


def test_not_listed_yet_is_no_absence() -> None:
    read = result_of(GATEWAY.read_refund(KNOWN), answer(200, [CAPTURE]))
    assert read == LookupFailed("not_listed_yet")


# --- payments ---------------------------------------------------------------------


def payment_read(response: HttpResponse) -> Any:
    return result_of(GATEWAY.read_payment(CHECKOUT, PAYMENT_ID, "EUR"), response)


@pytest.mark.parametrize(
    ("read", "captured", "refunded"),
    [
        (payment(), 5_000, 0),
        (
            payment("Partially Refunded", balances=balances(refunded=1_050)),
            5_000,
            1_050,
        ),
        (payment("Partially Captured", balances=balances(captured=3_000)), 3_000, 0),
        (payment("Something New", balances=balances(refunded=7)), 5_000, 7),
        # What was not captured is given back by giving up the whole.
        (authorized(), 5_000, 0),
        (
            payment("Voided", balances=balances(captured=0, total_voided=5_000)),
            5_000,
            5_000,
        ),
        (payment("Declined", balances=balances(captured=0)), 0, 0),
        (payment("Expired", balances=balances(captured=0)), 0, 0),
        (payment(balances=None), 5_000, 0),
        (payment(balances={"total_captured": 5_000}), 5_000, 0),
    ],
)
def test_a_payment_says_what_was_taken_and_given_back(
    read: dict[str, Any], captured: int, refunded: int
) -> None:
    assert payment_read(answer(200, read)) == PaymentRead(captured, "EUR", refunded)


@pytest.mark.parametrize(
    ("response", "unreadable"),
    [
        (answer(404, b""), PaymentUnreadable("http_404", missing=True)),
        (answer(401, b""), PaymentUnreadable("http_401", unauthorized=True)),
        (answer(500, b""), PaymentUnreadable("http_500")),
        (answer(200, payment(id="pay_2")), PaymentUnreadable("another_payment")),
        (
            answer(200, payment("Pending", balances=balances(captured=0))),
            PaymentUnreadable("payment_status:Pending"),
        ),
        (
            answer(200, payment("Partially Refunded", balances=None)),
            PaymentUnreadable("no_balances"),
        ),
        (
            answer(200, payment(balances=balances() | {"total_refunded": -1})),
            PaymentRead(5_000, "EUR", 0),
        ),
        (answer(200, payment(currency="eur")), PaymentUnreadable("amount:5000 eur")),
        (answer(200, []), PaymentUnreadable("not_an_object")),
    ],
)
def test_a_payment_that_says_less_is_not_guessed(
    response: HttpResponse, unreadable: object
) -> None:
    assert payment_read(response) == unreadable


def test_an_amount_in_full_units_is_restated() -> None:
    read = payment(currency="CLP", balances=balances(captured=120_000, refunded=100))
    assert payment_read(answer(200, read)) == PaymentRead(1_200, "CLP", 1)
    assert payment_read(READ).currency == "EUR"
