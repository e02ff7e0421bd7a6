"""Our adapter speaks to the look-alike; the two were written apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.gateways.settlement import LineKind, SettlementLine
from tests.sandbox.mollie import TOKEN, TR, Meeting, NoAnswerError


def test_a_refund_is_taken_and_its_end_is_told_twice() -> None:
    meeting = Meeting()
    heard = meeting.order()
    assert (heard.word, heard.evidence.amount_minor) == (Word.PENDING, 100)
    told = []
    for post in meeting.wait(60):
        verdict = meeting.received(post)
        assert isinstance(verdict, contract.Received)
        told += verdict.events
    names = {event.evidence.gateway_reference for event in told}
    assert names == {heard.evidence.gateway_reference}
    assert {event.word for event in told} == {Word.PENDING, Word.SUCCEEDED}
    read = meeting.adapter.read_refund(
        meeting.instruction(gateway_reference=heard.evidence.gateway_reference)
    )
    (found,) = meeting.run(read).matches
    assert found.word is Word.SUCCEEDED
    assert meeting.executed("rw-000001") == 1


def test_a_token_of_the_organization_does_the_same() -> None:
    meeting = Meeting()
    meeting.key = "access_sandbox"
    meeting.account = replace(meeting.account, settings={"access": "organization"})
    heard = meeting.order()
    known = meeting.instruction(gateway_reference=heard.evidence.gateway_reference)
    assert meeting.run(meeting.adapter.probe(meeting.account)).failure is None
    assert isinstance(meeting.run(meeting.adapter.look_up(known)), contract.Found)
    payment = meeting.adapter.read_payment(meeting.account, TR, "EUR")
    assert meeting.run(payment) == contract.PaymentRead(5_000, "EUR", 100)
    assert meeting.run(meeting.adapter.cancel(known)).word is Word.FAILED


def test_a_probe_is_content() -> None:
    meeting = Meeting()
    assert meeting.run(meeting.adapter.probe(meeting.account)).failure is None


def test_what_was_executed_unanswered_is_found_and_repeated_without_harm() -> None:
    meeting = Meeting(dropped_after=1.0)
    order = meeting.stored()
    with pytest.raises(NoAnswerError):
        meeting.resend(order)
    found = meeting.run(meeting.adapter.look_up(meeting.instruction()))
    assert found.matches[0].word is Word.PENDING
    other = meeting.run(meeting.adapter.look_up(meeting.instruction(2)))
    assert isinstance(other, contract.Absent)
    meeting.model.dice.profile = meeting.model.dice.profile.overridden(
        {"dropped_after": 0.0}
    )
    again = meeting.resend(order)
    assert again.evidence == replace(found.matches[0].evidence, source="answer")
    meeting.wait(60)
    assert meeting.executed("rw-000001") == 1


def test_an_equal_amount_waits_and_goes_out_after_the_hour() -> None:
    meeting = Meeting()
    meeting.order(1)
    waits = meeting.order(2)
    assert isinstance(waits, contract.NotProcessed)
    assert waits.reason == "equal_amount_guard"
    assert waits.retry_after_seconds is not None
    meeting.wait(waits.retry_after_seconds)
    assert isinstance(meeting.order(2), contract.Heard)
    meeting.wait(60)
    assert len(meeting.rows()) == 2
    assert meeting.world.ledger.doubles() == []


def test_an_equal_amount_that_the_list_does_not_show_yet_waits_too() -> None:
    meeting = Meeting(lookup_lags=1.0)
    meeting.order(1)
    waits = meeting.order(2)
    assert waits == contract.NotProcessed("equal_amount_guard", 3_900)
    meeting.wait(3_900)
    assert isinstance(meeting.order(2), contract.Heard)
    assert len(meeting.rows()) == 2


def test_after_a_lost_store_nothing_is_ordered_twice() -> None:
    meeting = Meeting()
    meeting.order(1)
    meeting.wait(7_200)
    there = meeting.order(1)
    assert isinstance(there, contract.Heard)
    assert there.evidence.source == "lookup"
    assert len(meeting.rows()) == 1


def test_a_refund_is_cancelled_as_long_as_it_waits() -> None:
    meeting = Meeting(settings={"batch_seconds": 60.0})
    known = meeting.instruction(
        gateway_reference=meeting.order().evidence.gateway_reference
    )
    ended = meeting.run(meeting.adapter.cancel(known))
    assert (ended.word, ended.evidence.raw_status) == (Word.FAILED, "canceled")
    gone = meeting.run(meeting.adapter.cancel(known))
    assert gone == contract.Unsure("http_404")
    read = meeting.run(meeting.adapter.read_refund(known))
    assert isinstance(read, contract.Absent)
    words = [
        (event.word, event.hint)
        for post in meeting.wait(600)
        for event in meeting.received(post).events  # type: ignore[union-attr]
        if event.evidence.raw_status == "canceled"
    ]
    assert words == [(Word.FAILED, False)]
    assert meeting.executed("rw-000001") == 0


def test_a_refund_on_its_way_is_not_cancelled_and_says_so() -> None:
    meeting = Meeting(settle_seconds=600.0)
    known = meeting.instruction(
        gateway_reference=meeting.order().evidence.gateway_reference
    )
    meeting.wait(10)
    stands = meeting.run(meeting.adapter.cancel(known))
    assert (stands.word, stands.evidence.raw_status) == (Word.PENDING, "processing")
    meeting.wait(1_000)
    assert meeting.executed("rw-000001") == 1


def test_a_strangers_id_changes_nothing() -> None:
    meeting = Meeting(webhook_unknown=1.0)
    meeting.order()
    strangers = [post for post in meeting.wait(600) if post.event == "stranger"]
    for post in strangers:
        assert meeting.received(post) == contract.Received(())
    assert strangers


def test_a_chargeback_is_a_dispute_in_both_kinds_of_webhooks() -> None:
    meeting = Meeting()
    meeting.model.dispute(TR, meeting.now, chargeback=True)
    events = [
        event
        for post in meeting.wait(60)
        for event in meeting.received(post).events  # type: ignore[union-attr]
    ]
    kinds = [(event.kind, event.payment_reference) for event in events]
    assert kinds == [(contract.EventKind.DISPUTE_OPENED, TR)] * 2
    read = meeting.run(meeting.adapter.read_payment(meeting.account, TR, "EUR"))
    assert read.disputed


def test_what_the_balance_books_is_read_as_settled() -> None:
    meeting = Meeting()
    refund_id = meeting.order().evidence.gateway_reference
    meeting.wait(60)
    meeting.model.bounce(refund_id, meeting.now)
    page = meeting.call("GET", "/v2/balances/primary/transactions", auth=TOKEN).body
    lines: list[Any] = list(
        meeting.adapter.read_settlement(meeting.account, "page", [page])
    )
    assert all(isinstance(line, SettlementLine) for line in lines)
    assert [(line.kind, line.amount_minor) for line in lines] == [
        (LineKind.REFUND_REVERSED, 100),
        (LineKind.REFUND, -100),
    ]
    assert {line.gateway_reference for line in lines} == {refund_id}


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    meeting = Meeting(
        "hostile", seed=seed, settings={"guard_seconds": 60.0}, wrong_amount=0.05
    )
    meeting.account = replace(
        meeting.account, settings={"duplicate_guard_seconds": "60"}
    )
    for number in range(10):
        meeting.add(f"tr_storm0000{number}", 100_000_000)
    posts = []
    for number in range(100):
        payment = f"tr_storm0000{number % 10}"
        facts = {"payment_reference": payment, "amount_minor": 100 + number}
        reference = f"rw-{number:06d}"
        try:
            outcome = meeting.order(number, **facts)
        except NoAnswerError:
            outcome = None
        taken = [r for r in meeting.rows() if r.merchant_reference == reference]
        match outcome:
            case (
                contract.RefusedByGateway()
                | contract.NotProcessed()
                | contract.Unauthorized()
            ):
                assert taken == []
            case contract.Heard():
                assert len(taken) == 1
            case _:
                pass
        for post in meeting.wait(2):
            posts.append(post)
            try:
                verdict = meeting.received(post)
            except NoAnswerError:
                assert post.event in {"payment", "stranger"}
                continue
            if post.forged:
                assert isinstance(verdict, contract.Forged)
            elif post.event not in {"payment", "stranger"}:
                assert isinstance(verdict, contract.Received)
            else:
                assert not isinstance(verdict, contract.Forged)
    assert any(post.forged for post in posts)
    assert meeting.world.ledger.doubles() == []


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(7, "ISK"), (120_000, "IDR"), (500, "JPY"), (1_000, "HUF"), (1_234, "KWD")],
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    meeting = Meeting()
    meeting.add("tr_money", amount * 10, currency)
    facts = {"payment_reference": "tr_money", "amount_minor": amount}
    heard = meeting.order(currency=currency, **facts)
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    meeting.wait(60)
    [row] = meeting.rows()
    assert (row.net_minor, row.currency) == (amount, currency)
