"""Our adapter speaks to the look-alike; the two were written apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    Absent,
    EventKind,
    Forged,
    Found,
    Heard,
    LookupFailed,
    NotProcessed,
    PaymentRead,
    ProbeResult,
    Received,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
)
from tests.sandbox.checkout import (
    ACCOUNT,
    BY_KEY,
    BY_TOKEN,
    PAY,
    NoAnswerError,
    Shop,
)

LARGE = "pay_storm00000000000000000000"


def stored_order(shop: Shop, instruction: Any) -> Any:
    """Build an order as the dispatcher does: reads first, the order unsent."""
    operation = shop.adapter.refund(instruction)
    request = next(operation)
    while not request.moves_money:
        request = operation.send(shop._exchange(request))
    operation.close()
    return request


@pytest.mark.parametrize("credentials", [BY_KEY, BY_TOKEN], ids=["key", "token"])
def test_a_refund_is_pending_until_its_webhook_or_a_read(credentials: Any) -> None:
    shop = Shop(credentials=credentials)
    heard = shop.run(shop.adapter.refund(shop.instruction()))
    assert isinstance(heard, Heard)
    assert heard.word is Word.PENDING
    assert heard.evidence.payment_reference == PAY
    known = replace(
        shop.instruction(), gateway_reference=heard.evidence.gateway_reference
    )
    early = shop.run(shop.adapter.read_refund(known))
    assert isinstance(early, Found)
    assert early.matches[0].word is Word.PENDING
    [post] = shop.wait(60)
    verdict = shop.received(post)
    assert isinstance(verdict, Received)
    [event] = verdict.events
    assert (event.word, event.hint) == (Word.SUCCEEDED, True)
    assert event.evidence is not None
    assert event.evidence.merchant_reference == "rw-000001"
    assert event.evidence.gateway_reference == heard.evidence.gateway_reference
    assert (event.evidence.amount_minor, event.evidence.currency) == (100, "EUR")
    late = shop.run(shop.adapter.read_refund(known))
    assert isinstance(late, Found)
    assert late.matches[0].word is Word.SUCCEEDED
    assert late.matches[0].evidence.amount_minor == 100
    assert shop.executed("rw-000001") == 1


def test_a_whole_authorization_is_voided_and_found_as_such() -> None:
    shop = Shop()
    shop.add("pay_open", captured=False)
    part = shop.instruction(1, payment_reference="pay_open")
    assert isinstance(shop.run(shop.adapter.refund(part)), NotProcessed)
    whole = replace(part, amount_minor=5_000)
    read = shop.run(shop.adapter.read_payment(ACCOUNT, "pay_open", "EUR"))
    assert read == PaymentRead(5_000, "EUR", 0)
    heard = shop.run(shop.adapter.refund(whole))
    assert isinstance(heard, Heard)
    [post] = shop.wait(60)
    assert post.event == "payment_voided"
    [event] = shop.received(post).events
    assert (event.kind, event.word) == (EventKind.REFUND, Word.SUCCEEDED)
    found = shop.run(shop.adapter.look_up(whole))
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.SUCCEEDED
    assert found.matches[0].evidence.amount_minor == 5_000
    read = shop.run(shop.adapter.read_payment(ACCOUNT, "pay_open", "EUR"))
    assert read == PaymentRead(5_000, "EUR", 5_000)
    assert shop.executed("rw-000001") == 1


def test_a_void_of_what_was_captured_meanwhile_is_refused() -> None:
    shop = Shop()
    shop.add("pay_open", captured=False)
    whole = shop.instruction(payment_reference="pay_open", amount_minor=5_000)
    order = stored_order(shop, whole)
    assert order.operation == "void"
    shop.model.capture("pay_open", shop.now)
    outcome = shop.run(shop.adapter.refund(whole, order))
    assert outcome == RefusedByGateway("void_not_allowed", may_be_echo=True)
    assert shop.rows() == []


def test_a_look_up_finds_what_was_executed_and_nothing_else() -> None:
    shop = Shop(dropped_after=1.0)
    with pytest.raises(NoAnswerError):
        shop.run(shop.adapter.refund(shop.instruction()))
    found = shop.run(shop.adapter.look_up(shop.instruction()))
    assert isinstance(found, Found)
    assert found.matches[0].word is Word.PENDING
    other = shop.run(shop.adapter.look_up(shop.instruction(2)))
    assert isinstance(other, Absent)


def test_after_a_5xx_the_look_up_says_what_the_key_cannot() -> None:
    shop = Shop(error_after=1.0)
    order = stored_order(shop, shop.instruction())
    outcome = shop.run(shop.adapter.refund(shop.instruction(), order))
    assert isinstance(outcome, Unsure)
    assert not outcome.replayed
    assert isinstance(shop.run(shop.adapter.look_up(shop.instruction())), Found)
    assert shop.adapter.capabilities.resend_wait_seconds >= 60


def test_a_refund_of_the_dashboard_is_a_stranger_with_a_payment() -> None:
    shop = Shop()
    shop.model.external_refund(PAY, 700, shop.now)
    [post] = shop.wait(60)
    [event] = shop.received(post).events
    assert event.kind is EventKind.REFUND
    assert event.evidence is not None
    assert event.evidence.merchant_reference is None
    assert event.payment_reference == PAY
    read = shop.run(shop.adapter.read_payment(ACCOUNT, PAY, "EUR"))
    assert read == PaymentRead(5_000, "EUR", 700)


def test_more_than_is_left_is_refused_and_so_is_a_refund_of_nothing_left() -> None:
    shop = Shop()
    shop.refund(4_500)
    outcome = shop.run(shop.adapter.refund(shop.instruction(amount_minor=501)))
    assert outcome == RefusedByGateway(
        "refund_amount_exceeds_balance", may_be_echo=True
    )
    shop.refund(500)
    outcome = shop.run(shop.adapter.refund(shop.instruction()))
    assert outcome == RefusedByGateway("refund_not_allowed", may_be_echo=True)


def test_a_misstated_amount_is_told_as_it_is() -> None:
    shop = Shop(wrong_amount=1.0)
    shop.run(shop.adapter.refund(shop.instruction()))
    found = shop.run(shop.adapter.look_up(shop.instruction()))
    assert isinstance(found, Found)
    assert found.matches[0].evidence.amount_minor != 100


def test_a_session_that_ended_is_told_apart_from_a_refusal() -> None:
    shop = Shop(credentials=BY_TOKEN, token_expired=1.0)
    outcome = shop.run(shop.adapter.refund(shop.instruction()))
    assert outcome == Unauthorized("http_401", session_expired=True)
    shop.session = None
    shop.faults()
    assert isinstance(shop.run(shop.adapter.refund(shop.instruction())), Heard)
    assert isinstance(shop.session, Session)


def test_the_probe_is_content() -> None:
    shop = Shop()
    assert shop.run(shop.adapter.probe(ACCOUNT)) == ProbeResult()
    shop.credentials = replace(BY_KEY, values={"secret_key": "sk_other"})
    assert shop.run(shop.adapter.probe(ACCOUNT)).unauthorized


def test_a_second_factor_is_checked_where_it_is_configured() -> None:
    shop = Shop(settings={"webhook_authorization": "the value"})
    shop.refund()
    [post] = shop.wait(60)
    secrets = ("cko-sandbox-key", "authorization:the value")
    assert isinstance(shop.received(post, *secrets), Received)
    other = ("cko-sandbox-key", "authorization:another")
    assert shop.received(post, *other) == Forged("authorization_mismatch")


@pytest.mark.parametrize(
    ("amount", "currency"), [(7, "ISK"), (12, "CLP"), (500, "JPY"), (1_230, "KWD")]
)
def test_every_amount_means_the_same_on_both_sides(amount: int, currency: str) -> None:
    shop = Shop()
    payment = f"pay_{currency.lower()}"
    shop.add(payment, amount * 10, currency=currency)
    instruction = shop.instruction(
        payment_reference=payment, amount_minor=amount, currency=currency
    )
    assert isinstance(shop.run(shop.adapter.refund(instruction)), Heard)
    shop.wait(60)
    found = shop.run(shop.adapter.look_up(instruction))
    assert isinstance(found, Found)
    assert found.matches[0].evidence.amount_minor == amount
    read = shop.run(shop.adapter.read_payment(ACCOUNT, payment, currency))
    assert (read.captured_minor, read.refunded_minor) == (amount * 10, amount)
    [row] = shop.rows()
    assert (row.net_minor, row.currency) == (amount, currency)


# --- storms -----------------------------------------------------------------------


def attempt(shop: Shop, instruction: Any, order: Any) -> Any:
    try:
        return shop.run(shop.adapter.refund(instruction, order))
    except NoAnswerError:
        return None


def built(shop: Shop, instruction: Any) -> Any:
    """Build the order; whatever goes wrong in the read before it moves nothing."""
    while True:
        try:
            operation = shop.adapter.refund(instruction)
            request = next(operation)
            return operation.send(shop._exchange(request))
        except (NoAnswerError, StopIteration):
            continue


def seen(shop: Shop, instruction: Any) -> Any:
    """Look until the question is answered."""
    while True:
        try:
            found = shop.run(shop.adapter.look_up(instruction))
        except NoAnswerError:
            continue
        if not isinstance(found, LookupFailed):
            return found
        shop.wait(5)


@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm_no_answer_is_read_against_the_truth(seed: int) -> None:
    shop = Shop("hostile", seed=seed, wrong_amount=0.0, unknown_status=0.0)
    shop.add(LARGE, 100_000_000)
    shop.session = Session("sk_sbox_sandboxsandboxsandboxsandbo", shop.moment)
    for number in range(150):
        instruction = shop.instruction(number, payment_reference=LARGE)
        outcome = attempt(shop, instruction, built(shop, instruction))
        accepted = sum(
            row.merchant_reference == instruction.merchant_reference
            for row in shop.rows()
        )
        match outcome:
            case RefusedByGateway() | NotProcessed() | Unauthorized():
                assert accepted == 0
            case Heard():
                assert accepted == 1
            case _:
                pass
        for post in shop.wait(2):
            verdict = shop.received(post)
            assert isinstance(verdict, Forged if post.forged else Received)


@pytest.mark.parametrize("seed", range(3))
def test_looked_up_twice_before_each_resend_nothing_is_paid_twice(seed: int) -> None:
    shop = Shop("hostile", seed=seed, error_after=0.2, lookup_lags=0.8)
    shop.add(LARGE, 100_000_000)
    shop.session = Session("sk_sbox_sandboxsandboxsandboxsandbo", shop.moment)
    wait = shop.adapter.capabilities.resend_wait_seconds
    resends = 0
    for number in range(60):
        instruction = shop.instruction(number, payment_reference=LARGE)
        order = built(shop, instruction)
        outcome = attempt(shop, instruction, order)
        while outcome is None or isinstance(outcome, Unsure | NotProcessed):
            shop.wait(wait)
            if isinstance(seen(shop, instruction), Found):
                break
            shop.wait(wait)
            if isinstance(seen(shop, instruction), Found):
                break
            resends += 1
            outcome = attempt(shop, instruction, order)
    shop.wait(600)
    assert resends > 3
    assert shop.world.ledger.doubles() == []
