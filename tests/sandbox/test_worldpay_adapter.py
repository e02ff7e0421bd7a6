"""The adapter and the look-alike of Worldpay, written apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from refundwatch.domain.refund import Word
from refundwatch.gateways import contract
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import WorldpaySettings
from refundwatch.sandbox.worldpay.model import PATH
from tests.sandbox.worldpay import KEY, ORDER, Merchant, NoAnswerError, error_in
from tests.unit.gateways.worldpay_talk import DOCTYPE

MINUTE = 60.0


def ordered(merchant: Merchant, number: int = 1, **facts: Any) -> Any:
    return merchant.run(merchant.adapter.refund(merchant.instruction(number, **facts)))


def looked(merchant: Merchant, number: int = 1, **facts: Any) -> Any:
    return merchant.run(merchant.adapter.look_up(merchant.instruction(number, **facts)))


def executed(merchant: Merchant, reference: str) -> int:
    return sum(
        row.merchant_reference == reference and row.executed_at is not None
        for row in merchant.rows()
    )


def test_a_refund_is_accepted_then_told_and_shown_as_paid() -> None:
    merchant = Merchant()
    heard = ordered(merchant)
    assert (heard.word, heard.evidence.amount_minor) == (Word.PENDING, 100)
    told = [
        event
        for post in merchant.wait(MINUTE)
        for event in merchant.received(post).events
    ]
    assert [event.word for event in told] == [Word.PENDING, Word.SUCCEEDED]
    assert {event.evidence.merchant_reference for event in told} == {"rw-000001"}
    assert {event.evidence.amount_minor for event in told} == {100}
    (match,) = looked(merchant).matches
    assert match.word is Word.SUCCEEDED
    assert executed(merchant, "rw-000001") == 1


def test_of_two_refunds_the_earlier_is_not_shown_and_not_denied() -> None:
    merchant = Merchant()
    for number in (1, 2):
        ordered(merchant, number)
        merchant.wait(MINUTE)
    assert looked(merchant, 1) == contract.NotShown()
    assert looked(merchant, 2).matches[0].word is Word.SUCCEEDED
    assert looked(merchant, 3) == contract.NotShown()
    # Of 200 that left, none can be a refund of 201.
    assert looked(merchant, 3, amount_minor=201) == contract.Absent()


def test_what_was_executed_without_an_answer_is_found_and_not_ordered_again() -> None:
    merchant = Merchant(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        ordered(merchant)
    merchant.world.set_faults("none", {})
    merchant.wait(MINUTE)
    assert looked(merchant).matches[0].word is Word.SUCCEEDED
    assert isinstance(ordered(merchant), contract.Heard)
    assert executed(merchant, "rw-000001") == 1


def test_a_payment_is_read_where_that_inquiry_is_enabled() -> None:
    merchant = Merchant()
    ordered(merchant)
    read = merchant.run(merchant.adapter.read_payment(merchant.account, ORDER, "GBP"))
    assert read == contract.PaymentRead(12_000, "GBP", 100)
    merchant.account = replace(
        merchant.account, settings={"merchant_code": "RWTESTGBP"}
    )
    read = merchant.run(merchant.adapter.read_payment(merchant.account, ORDER, "GBP"))
    assert read.untold_in == "GBP"


def test_what_is_not_captured_is_voided_whole_and_a_part_of_it_waits() -> None:
    merchant = Merchant()
    merchant.add("auth", 500, captured=False)
    part = ordered(merchant, payment_reference="auth")
    assert part == contract.NotProcessed("not_captured", 3600)
    whole: dict[str, Any] = {"payment_reference": "auth", "amount_minor": 500}
    assert ordered(merchant, **whole).word is Word.PENDING
    posts = merchant.wait(MINUTE)
    kinds = {event.kind for post in posts for event in merchant.received(post).events}
    assert kinds == {contract.EventKind.OTHER}
    (match,) = looked(merchant, **whole).matches
    assert (match.word, match.evidence.raw_status) == (Word.SUCCEEDED, "CANCELLED")
    assert executed(merchant, "rw-000001") == 1


def test_a_silent_account_counts_as_paid_after_its_days() -> None:
    merchant = Merchant(settings={"tells_refunded": "no"})
    merchant.account = replace(
        merchant.account,
        settings={**merchant.account.settings, "sent_for_refund_days": "7"},
    )
    ordered(merchant)
    merchant.wait(MINUTE)
    then = datetime.fromtimestamp(merchant.now, UTC)
    early: dict[str, Any] = {"accepted_at": then, "asked_at": then + timedelta(days=6)}
    late = {**early, "asked_at": then + timedelta(days=7)}
    assert looked(merchant, **early).matches[0].word is Word.PENDING
    assert looked(merchant, **late).matches[0].word is Word.SUCCEEDED


def test_a_dispute_freezes_by_event_and_holds_the_next_refund() -> None:
    merchant = Merchant()
    merchant.model.dispute(ORDER, merchant.now, chargeback=True)
    (post,) = merchant.wait(MINUTE)
    (event,) = merchant.received(post).events
    assert event.kind is contract.EventKind.DISPUTE_OPENED
    assert event.payment_reference == ORDER
    assert ordered(merchant) == contract.RefusedByGateway("order_charged_back")


def test_the_probe_is_content_and_tells_a_wrong_password_from_a_wrong_merchant() -> (
    None
):
    merchant = Merchant()
    probe = merchant.adapter.probe(merchant.account)
    assert merchant.run(probe) == contract.ProbeResult()
    stranger = replace(merchant.account, settings={"merchant_code": "OTHER"})
    assert merchant.run(merchant.adapter.probe(stranger)).unauthorized


@pytest.mark.parametrize("seed", range(2))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    merchant = Merchant("hostile", seed, wrong_amount=0.05)
    merchant.add("big", 100_000_000)
    posts = []
    for number in range(150):
        told = merchant.instruction(number, payment_reference="big")
        try:
            outcome = merchant.run(merchant.adapter.refund(told))
        except NoAnswerError:
            outcome = None
        match outcome:
            case (
                contract.RefusedByGateway()
                | contract.NotProcessed()
                | contract.Unauthorized()
            ):
                reference = told.merchant_reference
                rows = [r for r in merchant.rows() if r.merchant_reference == reference]
                assert rows == []
            case contract.Heard() as heard:
                assert heard.word in {Word.PENDING, Word.UNSEEN}
            case _:
                pass
        for post in merchant.wait(2):
            posts.append(post)
            wanted = contract.Forged if post.forged else contract.Received
            assert isinstance(merchant.received(post), wanted)
    posts += merchant.wait(86_400)
    assert any(post.forged for post in posts)
    assert merchant.world.ledger.doubles() == []
    truth = {row.merchant_reference: row.status for row in merchant.rows()}
    words = {
        event.evidence.merchant_reference: event.word
        for post in posts
        if not post.forged
        for event in merchant.received(post).events
        if event.word not in {None, Word.PENDING}
    }
    assert {name for name in words if name} <= set(truth)
    assert len(words) > 90


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(7, "ISK"), (1_200, "IDR"), (500, "JPY"), (1_000, "HUF"), (1_230, "KWD")],
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    merchant = Merchant()
    merchant.add("far", amount * 10, currency)
    far: dict[str, Any] = {"payment_reference": "far", "currency": currency}
    heard = ordered(merchant, amount_minor=amount, **far)
    assert (heard.evidence.amount_minor, heard.evidence.currency) == (amount, currency)
    merchant.wait(MINUTE)
    [row] = merchant.rows()
    assert (row.net_minor, row.currency) == (amount, currency)


async def test_over_real_connections_only_ok_in_brackets_frees_the_queue() -> None:
    answers = [b"OK", b"[OK]"]
    taken: list[str] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(request.query["key"])
        await request.read()
        return web.Response(body=answers.pop(0) if len(answers) > 1 else answers[0])

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    account = WorldpaySettings(name="worldpay", webhook_url=hook)
    document = (
        f'{DOCTYPE}<paymentService version="1.4" merchantCode="RWTESTGBP"><modify>'
        f'<orderModification orderCode="{ORDER}"><refund reference="rw-1"><amount'
        ' value="100" currencyCode="GBP" exponent="2"/></refund></orderModification>'
        "</modify></paymentService>"
    )
    config = SandboxConfig(accounts=(account,), time_scale=0.001)
    try:
        async with running_sandbox(config) as box, aiohttp.ClientSession() as http:
            box.add_payment("worldpay", ORDER, 12_000, "GBP")
            pair = aiohttp.encode_basic_auth("RWTESTGBP", "xml-sandbox")
            url = box.base_url("worldpay") + PATH
            told = {"Authorization": pair}
            async with http.post(url, data=document, headers=told) as answer:
                assert error_in(await answer.text()) == ""
            await box.settled()
            outbox = box.world.model("worldpay").outbox
            assert (outbox.delivered, len(taken)) == (2, 3)
            assert set(taken) == {KEY}
    finally:
        await runner.cleanup()
