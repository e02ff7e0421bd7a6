from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    LookupFailed,
    PaymentRead,
    PaymentUnreadable,
)
from refundwatch.gateways.mollie import facts
from tests.unit.gateways.driving import NOW, answer, drive, result_of
from tests.unit.gateways.mollie_hand import (
    GATEWAY,
    GOOD,
    KNOWN,
    MOLLIE,
    MOLLIE_REFUND,
    PAYMENT,
    REFUND_ID,
    error,
    listed,
    page,
    payment,
    refund,
)

# --- look-up ----------------------------------------------------------------------


def test_a_refund_with_our_reference_is_found_on_a_later_page() -> None:
    first = answer(200, page(refund(1), refund(2, "rw-other"), after="re_3"))
    second = answer(200, page(refund(3, "rw-000001", status="refunded")))
    driven = drive(GATEWAY.look_up(MOLLIE_REFUND), first, second)
    (match,) = driven.result.matches
    assert match.word is Word.SUCCEEDED
    assert match.evidence.source == "lookup"
    targets = [urlsplit(request.target) for request in driven.requests]
    # The link's host and path are not followed, only its place.
    assert {target.path for target in targets} == {f"/v2/payments/{PAYMENT}/refunds"}
    assert [parse_qs(target.query) for target in targets] == [
        {"limit": ["250"]},
        {"limit": ["250"], "from": ["re_3"]},
    ]


def test_every_refund_that_bears_our_reference_is_told() -> None:
    both = listed(refund(1, "rw-000001"), refund(2, "rw-000001"))
    assert len(result_of(GATEWAY.look_up(MOLLIE_REFUND), both).matches) == 2


def test_absence_is_told_of_a_list_that_was_read_whole() -> None:
    assert result_of(GATEWAY.look_up(MOLLIE_REFUND), listed(refund(1))) == Absent()
    assert result_of(GATEWAY.look_up(MOLLIE_REFUND), listed()) == Absent()


def without(*way: str) -> dict[str, Any]:
    found = page(refund(1))
    *path, last = way
    target = found
    for step in path:
        target = target[step]
    del target[last]
    return found


@pytest.mark.parametrize(
    "body",
    [
        without("count"),
        without("_embedded"),
        without("_links"),
        without("_links", "next"),
        page(refund(1)) | {"count": 2},
        page({"resource": "payment"}),
        page("x"),
        page(after="../payments"),
        page() | {"_links": {"next": {"href": "https://x/?from=re_1&from=re_2"}}},
        page() | {"_links": {"next": {"href": "https://[/?from=re_1"}}},
        page() | {"_links": {"next": {"href": ""}}},
        page() | {"_links": {"next": 7}},
    ],
    ids=range(12),
)
def test_a_page_that_may_not_be_whole_proves_no_absence(body: Any) -> None:
    result = result_of(GATEWAY.look_up(MOLLIE_REFUND), answer(200, body))
    assert isinstance(result, LookupFailed)


def test_a_list_that_turns_in_circles_is_left() -> None:
    circle = [answer(200, page(after=name)) for name in ("re_1", "re_2", "re_1")]
    result = result_of(GATEWAY.look_up(MOLLIE_REFUND), *circle)
    assert result == LookupFailed("listing_stuck")


def test_a_list_without_end_is_left() -> None:
    pages = [
        answer(200, page(after=f"re_{number}")) for number in range(facts.MAX_PAGES)
    ]
    result = result_of(GATEWAY.look_up(MOLLIE_REFUND), *pages)
    assert result == LookupFailed("listing_too_long")


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_list_that_is_not_answered_fails(status: int) -> None:
    result = result_of(GATEWAY.look_up(MOLLIE_REFUND), error(status))
    assert result == LookupFailed(f"http_{status}", unauthorized=status == 401)


def test_a_payment_that_is_no_id_is_not_asked_about() -> None:
    odd = replace(KNOWN, payment_reference="../x")
    assert isinstance(result_of(GATEWAY.look_up(odd)), LookupFailed)
    assert isinstance(result_of(GATEWAY.read_refund(odd)), LookupFailed)
    read = result_of(GATEWAY.read_payment(MOLLIE, "../x", "EUR"))
    assert read == PaymentUnreadable("payment_reference_unusable", missing=True)


# --- one refund -------------------------------------------------------------------


def test_a_refund_is_read_by_its_id() -> None:
    (found,) = result_of(GATEWAY.read_refund(KNOWN), answer(200, GOOD)).matches
    assert (found.word, found.evidence.source) == (Word.PENDING, "poll")
    other = answer(200, GOOD | {"id": "re_other"})
    assert result_of(GATEWAY.read_refund(KNOWN), other) == LookupFailed(
        "another_refund"
    )


def test_a_refund_that_is_gone_is_looked_for_in_the_list() -> None:
    told = listed(refund(1), refund(2, id=REFUND_ID, status="canceled"))
    (found,) = result_of(GATEWAY.read_refund(KNOWN), error(404), told).matches
    assert (found.word, found.evidence.raw_status) == (Word.FAILED, "canceled")
    nowhere = result_of(GATEWAY.read_refund(KNOWN), error(404), listed(refund(1)))
    assert nowhere == Absent()
    unread = result_of(GATEWAY.read_refund(KNOWN), error(404), error(500))
    assert unread == LookupFailed("http_500")


def test_a_refund_that_is_gone_for_hours_goes_to_people() -> None:
    def polled(seconds: int) -> Any:
        asked_at = NOW + timedelta(seconds=seconds)
        one = replace(KNOWN, accepted_at=NOW, asked_at=asked_at)
        return result_of(GATEWAY.read_refund(one), error(404), listed(refund(1)))

    assert polled(facts.GONE_SECONDS) == Absent()
    (gone,) = polled(facts.GONE_SECONDS + 1).matches
    assert (gone.word, gone.evidence.raw_status) == (Word.UNSEEN, "gone")
    assert gone.evidence.gateway_reference == REFUND_ID


def test_a_refund_that_mollie_did_not_name_is_not_read() -> None:
    result = result_of(GATEWAY.read_refund(MOLLIE_REFUND))
    assert result == LookupFailed("no_gateway_reference")


# --- payments ---------------------------------------------------------------------


def read(body: object, status: int = 200) -> Any:
    return result_of(GATEWAY.read_payment(MOLLIE, PAYMENT, "EUR"), answer(status, body))


def euros(value: str) -> dict[str, str]:
    return {"currency": "EUR", "value": value}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, PaymentRead(5000, "EUR", 1050)),
        ({"amountRefunded": None}, PaymentRead(5000, "EUR", None)),
        ({"amountCaptured": euros("20.00")}, PaymentRead(2000, "EUR", 1050)),
        (
            {"amountChargedBack": euros("50.00")},
            PaymentRead(5000, "EUR", 1050, disputed=True),
        ),
        ({"amountChargedBack": euros("0.00")}, PaymentRead(5000, "EUR", 1050)),
        (
            {"status": "authorized", "amountRefunded": euros("0.00")},
            PaymentRead(0, "EUR", 0),
        ),
        ({"status": "open", "amountRefunded": None}, PaymentRead(0, "EUR", None)),
    ],
    ids=range(7),
)
def test_a_payment_is_read(changes: Any, expected: PaymentRead) -> None:
    assert read(payment(**changes)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": "order"},
        {"id": "tr_other"},
        {"mode": "live"},
        {"status": "thawed"},
        {"amount": None},
        {"amount": euros("50.001")},
        {"amountRefunded": euros("x")},
        {"amountRefunded": {"currency": "USD", "value": "1.00"}},
        {"amountRefunded": euros("-1.00")},
        {"amountCaptured": euros("-1.00")},
    ],
    ids=str,
)
def test_a_payment_that_is_not_understood_is_not_read(changes: Any) -> None:
    unread = read(payment(**changes))
    assert isinstance(unread, PaymentUnreadable)
    assert not unread.missing


def test_a_payment_of_another_mode_or_profile_is_missing() -> None:
    assert read({}, 404).missing
    assert read({}, 403).unauthorized
