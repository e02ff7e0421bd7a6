"""The adapter and the look-alike of Cybersource, written apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.transport import AiohttpTransport
from refundwatch.domain.idempotency import derive_key
from refundwatch.domain.refund import Word
from refundwatch.flow.exchange import drive
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways import contract
from refundwatch.gateways.cybersource.adapter import Cybersource
from refundwatch.gateways.settlement import LineKind, SettlementLine
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.running import running_sandbox
from tests.sandbox.cybersource import (
    ACCOUNT,
    CAPTURE,
    CHECK,
    CREDENTIALS,
    PLAIN,
    SALE,
    SIGNING,
    Merchant,
    NoAnswerError,
)
from tests.unit.gateways.cybersource_making import ORDER

STORM = "7000000000000000000077"


def instruction(number: int = 1, **changes: Any) -> contract.RefundInstruction:
    plain = replace(
        ORDER,
        account=ACCOUNT,
        payment_reference=CAPTURE,
        merchant_reference=f"rw-{number:06d}",
        idempotency_key=derive_key("i", "cybersource", CAPTURE, str(number), 0),
        amount_minor=100,
        currency="USD",
    )
    return replace(plain, **changes)


def ordered(merchant: Merchant, told: contract.RefundInstruction) -> Any:
    return merchant.run(merchant.adapter.refund(told))


def executed(merchant: Merchant, reference: str) -> int:
    rows = merchant.rows()
    return sum(row.executed for row in rows if row.merchant_reference == reference)


@pytest.mark.parametrize("account", [ACCOUNT, SIGNING], ids=["jwt", "signature"])
@pytest.mark.parametrize("payment", [CAPTURE, SALE, CHECK])
def test_a_refund_is_accepted_polled_and_told(account: Any, payment: str) -> None:
    merchant = Merchant(account=account)
    told = instruction(account=account, payment_reference=payment)
    heard = ordered(merchant, told)
    assert isinstance(heard, contract.Heard)
    assert heard.word is Word.PENDING
    assert heard.evidence.amount_minor == 100
    words = []
    for post in merchant.wait(60):
        [event] = merchant.received(post).events
        words.append(event.word)
        assert payment in event.payment_aliases
    assert Word.SUCCEEDED in words
    known = replace(told, gateway_reference=heard.evidence.gateway_reference)
    found = merchant.run(merchant.adapter.read_refund(known))
    assert [one.word for one in found.matches] == [Word.SUCCEEDED]
    assert found.matches[0].evidence.payment_reference == payment
    read = merchant.run(merchant.adapter.read_payment(account, payment, "USD"))
    assert read == contract.PaymentRead(5_000, "USD", 100)
    assert merchant.run(merchant.adapter.probe(account)).failure is None
    assert executed(merchant, "rw-000001") == 1


def test_created_but_declined_is_no_success() -> None:
    merchant = Merchant(refusal=1.0)
    told = [ordered(merchant, instruction(number)) for number in range(20)]
    assert all(isinstance(one, contract.RefusedByGateway) for one in told)
    assert any(one.insufficient_funds for one in told)
    assert not any(row.executed for row in merchant.rows())


def test_a_lost_answer_is_found_only_after_the_index_has_caught_up() -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant, instruction())
    early = merchant.run(merchant.adapter.look_up(instruction()))
    assert early == contract.Absent()
    capabilities = merchant.adapter.capabilities
    assert capabilities.lookup_delay_seconds >= 121
    assert capabilities.key_window_seconds == 0
    assert not capabilities.complete_listing
    merchant.now += 121
    found = merchant.run(merchant.adapter.look_up(instruction()))
    assert [one.evidence.amount_minor for one in found.matches] == [100]
    other = merchant.run(merchant.adapter.look_up(instruction(2)))
    assert other == contract.Absent()


def test_a_lost_decline_is_found_as_one() -> None:
    merchant = Merchant(refusal=1.0, dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant, instruction())
    merchant.now += 121
    found = merchant.run(merchant.adapter.look_up(instruction()))
    assert [one.word for one in found.matches] == [Word.FAILED]


def test_a_known_refund_is_cancelled_until_it_is_batched() -> None:
    merchant = Merchant()
    heard = ordered(merchant, instruction())
    known = instruction(gateway_reference=heard.evidence.gateway_reference)
    cancelled = merchant.run(merchant.adapter.cancel(known))
    assert (cancelled.word, cancelled.evidence.amount_minor) == (Word.FAILED, 100)
    second = ordered(merchant, instruction(2))
    merchant.wait(60)
    late = instruction(2, gateway_reference=second.evidence.gateway_reference)
    refused = merchant.run(merchant.adapter.cancel(late))
    assert refused == contract.RefusedByGateway("NOT_VOIDABLE")
    merchant.now += 121
    found = merchant.run(merchant.adapter.look_up(instruction()))
    assert [one.word for one in found.matches] == [Word.FAILED]
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, CAPTURE, "USD"))
    assert read.refunded_minor == 100
    assert [row.net_minor for row in merchant.rows()] == [0, 100]


def test_an_authorization_is_not_refunded() -> None:
    merchant = Merchant()
    merchant.add("7000000000000000000005", captured=False)
    told = instruction(payment_reference="7000000000000000000005")
    assert ordered(merchant, told) == contract.RefusedByGateway("not_captured")
    authorization = merchant.model.payment(CAPTURE).order_id
    told = instruction(payment_reference=authorization)
    assert ordered(merchant, told) == contract.RefusedByGateway("not_captured")
    assert merchant.rows() == []


def test_what_was_refunded_elsewhere_is_counted_and_told() -> None:
    merchant = Merchant()
    merchant.add(STORM, already_refunded_minor=700)
    merchant.model.external_refund(STORM, 300, merchant.now)
    told = []
    for post in merchant.wait(60):
        told += merchant.received(post).events
    assert {event.evidence.amount_minor for event in told} == {300}
    assert all(STORM in event.payment_aliases for event in told)
    read = merchant.run(merchant.adapter.read_payment(ACCOUNT, STORM, "USD"))
    assert read == contract.PaymentRead(5_000, "USD", 1_000)


def test_the_report_settles_what_was_paid_and_returns_what_came_back() -> None:
    merchant = Merchant()
    for number in range(3):
        ordered(merchant, instruction(number))
    merchant.wait(60)
    bounced = merchant.rows()[0].refund_id
    merchant.model.bounce(bounced, merchant.now)
    days = "startTime=2020-01-01T00:00:00Z&endTime=2040-01-01T00:00:00Z"
    page = merchant.send("GET", f"/reporting/v3/purchase-refund-details?{days}").body
    lines = list(merchant.adapter.read_settlement(ACCOUNT, "page", [page]))
    assert all(isinstance(line, SettlementLine) for line in lines)
    told = [line for line in lines if isinstance(line, SettlementLine)]
    assert {line.merchant_reference for line in told} == {
        row.merchant_reference for row in merchant.rows()
    }
    back = [line for line in told if line.kind is LineKind.REFUND_REVERSED]
    assert [line.gateway_reference for line in back] == [bounced]
    net = sum(row.net_minor for row in merchant.rows())
    assert sum(line.amount_minor for line in told) == -net


@pytest.mark.parametrize(
    ("amount", "currency"), [(7, "ISK"), (500, "JPY"), (1_230, "KWD"), (1_001, "HUF")]
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    merchant = Merchant()
    merchant.add(STORM, amount * 10, currency=currency)
    told = instruction(payment_reference=STORM, amount_minor=amount, currency=currency)
    heard = ordered(merchant, told)
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    merchant.wait(60)
    [row] = merchant.rows()
    assert (row.net_minor, row.currency) == (amount, currency)


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    merchant = Merchant("hostile", seed, wrong_amount=0.05)
    merchant.add(STORM, 100_000_000)
    forged = 0
    for number in range(150):
        told = instruction(number, payment_reference=STORM)
        reference = told.merchant_reference
        try:
            outcome = ordered(merchant, told)
        except NoAnswerError:
            outcome = None
        match outcome:
            case contract.RefusedByGateway() | contract.NotProcessed():
                assert executed(merchant, reference) == 0
            case contract.Unauthorized():
                assert executed(merchant, reference) == 0
            case contract.Heard(evidence=evidence):
                assert evidence.gateway_reference in {
                    row.refund_id for row in merchant.rows()
                }
            case _:
                pass
        for post in merchant.wait(2):
            forged += post.forged
            try:
                verdict = merchant.received(post)
            except NoAnswerError:
                assert not post.forged
                continue
            if post.forged:
                assert isinstance(verdict, contract.Forged)
            else:
                assert isinstance(verdict, contract.Received | contract.Unverifiable)
    assert forged
    assert merchant.world.ledger.doubles() == []


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_each_lost_order_is_found_again(seed: int) -> None:
    merchant = Merchant("hostile", seed)
    merchant.add(STORM, 100_000_000)
    lost = []
    for number in range(80):
        told = instruction(number, payment_reference=STORM)
        try:
            outcome = ordered(merchant, told)
        except NoAnswerError:
            outcome = contract.Unsure("no_answer")
        if isinstance(outcome, contract.Unsure):
            lost.append(told)
        merchant.wait(2)
    merchant.wait(3_600)
    merchant.world.set_faults("none", {})
    taken = {row.merchant_reference for row in merchant.rows()}
    assert lost
    for told in lost:
        found = merchant.run(merchant.adapter.look_up(told))
        is_found = isinstance(found, contract.Found)
        assert is_found is (told.merchant_reference in taken)


@pytest.mark.parametrize("way", ["jwt", "http_signature"])
async def test_what_is_signed_is_what_the_wire_carries(way: str) -> None:
    """The host, above all: a library that wrote another would be refused."""
    config = SandboxConfig(accounts=(replace(PLAIN, webhook_url=""),))
    transport = AiohttpTransport()
    await transport.open()
    try:
        async with running_sandbox(config) as box:
            box.add_payment("cybersource", CAPTURE, 5_000, "USD")
            endpoint = box.base_url("cybersource")
            settings = {**ACCOUNT.settings, "authentication": way}
            account = replace(ACCOUNT, endpoint=endpoint, settings=settings)
            gateway = Cybersource()
            path = ConnectionPath("c/main", account, gateway, endpoint, 5, 5, 1)

            async def send(request: contract.HttpRequest) -> contract.HttpResponse:
                now = datetime.fromtimestamp(box.clock.now(), UTC)
                sent = gateway.authorize(request, CREDENTIALS, now)
                return await transport.exchange(path, sent, 5)

            told = instruction(account=account)
            heard = await drive(gateway.refund(told), send)
            assert isinstance(heard, contract.Heard), heard
            assert heard.word is Word.PENDING
            probe = await drive(gateway.probe(account), send)
            assert probe.failure is None
    finally:
        await transport.close()
