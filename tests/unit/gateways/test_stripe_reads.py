from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.stripe import facts
from refundwatch.gateways.stripe.adapter import Stripe
from tests.unit.gateways.driving import (
    STRIPE,
    STRIPE_REFUND,
    answer,
    drive,
    result_of,
)

GATEWAY = Stripe()
KNOWN = replace(STRIPE_REFUND, gateway_reference="re_7")


def refund(number: int, reference: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"re_{number}",
        "object": "refund",
        "amount": 1050,
        "currency": "eur",
        "payment_intent": "pi_3RwTest0001",
        "charge": "ch_1",
        "metadata": {"rw_id": reference} if reference else {},
        "status": "succeeded",
    } | changes


def page(*refunds: object, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(refunds), "has_more": has_more}


# --- look-up ----------------------------------------------------------------------


def test_a_refund_with_our_reference_is_found_among_others() -> None:
    listed = page(refund(1), refund(2, "rw-000001"), refund(3, "rw-000002"))
    driven = drive(GATEWAY.look_up(STRIPE_REFUND), answer(200, listed))
    assert isinstance(driven.result, Found)
    (match,) = driven.result.matches
    assert match.word is Word.SUCCEEDED
    assert match.evidence.source == "lookup"
    assert match.evidence.gateway_reference == "re_2"
    assert match.evidence.payment_reference == "pi_3RwTest0001"
    query = parse_qs(urlsplit(driven.requests[0].target).query)
    assert query == {"payment_intent": ["pi_3RwTest0001"], "limit": ["100"]}


def test_every_page_is_read_and_every_match_is_told() -> None:
    driven = drive(
        GATEWAY.look_up(replace(STRIPE_REFUND, payment_reference="ch_1")),
        answer(200, page(refund(1, "rw-000001"), refund(2), has_more=True)),
        answer(200, page(refund(3, "rw-000001"))),
    )
    assert isinstance(driven.result, Found)
    assert [m.evidence.gateway_reference for m in driven.result.matches] == [
        "re_1",
        "re_3",
    ]
    query = parse_qs(urlsplit(driven.requests[1].target).query)
    assert query == {"charge": ["ch_1"], "limit": ["100"], "starting_after": ["re_2"]}


@pytest.mark.parametrize(
    "listed",
    [
        page(),
        page(refund(1)),
        page(refund(1, "rw-00000")),
        page(refund(1, "RW-000001")),
    ],
)
def test_a_whole_list_without_our_reference_says_absent(
    listed: dict[str, Any],
) -> None:
    assert result_of(GATEWAY.look_up(STRIPE_REFUND), answer(200, listed)) == Absent()


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"data": []}, "no_list_object"),
        ({"has_more": False}, "no_list_object"),
        ({"data": {}, "has_more": False}, "no_list_object"),
        (page("re_1"), "no_refund_object"),
        (page(refund(1, id=None)), "missing_id"),
        (page(has_more=True), "listing_stuck"),
        (b"{", "not_json"),
    ],
)
def test_a_list_that_is_not_whole_never_says_absent(listed: Any, reason: str) -> None:
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), answer(200, listed))
    assert result == LookupFailed(reason)


def test_a_cursor_that_does_not_move_ends_the_look_up() -> None:
    same = answer(200, page(refund(1), has_more=True))
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), same, same)
    assert result == LookupFailed("listing_stuck")


def test_an_endless_list_ends_the_look_up() -> None:
    pages = [
        answer(200, page(refund(n), has_more=True)) for n in range(facts.MAX_PAGES)
    ]
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), *pages)
    assert result == LookupFailed("listing_too_long")


def test_an_unanswered_second_page_never_says_absent() -> None:
    result = result_of(
        GATEWAY.look_up(STRIPE_REFUND),
        answer(200, page(refund(1), has_more=True)),
        answer(429, b"", retry_after="4"),
    )
    assert result == LookupFailed("http_429", 4)


@pytest.mark.parametrize("status", [401, 403])
def test_a_look_up_without_permission_says_so(status: int) -> None:
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), answer(status, b""))
    assert result == LookupFailed(f"http_{status}", unauthorized=True)


def test_a_payment_nobody_knows_is_no_absence() -> None:
    result = result_of(GATEWAY.look_up(STRIPE_REFUND), answer(404, b""))
    assert result == LookupFailed("http_404")


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_read_by_the_gateways_reference() -> None:
    result = result_of(
        GATEWAY.read_refund(KNOWN), answer(200, refund(7, status="failed"))
    )
    assert isinstance(result, Found)
    assert result.matches[0].word is Word.FAILED
    assert result.matches[0].evidence.source == "poll"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, refund(8), "another_refund"),
        (200, {"object": "refund"}, "missing_id"),
        (200, b"", "not_json"),
        (404, b"", "http_404"),
        (500, b"", "http_500"),
    ],
)
def test_a_refund_that_was_not_read_says_nothing(
    status: int, body: object, reason: str
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), answer(status, body))
    assert result == LookupFailed(reason)


def test_a_refund_without_a_gateway_reference_cannot_be_read() -> None:
    result = result_of(GATEWAY.read_refund(STRIPE_REFUND))
    assert result == LookupFailed("no_gateway_reference")


# --- the payment ------------------------------------------------------------------

CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 5000,
    "amount_captured": 4000,
    "amount_refunded": 1050,
    "captured": True,
    "currency": "eur",
    "disputed": False,
    "livemode": False,
    "refunded": False,
    "status": "succeeded",
}
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 5000,
    "amount_received": 4000,
    "currency": "eur",
    "livemode": False,
    "status": "succeeded",
    "latest_charge": CHARGE,
}
READ = PaymentRead(4000, "EUR", refunded_minor=1050)


def test_a_charge_tells_captured_and_refunded() -> None:
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    assert result_of(operation, answer(200, CHARGE)) == READ


def test_a_payment_intent_tells_by_its_expanded_charge() -> None:
    driven = drive(GATEWAY.read_payment(STRIPE, "pi_1", "EUR"), answer(200, INTENT))
    assert driven.result == READ
    query = parse_qs(urlsplit(driven.requests[0].target).query)
    assert query == {"expand[]": ["latest_charge"]}


def test_a_charge_that_was_not_expanded_is_asked_for() -> None:
    driven = drive(
        GATEWAY.read_payment(STRIPE, "pi_1", "EUR"),
        answer(200, INTENT | {"latest_charge": "ch_1"}),
        answer(200, CHARGE),
    )
    assert driven.result == READ
    assert driven.requests[1].target == "/v1/charges/ch_1"


def test_a_payment_intent_nobody_paid_has_captured_nothing() -> None:
    unpaid = INTENT | {"latest_charge": None, "amount_received": 0}
    operation = GATEWAY.read_payment(STRIPE, "pi_1", "EUR")
    assert result_of(operation, answer(200, unpaid)) == PaymentRead(
        0, "EUR", refunded_minor=0
    )


def test_a_failed_charge_has_captured_nothing() -> None:
    failed = CHARGE | {"status": "failed", "amount_refunded": 0}
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    assert result_of(operation, answer(200, failed)) == PaymentRead(
        0, "EUR", refunded_minor=0
    )


def test_a_disputed_charge_says_so() -> None:
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    read = result_of(operation, answer(200, CHARGE | {"disputed": True}))
    assert isinstance(read, PaymentRead)
    assert read.disputed


def test_payment_amounts_are_restated_in_iso_minor_units() -> None:
    isk = CHARGE | {"currency": "isk", "amount_captured": 500, "amount_refunded": 100}
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "ISK")
    assert result_of(operation, answer(200, isk)) == PaymentRead(
        5, "ISK", refunded_minor=1
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"livemode": True}, "livemode"),
        ({"object": "refund"}, "no_charge_object"),
        ({"amount_captured": None}, "no_captured_amount"),
        ({"amount_captured": 40.5}, "amount:40.5 EUR"),
        ({"amount_refunded": "0"}, "amount:0 EUR"),
        ({"currency": "isk"}, "amount:1050 ISK"),
    ],
)
def test_a_charge_that_does_not_tell_is_unreadable(
    changes: dict[str, Any], reason: str
) -> None:
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    result = result_of(operation, answer(200, CHARGE | changes))
    assert result == PaymentUnreadable(reason)


UNTOLD = {k: v for k, v in CHARGE.items() if k != "amount_captured"} | {
    "amount_refunded": 0
}


@pytest.mark.parametrize(
    ("changes", "untold"),
    [
        ({}, True),
        ({"amount_captured": None}, False),
        ({"amount_refunded": 1}, False),
        ({"captured": False}, False),
        ({"disputed": True}, False),
        ({"status": "pending"}, False),
    ],
)
def test_only_an_untouched_charge_without_the_field_is_left_to_our_word(
    changes: dict[str, Any], untold: bool
) -> None:
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    result = result_of(operation, answer(200, UNTOLD | changes))
    currency = "EUR" if untold else None
    assert result == PaymentUnreadable("no_captured_amount", untold_in=currency)


def test_a_charge_left_to_our_word_still_tells_its_currency() -> None:
    operation = GATEWAY.read_payment(STRIPE, "ch_1", "EUR")
    result = result_of(operation, answer(200, UNTOLD | {"currency": "jpy"}))
    assert result == PaymentUnreadable("no_captured_amount", untold_in="JPY")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object": "charge"}, "no_payment_intent_object"),
        ({"latest_charge": None}, "no_charge"),
        ({"latest_charge": None, "amount_received": 0, "livemode": True}, "livemode"),
        ({"latest_charge": "../x"}, "no_charge"),
    ],
)
def test_a_payment_intent_that_does_not_tell_is_unreadable(
    changes: dict[str, Any], reason: str
) -> None:
    operation = GATEWAY.read_payment(STRIPE, "pi_1", "EUR")
    result = result_of(operation, answer(200, INTENT | changes))
    assert result == PaymentUnreadable(reason)


@pytest.mark.parametrize("reference", ["pi_1", "ch_1"])
def test_a_payment_nobody_knows_is_missing(reference: str) -> None:
    operation = GATEWAY.read_payment(STRIPE, reference, "EUR")
    assert result_of(operation, answer(404, b"")) == PaymentUnreadable(
        "http_404", missing=True
    )
