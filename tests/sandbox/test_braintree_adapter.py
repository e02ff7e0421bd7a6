"""Our adapter speaks to the look-alike; the two were written apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind, SettlementLine
from refundwatch.sandbox.model import Request
from tests.sandbox.braintree import ACCOUNT, SALE, Merchant, NoAnswerError
from tests.sandbox.hands import START
from tests.sandbox.test_braintree import UNSETTLED
from tests.unit.gateways.braintree_talk import SALE_ID

WHOLE: dict[str, Any] = {"amount_minor": 5_000}


@pytest.mark.parametrize("reference", [SALE, SALE_ID])
def test_a_refund_is_heard_and_read_to_its_end(reference: str) -> None:
    merchant = Merchant()
    instruction = merchant.instruction(payment_reference=reference)
    heard = merchant.run(merchant.adapter.refund(instruction))
    assert heard.word is Word.PENDING
    assert heard.evidence.amount_minor == 100
    assert heard.evidence.payment_reference == reference
    merchant.wait(60)
    known = replace(instruction, gateway_reference=heard.evidence.gateway_reference)
    read = merchant.run(merchant.adapter.read_refund(known))
    assert read.matches[0].word is Word.SUCCEEDED
    found = merchant.run(merchant.adapter.look_up(instruction))
    assert found.matches[0].evidence.payment_reference == reference
    assert merchant.executed("rw-000001") == 1


def test_a_part_of_an_unsettled_sale_waits_until_it_settles() -> None:
    merchant = Merchant(settings=UNSETTLED)
    instruction = merchant.instruction()
    waits = merchant.run(merchant.adapter.refund(instruction))
    assert isinstance(waits, contract.NotProcessed)
    merchant.wait(1_050)
    waits = merchant.run(merchant.adapter.refund(instruction))
    assert isinstance(waits, contract.NotProcessed)
    merchant.wait(100)
    heard = merchant.run(merchant.adapter.refund(instruction))
    assert heard.word is Word.PENDING


def test_a_lost_void_is_found_and_a_resend_shows_it() -> None:
    merchant = Merchant(settings=UNSETTLED, dropped_after=1.0)
    instruction = merchant.instruction(**WHOLE)
    operation = merchant.adapter.refund(instruction)
    request = next(operation)
    while not request.moves_money:
        request = operation.send(merchant.exchange(request))
    with pytest.raises(NoAnswerError):
        merchant.exchange(request)
    merchant.world.set_faults("none", {})
    found = merchant.run(merchant.adapter.look_up(instruction))
    assert found.matches[0].word is Word.SUCCEEDED
    again = merchant.run(merchant.adapter.refund(instruction, request))
    assert again.evidence.merchant_reference == "rw-000001"
    assert merchant.executed("rw-000001") == 1


def test_a_void_after_settling_began_is_declined_and_a_new_refund_pays() -> None:
    merchant = Merchant(settings=UNSETTLED)
    merchant.wait(960)
    refused = merchant.run(merchant.adapter.refund(merchant.instruction(**WHOLE)))
    assert refused == contract.RefusedByGateway("915282")
    merchant.wait(200)
    heard = merchant.run(merchant.adapter.refund(merchant.instruction(2, **WHOLE)))
    assert heard.word is Word.PENDING
    merchant.wait(60)
    assert [row.net_minor for row in merchant.rows()] == [5_000]


def test_a_stored_void_that_meets_a_settled_sale_is_one_refund() -> None:
    merchant = Merchant(settings=UNSETTLED)
    instruction = merchant.instruction(**WHOLE)
    operation = merchant.adapter.refund(instruction)
    request = next(operation)
    while not request.moves_money:
        request = operation.send(merchant.exchange(request))
    merchant.wait(1_200)
    first = merchant.run(merchant.adapter.refund(instruction, request))
    assert first.word is Word.PENDING
    merchant.wait(60)
    known = replace(instruction, gateway_reference=first.evidence.gateway_reference)
    read = merchant.run(merchant.adapter.read_refund(known))
    assert read.matches[0].word is Word.SUCCEEDED
    # It inherits the sale's reference, so that no look-up by ours can find it.
    assert read.matches[0].evidence.merchant_reference is None
    assert merchant.executed("rw-000001") == 1


def test_a_look_up_finds_what_was_executed_and_nothing_else() -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        merchant.run(merchant.adapter.refund(merchant.instruction()))
    found = merchant.run(merchant.adapter.look_up(merchant.instruction()))
    assert isinstance(found, contract.Found)
    other = merchant.run(merchant.adapter.look_up(merchant.instruction(2)))
    assert isinstance(other, contract.Absent)


def test_a_cancellation_takes_back_what_has_not_settled() -> None:
    merchant = Merchant()
    heard = merchant.run(merchant.adapter.refund(merchant.instruction()))
    theirs = heard.evidence.gateway_reference
    known = merchant.instruction(gateway_reference=theirs)
    taken = merchant.run(merchant.adapter.cancel(known))
    assert (taken.word, taken.evidence.gateway_reference) == (Word.FAILED, theirs)
    merchant.wait(60)
    assert merchant.executed("rw-000001") == 0
    late = merchant.run(merchant.adapter.refund(merchant.instruction(2)))
    merchant.wait(60)
    theirs = late.evidence.gateway_reference
    known = merchant.instruction(2, gateway_reference=theirs)
    refused = merchant.run(merchant.adapter.cancel(known))
    assert isinstance(refused, contract.RefusedByGateway)


def test_an_account_without_keys_is_served_without_them() -> None:
    merchant = Merchant(settings={"request_keys": 0})
    keyed = merchant.run(merchant.adapter.refund(merchant.instruction()))
    assert keyed == contract.Unauthorized("VALIDATION:915231")
    account = replace(ACCOUNT, settings={"request_keys": "off"})
    merchant.adapter = merchant.adapter.suited(account.settings)
    instruction = merchant.instruction(2, account=account)
    heard = merchant.run(merchant.adapter.refund(instruction))
    assert heard.word is Word.PENDING
    # What is there already is seen before a second order could leave.
    again = merchant.run(merchant.adapter.refund(instruction))
    assert again.evidence.source == "lookup"
    assert len(merchant.rows()) == 1


def test_the_payment_is_read() -> None:
    merchant = Merchant()
    merchant.run(merchant.adapter.refund(merchant.instruction()))
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, SALE, "USD"))
    assert (read.captured_minor, read.refunded_minor) == (5_000, 100)
    gone = merchant.run(merchant.adapter.read_payment(ACCOUNT, "nowhere", "USD"))
    assert gone.missing
    assert merchant.run(merchant.adapter.probe(ACCOUNT)).failure is None


def test_the_days_report_holds_the_refund() -> None:
    merchant = Merchant()
    heard = merchant.run(merchant.adapter.refund(merchant.instruction()))
    merchant.wait(60)
    day = "2026-11-24"
    query = f'{{ report {{ paymentLevelFees(date: "{day}") {{ url }} }} }}'
    url = merchant.ask(query)["data"]["report"]["paymentLevelFees"]["url"]
    reply = merchant.model.handle(Request(method="GET", path=url), merchant.now)
    read = merchant.adapter.read_settlement(ACCOUNT, "fees.csv", [reply.body])
    [line] = list(read)
    assert isinstance(line, SettlementLine)
    assert (line.kind, line.amount_minor) == (LineKind.REFUND, -100)
    assert line.gateway_reference == heard.evidence.gateway_reference
    assert line.merchant_reference == "rw-000001"
    other = query.replace(day, "2026-11-25")
    assert merchant.ask(other)["data"]["report"]["paymentLevelFees"]["url"] is None


@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    merchant = Merchant("hostile", seed=seed, wrong_amount=0.05, fails_late=0.1)
    posts = []
    for number in range(150):
        # A sale is read with all its refunds, so that many sales are quicker than one.
        sale = f"sale{number // 5}"
        if number % 5 == 0:
            merchant.add(sale, method="sepa_direct_debit")
        instruction = merchant.instruction(number, payment_reference=sale)
        try:
            outcome = merchant.run(merchant.adapter.refund(instruction))
        except NoAnswerError:
            outcome = None
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert merchant.executed(instruction.merchant_reference) == 0
            case contract.Unauthorized():
                pytest.fail("nobody changed the keys")
            case _:
                pass
        for post in merchant.wait(3):
            posts.append(post)
            verdict = merchant.received(post)
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(verdict, wanted)
    assert any(post.forged for post in posts)
    assert merchant.now > START
    assert merchant.world.ledger.doubles() == []


@pytest.mark.parametrize(
    ("amount", "currency"), [(7, "EUR"), (500, "JPY"), (1_234, "KWD"), (1_000, "HUF")]
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    merchant = Merchant()
    merchant.add("other", amount * 10, currency=currency)
    instruction = merchant.instruction(
        payment_reference="other", amount_minor=amount, currency=currency
    )
    heard = merchant.run(merchant.adapter.refund(instruction))
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    merchant.wait(60)
    [row] = merchant.rows()
    assert (row.net_minor, row.currency) == (amount, currency)
