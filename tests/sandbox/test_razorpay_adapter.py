"""The adapter and the look-alike of Razorpay, written apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind, SettlementLine
from tests.sandbox.razorpay import ACCOUNT, PAYMENT_ID, Merchant, NoAnswerError
from tests.unit.gateways.driving import NOW
from tests.unit.gateways.razorpay import RAZORPAY_REFUND


def instruction(number: int = 1, **changes: Any) -> contract.RefundInstruction:
    plain = replace(
        RAZORPAY_REFUND,
        account=ACCOUNT,
        payment_reference=PAYMENT_ID,
        merchant_reference=f"rw-{number:06d}",
        idempotency_key=f"{number:032d}",
        amount_minor=100,
    )
    return replace(plain, **changes)


def ordered(merchant: Merchant, told: contract.RefundInstruction) -> Any:
    return merchant.run(merchant.adapter.refund(told))


def executed(merchant: Merchant, reference: str) -> int:
    rows = merchant.rows()
    return sum(row.executed for row in rows if row.merchant_reference == reference)


def received(merchant: Merchant, post: Any) -> Any:
    headers = {name.lower(): value for name, value in post.headers}
    delivery = contract.RawDelivery(headers, post.body)
    return merchant.run(
        merchant.adapter.receive(ACCOUNT, delivery, ("rzp_sandbox",), NOW)
    )


def test_a_refund_is_accepted_and_its_events_speak_of_it() -> None:
    merchant = Merchant(pending_first=1.0)
    heard = ordered(merchant, instruction())
    assert heard.word is Word.PENDING
    posts = merchant.wait(3_600)
    told = [event for post in posts for event in received(merchant, post).events]
    assert {event.word for event in told} == {Word.PENDING, Word.SUCCEEDED}
    assert {event.evidence.merchant_reference for event in told} == {"rw-000001"}
    assert executed(merchant, "rw-000001") == 1


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(100, "INR"), (500, "JPY"), (1_230, "KWD"), (1_050, "EUR"), (7, "ISK")],
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    merchant = Merchant()
    merchant.add("pay_other", amount * 10, currency=currency)
    told = instruction(
        payment_reference="pay_other", amount_minor=amount, currency=currency
    )
    evidence = ordered(merchant, told).evidence
    assert (evidence.amount_minor, evidence.currency) == (amount, currency)
    [row] = merchant.rows()
    assert (row.net_minor, row.currency) == (amount, currency)


def test_an_answer_without_status_is_accepted_and_read_to_its_end() -> None:
    merchant = Merchant(sparse_answer=1.0)
    heard = ordered(merchant, instruction())
    assert (heard.word, heard.evidence.raw_status) == (Word.PENDING, "no_status")
    known = instruction(gateway_reference=heard.evidence.gateway_reference)
    found = merchant.run(merchant.adapter.read_refund(known))
    assert [one.word for one in found.matches] == [Word.SUCCEEDED]


def test_a_look_up_finds_what_was_executed_and_nothing_else() -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant, instruction())
    merchant.model.external_refund(PAYMENT_ID, 50, merchant.now)
    found = merchant.run(merchant.adapter.look_up(instruction()))
    assert [one.word for one in found.matches] == [Word.SUCCEEDED]
    other = merchant.run(merchant.adapter.look_up(instruction(2)))
    assert other == contract.Absent()
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, PAYMENT_ID, "INR"))
    assert read == contract.PaymentRead(50_000, "INR", 150)
    merchant.add("pay_new")
    new = merchant.run(merchant.adapter.read_payment(ACCOUNT, "pay_new", "INR"))
    assert new == contract.PaymentRead(50_000, "INR", 0)


def test_a_used_key_and_a_used_receipt_prove_nothing() -> None:
    merchant = Merchant()
    ordered(merchant, instruction())
    other = ordered(merchant, instruction(amount_minor=200))
    assert other == contract.Unsure("key_used_before", replayed=True)
    receipt = ordered(merchant, instruction(idempotency_key="x" * 32))
    assert receipt == contract.Unsure("receipt_used_before", replayed=True)


def test_the_probe_tells_a_wrong_address_from_a_good_one() -> None:
    merchant = Merchant()
    assert merchant.run(merchant.adapter.probe(ACCOUNT)).failure is None
    shut = Merchant(settings={"address_allowed": 0})
    assert shut.run(shut.adapter.probe(ACCOUNT)).unauthorized


def test_every_refund_is_in_the_settlement() -> None:
    merchant = Merchant()
    for number in range(3):
        ordered(merchant, instruction(number))
    merchant.now += 60
    day = datetime.fromtimestamp(merchant.now, UTC) + timedelta(days=1)
    target = "/v1/settlements/recon/combined"
    query = f"?year={day.year}&month={day.month}&count=1000"
    content = merchant.send("GET", target + query).body
    lines = list(merchant.adapter.read_settlement(ACCOUNT, "f", [content]))
    refunds = [
        line
        for line in lines
        if isinstance(line, SettlementLine) and line.kind is LineKind.REFUND
    ]
    booked = {(row.refund_id, row.merchant_reference) for row in merchant.rows()}
    told = {(line.gateway_reference, line.merchant_reference) for line in refunds}
    assert told == booked
    assert {line.amount_minor for line in refunds} == {-100}


@pytest.mark.parametrize("guard", ["none", "refuse", "return"])
def test_in_a_storm_no_answer_is_read_against_the_truth(guard: str) -> None:
    settings = {"receipt_guard": guard}
    merchant = Merchant("hostile", len(guard), settings, wrong_amount=0.05)
    merchant.add("pay_storm", 100_000_000)
    forged = 0
    for number in range(250):
        told = instruction(number, payment_reference="pay_storm")
        reference = told.merchant_reference
        try:
            outcome = ordered(merchant, told)
        except NoAnswerError:
            outcome = None
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert executed(merchant, reference) == 0
            case contract.Unauthorized():
                pytest.fail("the credentials are good")
            case contract.Heard(word=Word.SUCCEEDED):
                assert executed(merchant, reference) == 1
            case _:
                pass
        for post in merchant.wait(2):
            forged += post.forged
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(received(merchant, post), wanted)
    assert forged
    assert merchant.world.ledger.doubles() == []


@pytest.mark.parametrize("guard", ["none", "refuse"])
def test_in_a_storm_a_resend_with_the_same_key_pays_each_once(guard: str) -> None:
    settings = {"receipt_guard": guard}
    merchant = Merchant("hostile", 3, settings, refusal=0.0, stored_error=0.0)
    merchant.add("pay_storm", 100_000_000)
    for number in range(120):
        told = instruction(number, payment_reference="pay_storm")
        for _ in range(20):
            try:
                outcome = ordered(merchant, told)
            except NoAnswerError:
                outcome = None
            merchant.wait(30)
            if isinstance(outcome, contract.Heard):
                break
    merchant.wait(20_000)
    assert merchant.world.ledger.doubles() == []
    assert len(merchant.rows()) == 120
