from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.authorizenet import building, facts, lookup
from refundwatch.gateways.contract import Absent, Found, LookupFailed
from tests.unit.gateways.anet import (
    ANET_REFUND,
    GATEWAY,
    GOOD,
    KNOWN,
    OURS,
    REFUND_ID,
    SALE_ID,
    answer,
    batches,
    content_of,
    enveloped,
    listed,
    refund_details,
    row,
    sale,
)
from tests.unit.gateways.driving import NOW, Drive, drive, result_of

WHOLE = replace(ANET_REFUND, amount_minor=5000)
TODAY = "Fri, 20 Nov 2026 12:00:00 GMT"


def looked(*responses: Any, instruction: Any = ANET_REFUND) -> Drive:
    return drive(GATEWAY.look_up(instruction), *responses)


# --- finding ----------------------------------------------------------------------


def test_a_refund_before_its_batch_is_found_by_its_invoice_number() -> None:
    driven = looked(sale(), listed(row("1", "shop-1"), row()), refund_details())
    (heard,) = driven.result.matches
    assert heard.word is Word.PENDING
    assert heard.evidence.gateway_reference == REFUND_ID
    assert heard.evidence.merchant_reference == OURS
    assert heard.evidence.payment_reference == SALE_ID
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (1250, "USD")
    names = [content_of(request)[0] for request in driven.requests]
    assert names == [
        "getTransactionDetailsRequest",
        "getUnsettledTransactionListRequest",
        "getTransactionDetailsRequest",
    ]
    assert not any(request.moves_money for request in driven.requests)


def test_a_refund_in_a_batch_is_found_where_it_settled_since() -> None:
    driven = looked(
        sale(),
        listed(),
        batches("71", "72", date=TODAY),
        listed(row("1", None)),
        listed(row()),
        refund_details("refundSettledSuccessfully"),
    )
    (heard,) = driven.result.matches
    assert heard.word is Word.SUCCEEDED
    asked = [content_of(request)[1] for request in driven.requests]
    assert (asked[3]["batchId"], asked[4]["batchId"]) == ("71", "72")


def test_a_refund_in_no_list_is_absent_as_of_now() -> None:
    assert looked(sale(), listed(), batches()).result == Absent()
    assert looked(sale(), listed(), batches("7"), listed()).result == Absent()


def test_the_void_of_the_whole_sale_is_the_refund_of_it() -> None:
    driven = looked(sale("voided", settleAmount=0.0), instruction=WHOLE)
    (heard,) = driven.result.matches
    assert heard.word is Word.SUCCEEDED
    assert heard.evidence.gateway_reference == SALE_ID
    assert heard.evidence.amount_minor == 5000


def test_a_void_of_the_whole_is_no_refund_of_a_part() -> None:
    assert looked(sale("voided"), listed(), batches()).result == Absent()


def test_both_of_two_refunds_under_one_reference_are_told() -> None:
    other = "60190000124"
    driven = looked(
        sale(),
        listed(row(), row(other)),
        refund_details(),
        refund_details(transId=other),
    )
    references = [one.evidence.gateway_reference for one in driven.result.matches]
    assert references == [REFUND_ID, other]


def test_one_that_moved_nothing_does_not_hide_one_that_did() -> None:
    other = "60190000124"
    driven = looked(
        sale(),
        listed(row(), row(other)),
        refund_details("generalError"),
        refund_details(transId=other),
    )
    (heard,) = driven.result.matches
    assert heard.evidence.gateway_reference == other
    alone = looked(sale(), listed(row()), refund_details("declined")).result
    assert alone.matches[0].word is Word.FAILED


def test_a_sale_under_the_same_number_is_no_refund() -> None:
    driven = looked(
        sale(), listed(row("7")), sale(transId="7", order={"invoiceNumber": OURS})
    )
    assert driven.result == Absent()


# --- walking ----------------------------------------------------------------------


def page(start: int, size: int = building.PAGE) -> Any:
    return listed(*(row(str(start + n), None) for n in range(size)))


def test_a_long_list_is_read_to_its_end() -> None:
    driven = looked(sale(), page(1000), page(2000), listed(row()), refund_details())
    assert isinstance(driven.result, Found)
    pages = [content_of(request)[1] for request in driven.requests[1:4]]
    assert [one["paging"]["offset"] for one in pages] == [1, 2, 3]
    assert {one["paging"]["limit"] for one in pages} == {building.PAGE}


def test_a_list_that_overlaps_is_read_on_and_found_in_once() -> None:
    """Were the offset one of transactions, pages would only move by one."""
    ours = [row(), *(row(str(1000 + n), None) for n in range(building.PAGE - 1))]
    moved = [*ours[1:], row("5000", None)]
    driven = looked(
        sale(), listed(*ours), listed(*moved), listed(*moved[2:]), refund_details()
    )
    assert len(driven.result.matches) == 1


def test_a_list_that_does_not_move_proves_nothing() -> None:
    stuck = looked(sale(), page(1000), page(1000)).result
    assert stuck == LookupFailed("list_stands_still")


def test_a_list_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_MOST_PAGES", 2)
    monkeypatch.setattr(building, "PAGE", 1)
    result = looked(sale(), listed(row("1", None)), listed(row("2", None))).result
    assert result == LookupFailed("list_too_long")


def test_too_many_batches_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_MOST_BATCHES", 1)
    result = looked(sale(), listed(), batches("1", "2")).result
    assert result == LookupFailed("too_many_batches")


def test_batches_are_asked_for_from_before_the_refund_was_made() -> None:
    driven = looked(sale(), listed(), batches(date=TODAY))
    _, asked = content_of(driven.requests[2])
    assert asked == {
        "firstSettlementDate": "2026-11-19T11:55:00Z",
        "lastSettlementDate": "2026-12-19T11:55:00Z",
    }


def test_an_old_refund_is_looked_for_in_every_month_since() -> None:
    old = replace(ANET_REFUND, created_at=NOW - timedelta(days=70))
    driven = looked(
        sale(),
        listed(),
        batches("1", date=TODAY),
        batches("2", date=TODAY),
        batches("2", "3", date=TODAY),
        *[listed()] * 3,
        instruction=old,
    )
    assert driven.result == Absent()
    starts = [
        content_of(request)[1]["firstSettlementDate"][:10]
        for request in driven.requests[2:5]
    ]
    assert starts == ["2026-09-10", "2026-10-10", "2026-11-09"]


def test_a_clock_of_the_far_future_ends_the_search_all_the_same() -> None:
    far = "Fri, 20 Nov 2099 12:00:00 GMT"
    driven = looked(sale(), listed(), *[batches(date=far)] * 13)
    assert driven.result == Absent()


def test_without_a_beginning_nothing_is_absent() -> None:
    bare = replace(ANET_REFUND, created_at=None)
    assert looked(sale(), listed(), instruction=bare).result == LookupFailed(
        "no_beginning"
    )


# --- answers that prove nothing ---------------------------------------------------


@pytest.mark.parametrize(
    "responses",
    [
        (enveloped("E00040"),),
        (sale(), enveloped("E00053")),
        (sale(), listed(), answer(b"", 500)),
        (sale(), listed(), batches("7"), answer(b"{")),
        (sale(), listed(row()), enveloped("E00040")),
        (sale(), answer({"transactions": {}, "messages": GOOD})),
        (sale(), answer({"transactions": [{}], "messages": GOOD})),
        (sale(), answer({"transactions": [7], "messages": GOOD})),
        (sale(), listed(), answer({"batchList": [{}], "messages": GOOD})),
        (sale(), listed(row("x"))),
        (sale(), answer({"transactions": [row()]})),
    ],
)
def test_what_was_not_read_whole_proves_nothing(responses: Any) -> None:
    assert isinstance(looked(*responses).result, LookupFailed)


def test_a_record_that_is_not_there_yet_is_no_fault_of_the_connection() -> None:
    lags = result_of(GATEWAY.read_refund(KNOWN), enveloped("E00040"))
    assert lags == LookupFailed("E00040", unknown_there=True)
    busy = result_of(GATEWAY.read_refund(KNOWN), enveloped("E00053"))
    assert busy == LookupFailed("E00053")


def test_a_missing_permission_is_told_as_one() -> None:
    failed = looked(enveloped("E00011")).result
    assert failed == LookupFailed("E00011", unauthorized=True)


def test_a_payment_that_is_no_transaction_is_not_asked_for() -> None:
    odd = replace(ANET_REFUND, payment_reference="pi_1")
    assert isinstance(result_of(GATEWAY.look_up(odd)), LookupFailed)


# --- reading one ------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(facts.WORDS))
def test_every_status_of_a_refund_has_its_word(status: str) -> None:
    found = result_of(GATEWAY.read_refund(KNOWN), refund_details(status))
    assert isinstance(found, Found)
    (heard,) = found.matches
    assert heard.word is facts.WORDS[status]
    flagged = status in facts.NEEDS_ACTION | facts.UNCLEAR
    assert heard.evidence.requires_action is flagged
    assert heard.evidence.raw_status == status
    failed = heard.word in {Word.FAILED, Word.REVERSED}
    assert heard.evidence.failure_code == (status if failed else None)


@pytest.mark.parametrize("status", ["brandNew", None, 7])
def test_an_unseen_status_of_a_refund_goes_to_people(status: Any) -> None:
    found = result_of(
        GATEWAY.read_refund(KNOWN), refund_details(transactionStatus=status)
    )
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.UNSEEN


@pytest.mark.parametrize("amount", [12.5, "12.50", "12.5000", "012.5"])
def test_an_amount_is_exact_however_it_is_written(amount: Any) -> None:
    found = result_of(GATEWAY.read_refund(KNOWN), refund_details(settleAmount=amount))
    assert isinstance(found, Found)
    assert found.matches[0].evidence.amount_minor == 1250


@pytest.mark.parametrize("amount", [12.505, "12,50", "1e2", True, [], "x" * 90])
def test_an_amount_that_is_none_goes_to_people(amount: Any) -> None:
    found = result_of(GATEWAY.read_refund(KNOWN), refund_details(settleAmount=amount))
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.UNSEEN
    assert found.matches[0].evidence.amount_minor is None


def test_a_void_is_read_by_its_sale() -> None:
    void = replace(WHOLE, gateway_reference=SALE_ID)
    found = result_of(GATEWAY.read_refund(void), sale("voided"))
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.SUCCEEDED
    unseen = result_of(GATEWAY.read_refund(void), sale("capturedPendingSettlement"))
    assert unseen == LookupFailed("not_a_refund")


@pytest.mark.parametrize(
    "response",
    [
        refund_details(transId="60190000999"),
        refund_details(transactionType="creditSomething"),
        enveloped("E00040"),
        answer({"messages": GOOD}),
        answer(b"", 404),
    ],
)
def test_another_transaction_says_nothing_about_ours(response: Any) -> None:
    assert isinstance(result_of(GATEWAY.read_refund(KNOWN), response), LookupFailed)


def test_a_refund_without_a_reference_is_not_asked_for() -> None:
    assert isinstance(result_of(GATEWAY.read_refund(ANET_REFUND)), LookupFailed)
