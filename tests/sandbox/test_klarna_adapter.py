"""The adapter and the look-alike of Klarna, written apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.idempotency import derive_key
from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind, SettlementLine
from tests.sandbox.klarna import ACCOUNT, ORDER_ID, Merchant, NoAnswerError
from tests.unit.gateways.driving import NOW
from tests.unit.gateways.klarna import KLARNA_REFUND


def instruction(number: int = 1, **changes: Any) -> contract.RefundInstruction:
    plain = replace(
        KLARNA_REFUND,
        account=ACCOUNT,
        payment_reference=ORDER_ID,
        merchant_reference=f"rw-{number:06d}",
        idempotency_key=derive_key("i", "klarna", ORDER_ID, str(number), 0),
        amount_minor=100,
    )
    return replace(plain, **changes)


def ordered(merchant: Merchant, told: contract.RefundInstruction) -> Any:
    return merchant.run(merchant.adapter.refund(told))


def executed(merchant: Merchant, reference: str) -> int:
    rows = merchant.rows()
    return sum(row.executed for row in rows if row.merchant_reference == reference)


@pytest.mark.parametrize("sparse", [0.0, 1.0])
def test_a_refund_is_paid_out_with_its_amount_whatever_its_headers(
    sparse: float,
) -> None:
    merchant = Merchant(sparse_answer=sparse)
    for number in range(8):
        heard = ordered(merchant, instruction(number))
        assert isinstance(heard, contract.Heard)
        assert heard.word is Word.SUCCEEDED
        assert heard.evidence.amount_minor == 100
        assert heard.evidence.currency == "SEK"


def test_the_same_key_with_another_amount_is_no_success_of_ours() -> None:
    merchant = Merchant()
    ordered(merchant, instruction())
    heard = ordered(merchant, instruction(amount_minor=4_000))
    assert heard.evidence.amount_minor == 100
    [row] = merchant.rows()
    assert row.net_minor == 100


def test_a_booking_that_lags_is_accepted_and_later_paid_out() -> None:
    merchant = Merchant(lookup_lags=1.0)
    heard = ordered(merchant, instruction())
    assert heard.word is Word.PENDING
    known = instruction(gateway_reference=heard.evidence.gateway_reference)
    early = merchant.run(merchant.adapter.read_refund(known))
    assert early == contract.LookupFailed("not_listed_yet")
    merchant.now += 60
    found = merchant.run(merchant.adapter.read_refund(known))
    assert [one.word for one in found.matches] == [Word.SUCCEEDED]


def test_a_look_up_finds_what_was_executed_and_nothing_else() -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant, instruction())
    merchant.model.external_refund(ORDER_ID, 50, merchant.now)
    found = merchant.run(merchant.adapter.look_up(instruction()))
    assert [one.evidence.amount_minor for one in found.matches] == [100]
    other = merchant.run(merchant.adapter.look_up(instruction(2)))
    assert other == contract.Absent()
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, ORDER_ID, "SEK"))
    assert read == contract.PaymentRead(5_000, "SEK", 150)


@pytest.mark.parametrize("permission", [0, 1])
def test_the_probe_is_content_with_and_without_settlements(permission: int) -> None:
    merchant = Merchant(settings={"settlement_permission": permission})
    assert merchant.run(merchant.adapter.probe(ACCOUNT)).failure is None


@pytest.mark.parametrize(
    "target",
    ["/settlements/v1/transactions?size=500", None],
    ids=["page", "report"],
)
def test_every_booking_is_in_the_settlement(target: str | None) -> None:
    merchant = Merchant()
    for number in range(3):
        ordered(merchant, instruction(number))
    merchant.now += 60
    if target is None:
        [payout] = merchant.get("/settlements/v1/payouts")["payouts"]
        name = payout["payment_reference"]
        way = "/settlements/v1/reports/payout-with-transactions"
        target = f"{way}?payment_reference={name}"
    content = merchant.send("GET", target).body
    lines = list(merchant.adapter.read_settlement(ACCOUNT, "f", [content]))
    assert all(isinstance(line, SettlementLine) for line in lines)
    refunds = [
        line
        for line in lines
        if isinstance(line, SettlementLine) and line.kind is LineKind.REFUND
    ]
    booked = {(row.refund_id, row.merchant_reference) for row in merchant.rows()}
    told = {(line.gateway_reference, line.merchant_reference) for line in refunds}
    assert told == booked
    assert {line.amount_minor for line in refunds} == {-100}


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    merchant = Merchant("hostile", seed, {"network": "eu1"}, wrong_amount=0.05)
    merchant.add("storm", 100_000_000)
    forged = 0
    for number in range(200):
        told = instruction(number, payment_reference="storm")
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
            case contract.Heard(evidence=evidence):
                assert executed(merchant, reference) == 1
                assert evidence.gateway_reference in {
                    row.refund_id for row in merchant.rows()
                }
            case _:
                pass
        for post in merchant.wait(2):
            forged += post.forged
            headers = {name.lower(): value for name, value in post.headers}
            delivery = contract.RawDelivery(headers, post.body)
            keys = ("kl_signing_sandbox",)
            verdict = merchant.run(
                merchant.adapter.receive(ACCOUNT, delivery, keys, NOW)
            )
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(verdict, wanted)
    assert forged
    assert merchant.world.ledger.doubles() == []


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_a_resend_with_the_same_key_pays_each_once(seed: int) -> None:
    merchant = Merchant("hostile", seed, refusal=0.0, stored_error=0.0)
    merchant.add("storm", 100_000_000)
    for number in range(120):
        told = instruction(number, payment_reference="storm")
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
    assert sum(row.executed for row in merchant.rows()) == 120
