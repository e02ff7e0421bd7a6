"""The adapter and the look-alike of Authorize.Net, written apart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind, SettlementLine
from tests.sandbox.authorizenet import (
    ACCOUNT,
    KEY,
    SALE,
    Merchant,
    NoAnswerError,
    reference,
)

UNSETTLED = {"sale_settles_seconds": 600.0}


def ordered(merchant: Merchant, told: contract.RefundInstruction) -> Any:
    return merchant.run(merchant.adapter.refund(told))


def prepared(
    merchant: Merchant, told: contract.RefundInstruction
) -> contract.HttpRequest:
    """Give the order that the adapter would send, after its reads."""
    operation = merchant.adapter.refund(told)
    request = next(operation)
    while not request.moves_money:
        request = operation.send(merchant.exchange(request))
    operation.close()
    return request


def executed(merchant: Merchant, number: int) -> int:
    return sum(row.merchant_reference == reference(number) for row in merchant.rows())


def test_a_refund_is_accepted_and_paid_out_with_its_batch() -> None:
    merchant = Merchant()
    heard = ordered(merchant, merchant.instruction())
    assert heard.word is Word.PENDING
    known = merchant.instruction(gateway_reference=heard.evidence.gateway_reference)
    [waits] = merchant.run(merchant.adapter.read_refund(known)).matches
    assert (waits.word, waits.evidence.amount_minor) == (Word.PENDING, 100)
    merchant.wait(300)
    [paid] = merchant.run(merchant.adapter.read_refund(known)).matches
    assert paid.word is Word.SUCCEEDED
    assert paid.evidence.merchant_reference == reference(1)
    assert paid.evidence.payment_reference == SALE
    assert [row.net_minor for row in merchant.rows()] == [100]


@pytest.mark.parametrize("settled", [False, True])
def test_a_look_up_finds_what_was_executed_and_nothing_else(settled: bool) -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant, merchant.instruction())
    merchant.model.external_refund(SALE, 100, merchant.now, "by hand")
    if settled:
        merchant.wait(900)
    found = merchant.run(merchant.adapter.look_up(merchant.instruction()))
    [heard] = found.matches
    assert heard.word is (Word.SUCCEEDED if settled else Word.PENDING)
    assert heard.evidence.amount_minor == 100
    other = merchant.run(merchant.adapter.look_up(merchant.instruction(2)))
    assert other == contract.Absent()


def test_a_look_up_walks_every_page_and_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refundwatch.gateways.authorizenet.building.PAGE", 2)
    merchant = Merchant()
    for number in range(9):
        ordered(merchant, merchant.instruction(number))
        merchant.wait(100)
    for number in range(9):
        asked = merchant.instruction(
            number, created_at=merchant.moment - timedelta(hours=1)
        )
        found = merchant.run(merchant.adapter.look_up(asked))
        assert isinstance(found, contract.Found)
        assert len(found.matches) == 1
    none = merchant.run(merchant.adapter.look_up(merchant.instruction(77)))
    assert none == contract.Absent()


def test_a_resend_is_recognised_and_its_twin_adopted() -> None:
    merchant = Merchant()
    told = merchant.instruction()
    stored = prepared(merchant, told)
    first = merchant.run(merchant.adapter.refund(told, stored))
    outcomes = [merchant.run(merchant.adapter.refund(told, stored)) for _ in range(20)]
    assert executed(merchant, 1) == 1
    assert contract.Unsure("duplicate", replayed=True) in outcomes
    adopted = [one for one in outcomes if isinstance(one, contract.Heard)]
    assert adopted
    assert {one.evidence.gateway_reference for one in adopted} == {
        first.evidence.gateway_reference
    }
    # As long as the protocol may rely on it, and no longer.
    merchant.now += 7 * 3600
    merchant.run(merchant.adapter.refund(told, stored))
    assert executed(merchant, 1) == 1
    merchant.now += 3600
    merchant.run(merchant.adapter.refund(told, stored))
    assert executed(merchant, 1) == 2


def test_two_refunds_of_one_amount_are_two() -> None:
    merchant = Merchant()
    for number in (1, 2):
        assert ordered(merchant, merchant.instruction(number)).word is Word.PENDING
    assert len(merchant.rows()) == 2


# --- voids ------------------------------------------------------------------------


def test_all_of_an_unsettled_sale_is_voided_and_a_part_waits() -> None:
    merchant = Merchant(settings=UNSETTLED)
    part = ordered(merchant, merchant.instruction())
    assert isinstance(part, contract.NotProcessed)
    heard = ordered(merchant, merchant.instruction(amount_minor=5_000))
    assert heard.word is Word.SUCCEEDED
    [row] = merchant.rows()
    assert (row.net_minor, row.refund_id) == (5_000, SALE)
    held = ordered(merchant, merchant.instruction(2))
    assert held == contract.RefusedByGateway("sale_voided")


def test_a_void_without_an_answer_is_found_by_its_sale() -> None:
    merchant = Merchant(settings=UNSETTLED, dropped_after=1.0)
    told = merchant.instruction(amount_minor=5_000)
    with pytest.raises(NoAnswerError):
        ordered(merchant, told)
    [heard] = merchant.run(merchant.adapter.look_up(told)).matches
    assert (heard.word, heard.evidence.gateway_reference) == (Word.SUCCEEDED, SALE)
    known = replace(told, gateway_reference=SALE)
    [again] = merchant.run(merchant.adapter.read_refund(known)).matches
    assert again.word is Word.SUCCEEDED


def test_a_void_that_is_sent_again_gives_back_once() -> None:
    merchant = Merchant(settings=UNSETTLED)
    told = merchant.instruction(amount_minor=5_000)
    stored = prepared(merchant, told)
    for _ in range(2):
        heard = merchant.run(merchant.adapter.refund(told, stored))
        assert heard.word is Word.SUCCEEDED
    assert len(merchant.rows()) == 1


def test_a_void_that_comes_after_the_batch_is_refused() -> None:
    merchant = Merchant(settings=UNSETTLED)
    told = merchant.instruction(amount_minor=5_000)
    stored = prepared(merchant, told)
    merchant.now += 600
    late = merchant.run(merchant.adapter.refund(told, stored))
    assert late == contract.RefusedByGateway("16")
    assert merchant.rows() == []


def test_a_refund_of_a_sale_that_shows_settled_too_early_waits() -> None:
    merchant = Merchant()
    told = merchant.instruction()
    stored = prepared(merchant, told)
    early = Merchant(settings=UNSETTLED)
    outcome = early.run(early.adapter.refund(told, stored))
    assert outcome == contract.NotProcessed("sale_capturedPendingSettlement", 3600)


def test_a_refund_is_taken_back_before_its_batch_and_not_after() -> None:
    merchant = Merchant()
    heard = ordered(merchant, merchant.instruction())
    known = merchant.instruction(gateway_reference=heard.evidence.gateway_reference)
    taken = merchant.run(merchant.adapter.cancel(known))
    assert taken.word is Word.FAILED
    [gone] = merchant.run(merchant.adapter.read_refund(known)).matches
    assert gone.word is Word.FAILED
    other = ordered(merchant, merchant.instruction(2))
    merchant.wait(600)
    late = merchant.instruction(2, gateway_reference=other.evidence.gateway_reference)
    assert merchant.run(merchant.adapter.cancel(late)) == contract.RefusedByGateway(
        "16"
    )
    assert sum(row.net_minor for row in merchant.rows()) == 100


# --- reads ------------------------------------------------------------------------


def test_the_sale_is_read_and_a_bank_account_refunded() -> None:
    merchant = Merchant()
    merchant.add("9", method="echeck")
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, "9", "USD"))
    assert read == contract.PaymentRead(5_000, "USD")
    heard = ordered(merchant, merchant.instruction(payment_reference="9"))
    assert heard.word is Word.PENDING
    missing = merchant.run(merchant.adapter.read_payment(ACCOUNT, "1", "USD"))
    assert missing == contract.PaymentUnreadable("E00040", missing=True)


@pytest.mark.parametrize("reporting", [0, 1])
def test_the_probe_is_content(reporting: int) -> None:
    merchant = Merchant(settings={"reporting": reporting})
    assert merchant.run(merchant.adapter.probe(ACCOUNT)).failure is None
    outcome = ordered(merchant, merchant.instruction())
    wanted = contract.Heard if reporting else contract.Unauthorized
    assert isinstance(outcome, wanted)


def test_every_refund_of_a_batch_is_in_the_settlement() -> None:
    merchant = Merchant(settings={"sale_settles_seconds": 10.0})
    merchant.now += 20
    for number in range(3):
        ordered(merchant, merchant.instruction(number))
    merchant.wait(300)
    lines: list[Any] = []
    for batch in merchant.call("getSettledBatchListRequest")["batchList"]:
        page = merchant.call("getTransactionListRequest", batchId=batch["batchId"])
        content = [json.dumps(page).encode()]
        lines += merchant.adapter.read_settlement(ACCOUNT, "page", content)
    assert all(isinstance(line, SettlementLine) for line in lines)
    refunds = [line for line in lines if line.kind is LineKind.REFUND]
    assert {line.gateway_reference for line in refunds} == {
        row.refund_id for row in merchant.rows()
    }
    assert {line.amount_minor for line in refunds} == {-100}
    sales = [line for line in lines if line.kind is LineKind.PAYMENT]
    assert [line.amount_minor for line in sales] == [5_000]


# --- webhooks ---------------------------------------------------------------------


def test_webhooks_are_believed_and_say_what_is_true() -> None:
    merchant = Merchant()
    ordered(merchant, merchant.instruction())
    merchant.model.external_refund(SALE, 77, merchant.now, "by hand")
    told: list[contract.GatewayEvent] = []
    for post in merchant.wait(30):
        verdict = merchant.received(post)
        assert isinstance(verdict, contract.Received)
        told += verdict.events
    ours, strange = sorted(told, key=lambda event: event.payment_reference or "")
    assert ours.hint
    assert ours.evidence is not None
    assert ours.evidence.merchant_reference == reference(1)
    assert strange.payment_reference == SALE
    assert strange.evidence is not None
    assert strange.evidence.amount_minor == 77


def test_a_void_by_hand_is_told_as_the_whole_sale() -> None:
    merchant = Merchant(settings=UNSETTLED)
    merchant.model.external_refund(SALE, 5_000, merchant.now)
    [post] = merchant.wait(30)
    verdict = merchant.received(post)
    assert isinstance(verdict, contract.Received)
    [event] = verdict.events
    assert (event.word, event.payment_reference) == (Word.SUCCEEDED, SALE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [{}, {"sale_settles_seconds": 10_000.0}])
def test_in_a_storm_no_answer_is_read_against_the_truth(
    seed: int, settings: dict[str, float]
) -> None:
    merchant = Merchant("hostile", seed=seed, settings=settings, wrong_amount=0.05)
    for number in range(150):
        sale_id = str(70_000_000_000 + number)
        merchant.add(sale_id, 100)
        told = merchant.instruction(number, payment_reference=sale_id)
        try:
            outcome = ordered(merchant, told)
        except NoAnswerError:
            outcome = None
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert executed(merchant, number) == 0
            case contract.Unauthorized():
                assert executed(merchant, number) == 0
            case contract.Heard():
                assert executed(merchant, number) == 1
            case _:
                pass
        for post in merchant.wait(2):
            try:
                verdict = merchant.received(post)
            except NoAnswerError:
                continue
            if post.forged:
                assert isinstance(verdict, contract.Forged)
            else:
                assert not isinstance(verdict, contract.Forged)
    assert merchant.world.ledger.doubles() == []
    assert KEY not in repr(merchant.world.config)
