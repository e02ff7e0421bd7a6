from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    Found,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.driving import answer, drive, result_of
from tests.unit.gateways.square import (
    PAYMENT_ID,
    SQUARE,
    SQUARE_REFUND,
    money,
    payment,
    refund,
)

GATEWAY = Square()
KNOWN = replace(SQUARE_REFUND, gateway_reference="RFD7")


def asked(named: dict[str, Any], *refunds: dict[str, Any]) -> Any:
    answers = [answer(200, {"payment": named})]
    answers += [answer(200, {"refund": one}) for one in refunds]
    return drive(GATEWAY.look_up(SQUARE_REFUND), *answers)


# --- look-up ----------------------------------------------------------------------


def test_a_refund_with_our_reference_is_found_among_others() -> None:
    named = payment(refund_ids=["RFD1", "RFD2", "RFD3"], refunded_money=money(3150))
    driven = asked(named, refund(1), refund(2, "rw-000001"), refund(3, "rw-000002"))
    assert isinstance(driven.result, Found)
    (match,) = driven.result.matches
    assert (match.word, match.evidence.source) == (Word.SUCCEEDED, "lookup")
    assert match.evidence.gateway_reference == "RFD2"
    assert match.evidence.payment_reference == PAYMENT_ID
    assert [request.target for request in driven.requests] == [
        f"/v2/payments/{PAYMENT_ID}",
        "/v2/refunds/RFD1",
        "/v2/refunds/RFD2",
        "/v2/refunds/RFD3",
    ]


def test_every_match_is_told_and_another_amount_stays_a_match() -> None:
    ours = [refund(n, "rw-000001", amount_money=money(n)) for n in (1, 2)]
    driven = asked(payment(refund_ids=["RFD1", "RFD2"]), *ours)
    assert isinstance(driven.result, Found)
    assert [m.evidence.amount_minor for m in driven.result.matches] == [1, 2]


def test_a_refund_that_is_named_twice_is_one() -> None:
    driven = asked(payment(refund_ids=["RFD1", "RFD1"]), refund(1, "rw-000001"))
    assert isinstance(driven.result, Found)
    assert len(driven.result.matches) == 1


@pytest.mark.parametrize(
    ("named", "refunds"),
    [
        (payment(), []),
        (payment(refund_ids=[]), []),
        (payment(refund_ids=["RFD1"], refunded_money=money(1050)), [refund(1)]),
        (payment(refund_ids=["RFD1"]), [refund(1, "rw-00000")]),
        (payment(refund_ids=["RFD1"]), [refund(1, "RW-000001")]),
        (payment(refund_ids=["RFD1"]), [refund(1, status="FAILED")]),
    ],
)
def test_a_whole_list_without_our_reference_says_absent(
    named: dict[str, Any], refunds: list[dict[str, Any]]
) -> None:
    assert asked(named, *refunds).result == Absent()


@pytest.mark.parametrize(
    ("named", "refunds"),
    [
        (payment(refunded_money=money(1)), []),
        (payment(refund_ids=["RFD1"], refunded_money=money(1051)), [refund(1)]),
        (
            payment(refund_ids=["RFD1"], refunded_money=money(1050)),
            [refund(1, status="FAILED")],
        ),
    ],
)
def test_a_list_that_lags_behind_the_sum_never_says_absent(
    named: dict[str, Any], refunds: list[dict[str, Any]]
) -> None:
    assert asked(named, *refunds).result == LookupFailed("refunds_not_listed")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not_json"),
        ({}, "no_payment_object"),
        ({"payment": payment(id="PAY2")}, "another_payment"),
        ({"payment": payment(refund_ids="RFD1")}, "refund_ids"),
        ({"payment": payment(refund_ids=["../payments"])}, "refund_ids"),
        ({"payment": payment(refund_ids=[7])}, "refund_ids"),
        ({"payment": payment(refund_ids=["R"] * 101)}, "listing_too_long"),
        ({"payment": payment(refunded_money=money("1"))}, "amount:1 EUR"),
        ({"payment": payment(refunded_money=money(-1))}, "refunded_money"),
    ],
)
def test_a_payment_that_does_not_name_its_refunds_never_says_absent(
    body: Any, reason: str
) -> None:
    result = result_of(GATEWAY.look_up(SQUARE_REFUND), answer(200, body))
    assert result == LookupFailed(reason)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, {"errors": [{"code": "NOT_FOUND"}]}, "http_404:NOT_FOUND"),
        (500, b"", "http_500"),
        (200, {}, "no_refund_object"),
        (200, {"refund": refund(2)}, "another_refund"),
        (
            200,
            {"refund": refund(1), "errors": [{"code": "API_ERROR"}]},
            "http_200:API_ERROR",
        ),
    ],
)
def test_one_refund_that_was_not_read_never_says_absent(
    status: int, body: Any, reason: str
) -> None:
    result = result_of(
        GATEWAY.look_up(SQUARE_REFUND),
        answer(200, {"payment": payment(refund_ids=["RFD1"])}),
        answer(status, body),
    )
    assert result == LookupFailed(reason)


def test_a_look_up_that_is_limited_or_refused_says_so() -> None:
    limited = result_of(
        GATEWAY.look_up(SQUARE_REFUND), answer(429, b"", retry_after="4")
    )
    assert limited == LookupFailed("http_429", 4)
    refused = result_of(GATEWAY.look_up(SQUARE_REFUND), answer(401, b""))
    assert refused == LookupFailed("http_401", unauthorized=True)


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_read_by_the_gateways_reference() -> None:
    body = {"refund": refund(7, "rw-000001", status="FAILED")}
    result = result_of(GATEWAY.read_refund(KNOWN), answer(200, body))
    assert isinstance(result, Found)
    assert result.matches[0].word is Word.FAILED
    assert result.matches[0].evidence.source == "poll"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"refund": refund(8)}, "another_refund"),
        (200, {"refund": {"id": "RFD7"}}, "missing_status"),
        (200, b"", "not_json"),
        (404, b"", "http_404"),
    ],
)
def test_a_refund_that_was_not_read_says_nothing(
    status: int, body: object, reason: str
) -> None:
    result = result_of(GATEWAY.read_refund(KNOWN), answer(status, body))
    assert result == LookupFailed(reason)


def test_a_refund_without_a_gateway_reference_cannot_be_read() -> None:
    result = result_of(GATEWAY.read_refund(SQUARE_REFUND))
    assert result == LookupFailed("no_gateway_reference")


# --- payments ---------------------------------------------------------------------


def read(**changes: Any) -> PaymentRead | PaymentUnreadable:
    body = {"payment": payment(**changes)}
    operation = GATEWAY.read_payment(SQUARE, PAYMENT_ID, "EUR")
    return result_of(operation, answer(200, body))


def test_the_limit_is_the_total_with_tip_and_no_field_means_no_refund() -> None:
    assert read() == PaymentRead(5_000, "EUR", 0)
    assert read(refunded_money=money(1_200)) == PaymentRead(5_000, "EUR", 1_200)


@pytest.mark.parametrize("status", ["APPROVED", "CANCELED", "FAILED"])
def test_what_was_not_completed_captured_nothing(status: str) -> None:
    assert read(status=status) == PaymentRead(0, "EUR", 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "PENDING"}, "payment_status:PENDING"),
        ({"status": "ESCHEATED"}, "payment_status:ESCHEATED"),
        ({"status": None}, "payment_status:null"),
        ({"total_money": None}, "no_total_money"),
        ({"total_money": money(5000.5)}, "amount:5000.5 EUR"),
        ({"refunded_money": money(1, "USD")}, "refunded_in_another_currency"),
        ({"refunded_money": money(None)}, "refunded_money"),
    ],
)
def test_a_payment_that_does_not_tell_is_unreadable(
    changes: dict[str, Any], reason: str
) -> None:
    assert read(**changes) == PaymentUnreadable(reason)


def test_a_payment_nobody_knows_is_missing() -> None:
    operation = GATEWAY.read_payment(SQUARE, PAYMENT_ID, "EUR")
    body = {"errors": [{"code": "NOT_FOUND"}]}
    assert result_of(operation, answer(404, body)) == PaymentUnreadable(
        "http_404:NOT_FOUND", missing=True
    )
