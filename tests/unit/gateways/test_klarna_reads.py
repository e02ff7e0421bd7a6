from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
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
from tests.unit.gateways.driving import NOW, answer, drive, result_of
from tests.unit.gateways.klarna import (
    GATEWAY,
    KLARNA,
    KLARNA_REFUND,
    KNOWN,
    ORDER,
    ORDER_ID,
    REFUND,
    REFUND_ID,
    error,
    order,
)


def looked_up(response: HttpResponse) -> Any:
    return result_of(GATEWAY.look_up(KLARNA_REFUND), response)


def test_every_refund_with_our_reference_is_found() -> None:
    second = REFUND | {"refund_id": "second", "refunded_amount": 1}
    external = REFUND | {"refund_id": "portal", "reference": None}
    found = looked_up(order(REFUND, external, second))
    assert isinstance(found, Found)
    assert [one.evidence.gateway_reference for one in found.matches] == [
        REFUND_ID,
        "second",
    ]
    assert {one.word for one in found.matches} == {Word.SUCCEEDED}
    assert {one.evidence.currency for one in found.matches} == {"SEK"}


@pytest.mark.parametrize(
    "refunds",
    [
        (),
        (REFUND | {"reference": "rw-000999"},),
        ({k: v for k, v in REFUND.items() if k != "reference"},),
    ],
)
def test_a_whole_list_without_our_reference_is_an_absence(
    refunds: tuple[dict[str, Any], ...],
) -> None:
    assert looked_up(order(*refunds)) == Absent()


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (answer(200, b"<html>"), LookupFailed("not_json")),
        (order(order_id="another"), LookupFailed("another_order")),
        (answer(200, ORDER | {"refunds": None}), LookupFailed("no_refund_list")),
        (
            answer(200, {k: v for k, v in ORDER.items() if k != "refunds"}),
            LookupFailed("no_refund_list"),
        ),
        (order({"refunded_amount": 1}), LookupFailed("missing_refund_id")),
        (order({"refund_id": "r"}), LookupFailed("no_refunded_amount")),
        (error(404, "NO_SUCH_ORDER"), LookupFailed("http_404:NO_SUCH_ORDER")),
        (answer(403, b"<html>"), LookupFailed("edge")),
        (
            error(401, "UNAUTHORIZED"),
            LookupFailed("http_401:UNAUTHORIZED", unauthorized=True),
        ),
        (
            error(403, "FORBIDDEN"),
            LookupFailed("http_403:FORBIDDEN", unauthorized=True),
        ),
        (answer(429, b"", x_ratelimit_reset="2"), LookupFailed("http_429", 2)),
        (answer(503, b""), LookupFailed("http_503")),
    ],
)
def test_a_question_that_was_not_answered_proves_no_absence(
    response: HttpResponse, failure: LookupFailed
) -> None:
    assert looked_up(response) == failure
    assert result_of(GATEWAY.read_refund(KNOWN), response) == failure


def test_a_refund_is_read_by_its_id() -> None:
    other = REFUND | {"refund_id": "other", "refunded_amount": 1}
    found = result_of(GATEWAY.read_refund(KNOWN), order(other, REFUND))
    assert isinstance(found, Found)
    [match] = found.matches
    assert match.evidence.amount_minor == 5950
    assert match.evidence.source == "poll"


@pytest.mark.parametrize(
    ("waited", "expected"),
    [
        (None, LookupFailed("not_listed_yet")),
        (120, LookupFailed("not_listed_yet")),
        (-500, LookupFailed("not_listed_yet")),
        (121, Absent()),
    ],
)
def test_a_booked_refund_that_is_not_listed_is_late_or_else_missing(
    waited: int | None, expected: object
) -> None:
    accepted_at = None if waited is None else NOW - timedelta(seconds=waited)
    asked = replace(KNOWN, accepted_at=accepted_at, asked_at=NOW)
    assert result_of(GATEWAY.read_refund(asked), order()) == expected


@pytest.mark.parametrize(
    "operation",
    [
        GATEWAY.look_up(replace(KNOWN, payment_reference="a/b")),
        GATEWAY.read_refund(replace(KNOWN, payment_reference="a/b")),
        GATEWAY.read_refund(KLARNA_REFUND),
    ],
)
def test_what_cannot_stand_in_a_path_asks_nothing(operation: Any) -> None:
    driven = drive(operation)
    assert isinstance(driven.result, LookupFailed)
    assert driven.requests == ()


def paid(response: HttpResponse) -> Any:
    return result_of(GATEWAY.read_payment(KLARNA, ORDER_ID, "SEK"), response)


def test_an_order_says_what_was_captured_and_given_back() -> None:
    assert paid(order(REFUND)) == PaymentRead(12000, "SEK", 5950)
    assert paid(order(status="AUTHORIZED", captured_amount=0, refunded_amount=0)) == (
        PaymentRead(0, "SEK", 0)
    )
    part = order(status="PART_CAPTURED", captured_amount=500, refunded_amount=None)
    assert paid(part) == PaymentRead(500, "SEK", None)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (order(status="IN_DISPUTE"), PaymentUnreadable("order_status:IN_DISPUTE")),
        (order(status=None), PaymentUnreadable("order_status:null")),
        (order(captured_amount=None), PaymentUnreadable("no_captured_amount")),
        (order(captured_amount="1"), PaymentUnreadable("amount:1 SEK")),
        (order(refunded_amount=1.5), PaymentUnreadable("amount:1.5 SEK")),
        (order(purchase_currency="JPY"), PaymentUnreadable("amount:12000 JPY")),
        (order(order_id="x"), PaymentUnreadable("another_order")),
        (answer(200, b"[]"), PaymentUnreadable("not_an_object")),
        (
            error(404, "NO_SUCH_ORDER"),
            PaymentUnreadable("http_404:NO_SUCH_ORDER", missing=True),
        ),
        (answer(404, b"<html>"), PaymentUnreadable("http_404")),
        (answer(403, b"<html>"), PaymentUnreadable("edge")),
        (
            error(401, "UNAUTHORIZED"),
            PaymentUnreadable("http_401:UNAUTHORIZED", unauthorized=True),
        ),
        (answer(500, b""), PaymentUnreadable("http_500")),
    ],
)
def test_an_order_that_does_not_tell_is_unreadable(
    response: HttpResponse, expected: PaymentUnreadable
) -> None:
    assert paid(response) == expected


def test_a_reference_that_is_no_id_is_no_order() -> None:
    driven = drive(GATEWAY.read_payment(KLARNA, "..", "SEK"))
    assert driven.result == PaymentUnreadable(
        "payment_reference_unusable", missing=True
    )
    assert driven.requests == ()


PAYOUTS = answer(200, {"payouts": [], "pagination": {"count": 0}})
HIDDEN = error(403, "ACCESS_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ((PAYOUTS,), ProbeResult()),
        ((HIDDEN, error(404, "NO_SUCH_ORDER")), ProbeResult()),
        (
            (HIDDEN, error(401, "UNAUTHORIZED")),
            ProbeResult("http_401:UNAUTHORIZED", unauthorized=True),
        ),
        ((HIDDEN, answer(404, b"<html>")), ProbeResult("http_404")),
        ((HIDDEN, answer(200, ORDER)), ProbeResult("http_200")),
        ((answer(200, b"{}"),), ProbeResult("no_payouts")),
        ((answer(200, b"<html>"),), ProbeResult("no_payouts")),
        ((answer(403, b"<html>"),), ProbeResult("edge")),
        (
            (error(401, "UNAUTHORIZED"),),
            ProbeResult("http_401:UNAUTHORIZED", unauthorized=True),
        ),
        ((answer(503, b""),), ProbeResult("http_503")),
    ],
)
def test_a_probe_proves_the_credentials(
    responses: tuple[HttpResponse, ...], expected: ProbeResult
) -> None:
    driven = drive(GATEWAY.probe(KLARNA), *responses)
    assert driven.result == expected
    assert len(driven.requests) == len(responses)


def test_a_booked_refund_cannot_be_taken_back() -> None:
    driven = drive(GATEWAY.cancel(KNOWN))
    assert driven.result == NotOffered()
    assert driven.requests == ()
