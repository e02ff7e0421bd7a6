"""Deliveries: what is heard, in whatever order, is applied once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.idempotency import merchant_reference
from refundwatch.domain.refund import RefundState
from refundwatch.gateways.contract import EventKind, Found, Lookup
from tests.flow.fakes import a_path, settings
from tests.flow.simloop import START
from tests.flow.toy import TOY, Act, Bank, Executed, Toy, delivery
from tests.flow.world import HOUR, World, in_world

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.gateways.contract import (
        LookupResult,
        Operation,
        RefundInstruction,
    )

S = RefundState

BLIND = Toy(replace(TOY, lookup=Lookup.NONE, reads_refund=False, reads_payment=False))
PATHS = (a_path(gateway=BLIND),)


async def pending(world: World) -> Refund:
    refund = await world.send()
    assert refund.state is S.PENDING
    return refund


# --- words --------------------------------------------------------------------------


def test_success_by_webhook_ends_a_pending_refund() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        answer = await world.hear(world.bank.webhook(made, "e1", status="succeeded"))

        assert answer.status == 200
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_webhook_that_overtakes_its_own_response_is_believed() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        sending = asyncio.ensure_future(world.house.dispatcher.drain())
        await asyncio.sleep(5)
        assert (await world.row(refund)).state is S.SENDING
        await world.hear(world.bank.webhook(world.bank.executed[0], "e1"))
        early = await world.row(refund)
        assert early.state is S.SUCCEEDED
        assert early.gateway_reference == "re_1"
        await sending

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert (await world.payment()).refunded_minor == 500

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=PATHS)


def test_webhook_resolves_an_unknown_refund() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        await world.hear(world.bank.webhook(world.bank.executed[0], "e1"))

        assert (await world.row(refund)).state is S.SUCCEEDED
        await world.settle(HOUR)
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=PATHS)


def test_crowd_at_the_door_goes_first_and_starves_nobody() -> None:
    async def main(world: World) -> None:
        refunds = [await world.send(f"r-{number}", amount=9) for number in range(30)]
        for number, made in enumerate(world.bank.executed):
            raw = world.bank.webhook(made, f"e{number}", status="succeeded")
            await world.house.receptionist.receive("toy-eu", raw)
        world.house.equipment.door.waiting = 1000

        world.start()
        await asyncio.sleep(0.05)
        early = [(await world.row(refund)).state for refund in refunds]
        assert set(early) == {S.PENDING}
        await asyncio.sleep(60)
        world.kill()
        late = [(await world.row(refund)).state for refund in refunds]
        assert set(late) == {S.SUCCEEDED}

    in_world(main, bank=Bank(acts=[Act.PENDING] * 30), paths=PATHS)


def test_duplicates_change_nothing() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        raw = world.bank.webhook(world.bank.executed[0], "e1", status="succeeded")
        for _ in range(5):
            assert (await world.hear(raw)).status == 200
        again = world.bank.webhook(world.bank.executed[0], "e2", status="succeeded")
        await world.hear(again)
        detail = await world.show(refund.id)

        assert detail.summary.refund.state is S.SUCCEEDED
        assert len(detail.deliveries) == 2
        assert (await world.payment()).refunded_minor == 500

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_older_word_never_moves_a_refund_back() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e2", status="succeeded"))
        await world.hear(world.bank.webhook(made, "e1", status="pending"))

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_late_failure_after_success_becomes_reversed() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.SUCCEEDED
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e9", status="failed"))

        assert (await world.row(refund)).state is S.REVERSED
        payment = await world.payment()
        assert (payment.reserved_minor, payment.refunded_minor) == (0, 0)

    in_world(main, paths=PATHS)


def test_success_with_another_amount_becomes_review_and_freezes() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        raw = world.bank.webhook(made, "e1", status="succeeded", amount=501)
        await world.hear(raw)

        assert (await world.row(refund)).state is S.REVIEW
        assert (await world.payment()).frozen == "amount_mismatch"
        assert (await world.payment()).reserved_minor == 500

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_word_about_another_payment_becomes_review() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        raw = world.bank.webhook(made, "e1", status="succeeded", payment="pi_2")
        await world.hear(raw)

        assert (await world.row(refund)).review_reason == "payment_mismatch"

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


@pytest.mark.parametrize(
    ("names", "state"),
    [
        (["ch_9", "pi_1"], S.SUCCEEDED),
        (["pi_1", "ch_9"], S.SUCCEEDED),
        (["ch_9", "pi_9"], S.REVIEW),
        ([None], S.SUCCEEDED),
    ],
)
def test_payment_may_be_named_by_any_of_its_names_but_by_no_other(
    names: list[str | None], state: RefundState
) -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        first, *others = names
        made = world.bank.executed[0]
        raw = world.bank.webhook(
            made, "e1", status="succeeded", payment=first, aliases=others
        )
        await world.hear(raw)
        after = await world.row(refund)

        assert after.state is state
        if state is S.REVIEW:
            assert after.review_reason == "payment_mismatch"

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_success_heard_after_a_decline_is_booked_and_alarms() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.DECLINED
        item = {
            "event": "e1",
            "id": "re_77",
            "status": "succeeded",
            "reference": refund.merchant_reference,
            "payment": "pi_1",
            "amount": 500,
            "currency": "EUR",
        }
        await world.hear(delivery([item]))

        assert (await world.row(refund)).state is S.DECLINED
        payment = await world.payment()
        assert payment.refunded_minor == 500
        assert payment.frozen == "executed_after_end"
        assert "refund_executed_after_end" in await world.alarms()

    in_world(main, bank=Bank(acts=[Act.REFUSE]), paths=PATHS)


def test_forged_delivery_changes_nothing() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        raw = world.bank.webhook(world.bank.executed[0], "e1", status="succeeded")
        forged = replace(raw, headers={"x-sig": "guess"})

        assert (await world.hear(forged)).status == 401
        detail = await world.show(refund.id)
        assert detail.summary.refund.state is S.PENDING
        assert detail.deliveries == ()

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_word_that_is_no_hint_is_not_read_again() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", status="succeeded"))

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert "read_refund" not in world.bank.asked

    in_world(main, bank=Bank(acts=[Act.PENDING]))


# --- hints --------------------------------------------------------------------------


def test_hint_counts_as_what_the_gateway_says_when_read_again() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        made.status = "failed"
        raw = world.bank.webhook(made, "e1", status="succeeded", hint=True)
        await world.hear(raw)

        assert (await world.row(refund)).state is S.DECLINED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_hint_that_would_change_nothing_is_not_read_again() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        reads = world.bank.asked.count("read_refund")
        await world.hear(world.bank.webhook(world.bank.executed[0], "e1", hint=True))

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert world.bank.asked.count("read_refund") == reads
        detail = await world.show(refund.id)
        assert detail.deliveries[0].state == "applied"

    in_world(main)


def test_read_that_lags_behind_the_event_is_repeated() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", status="succeeded", hint=True))
        assert (await world.row(refund)).state is S.PENDING
        made.status = "succeeded"
        await world.settle(10)

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_read_that_never_agrees_with_the_event_is_believed_with_an_alarm() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", status="failed", hint=True))
        after = await world.walk(refund, 8 * HOUR)

        assert after.state is S.SUCCEEDED
        assert "delivery_contradicts_read" in await world.alarms()

    in_world(main)


def test_hint_without_a_word_leaves_a_pending_refund_to_be_asked_about() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        made = world.bank.executed[0]
        made.status = "pending"
        await world.hear(
            world.bank.webhook(made, "e1", status="pending", hint=True, wordless=True)
        )
        heard = await world.row(refund)
        assert heard.state is S.PENDING
        assert heard.due_at is not None

        made.status = "succeeded"
        assert (await world.walk(refund, 24 * HOUR)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


@pytest.mark.parametrize("fault", ["lost", "never", "500", "404"])
def test_hint_that_cannot_be_read_now_is_read_later(fault: str) -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        made.status = "succeeded"
        world.bank.reads = [fault, fault]
        await world.hear(world.bank.webhook(made, "e1", status="succeeded", hint=True))
        assert (await world.row(refund)).state is S.PENDING
        await world.walk(refund, 300)

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_signed_word_counts_by_itself_when_nobody_could_confirm_it_for_a_day() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        world.bank.reads = ["500"] * 10_000
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", status="succeeded", hint=True))
        await world.walk(refund, 25 * HOUR)

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


# --- unmatched and others -----------------------------------------------------------

STRANGER = {
    "event": "e1",
    "id": "re_9",
    "status": "succeeded",
    "reference": "not ours",
    "payment": "pi_1",
    "amount": 300,
    "currency": "EUR",
}


def test_unmatched_success_is_kept_for_a_day_then_booked_as_external() -> None:
    async def main(world: World) -> None:
        payment = await world.a_payment()
        assert (await world.hear(delivery([STRANGER]))).status == 200
        refund = await world.a_refund("r-1", amount=1)
        await world.walk(refund, 23 * HOUR)
        assert (await world.payment()).external_minor == 0
        assert "delivery_unmatched" in await world.alarms()
        await world.walk(refund, 2 * HOUR)

        after = await world.payment()
        assert after.external_minor == 300
        assert after.refundable_minor < payment.refundable_minor

    in_world(main, paths=PATHS)


def _strange(bank: Bank) -> None:
    """Let somebody refund 300 in the gateway's own dashboard."""
    bank.executed.append(
        Executed(
            id="re_9",
            key="none",
            reference="not ours",
            payment="pi_1",
            amount=300,
            currency="EUR",
            status="succeeded",
            at=0.0,
        )
    )


@pytest.mark.parametrize(
    ("occurred", "booked"),
    [
        (timedelta(0), 300),  # before the read, which has counted it
        (timedelta(hours=2), 600),  # after it, so the read counted another one
        (None, 600),  # nobody knows: too much booked keeps the money
    ],
)
def test_external_refund_that_a_read_counted_is_named_by_its_webhook_not_added(
    occurred: timedelta | None, booked: int
) -> None:
    told = dict(STRANGER)
    if occurred is not None:
        told["occurred_at"] = (START + occurred).isoformat()

    async def main(world: World) -> None:
        _strange(world.bank)
        await asyncio.sleep(60)
        refund = await world.send("r-1", amount=1)
        assert (await world.payment()).external_minor == 300
        await asyncio.sleep(60)
        await world.hear(delivery([told]))
        await world.walk(refund, 26 * HOUR)

        assert (await world.payment()).external_minor == booked

    in_world(main)


def test_unmatched_failure_ends_alarmed_and_books_nothing() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund("r-1", amount=1)
        await world.hear(delivery([{**STRANGER, "status": "failed"}]))
        await world.walk(refund, 25 * HOUR)

        assert (await world.payment()).external_minor == 0
        assert "delivery_unmatched" in await world.alarms()

    in_world(main, paths=PATHS)


def test_delivery_that_finds_its_refund_late_closes_its_alarm() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        reference = merchant_reference("test", "toy-eu", "pi_1", "r-1", 0)
        await world.hear(delivery([{**STRANGER, "reference": reference}]))
        await asyncio.sleep(2 * HOUR)
        for _ in range(4):
            await world.settle(HOUR)
        assert "delivery_unmatched" in await world.alarms()
        refund = await world.a_refund("r-1", amount=300)
        await asyncio.sleep(6 * HOUR)
        await world.house.inbox.drain()

        assert (await world.row(refund)).state is S.REVIEW
        assert "delivery_unmatched" not in await world.alarms()
        assert "refund_executed_unsent" in await world.alarms()

    in_world(main, paths=PATHS)


def test_dispute_freezes_the_payment_and_holds_what_was_not_sent() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        item = {"kind": EventKind.DISPUTE_OPENED, "event": "d1", "payment": "pi_1"}
        await world.hear(delivery([item]))

        assert (await world.payment()).frozen is not None
        assert (await world.row(refund)).state is S.HELD
        await world.settle(HOUR)
        assert world.bank.orders == []

    in_world(main, paths=PATHS)


def test_delivery_about_something_else_is_closed_with_its_reason() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        item = {"kind": EventKind.OTHER, "event": "o1"}
        assert (await world.hear(delivery([item]))).status == 200
        await world.settle(25 * HOUR)

        assert "delivery_unmatched" not in await world.alarms()

    in_world(main, paths=PATHS)


def test_many_items_of_one_refund_are_applied_one_after_the_other() -> None:
    async def main(world: World) -> None:
        refund = await pending(world)
        made = world.bank.executed[0]
        made.status = "succeeded"
        items = [{"event": f"e{number}", **made.told()} for number in range(5)]
        world.bank.latency = 1.0
        await world.hear(delivery(items, hint=True))

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert world.bank.asked.count("read_refund") == 1

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_deliveries_of_a_slow_gateway_do_not_delay_those_of_another() -> None:
    slow, quick = a_path(account="toy-us"), a_path(account="toy-eu")

    async def main(world: World) -> None:
        for number in range(40):
            await world.a_refund(
                f"s-{number}", payment=f"ps_{number}", account="toy-us"
            )
        refund = await world.a_refund("q-1")
        await world.house.dispatcher.drain()
        for made in world.bank.executed:
            made.status = "succeeded"
            account = "toy-us" if made.payment.startswith("ps") else "toy-eu"
            raw = world.bank.webhook(made, f"e{made.id}", hint=True)
            await world.house.receptionist.receive(account, raw)
        world.bank.slow = {"toy-us/main": 100}
        started = world.loop.time()
        asked = world.count_reads()
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.inbox.run(stop))
        await asyncio.sleep(1)
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert world.loop.time() - started == 1
        assert asked.count("DueInbox") < 30
        stop.set()
        await room

    in_world(
        main,
        bank=Bank(default=Act.PENDING),
        paths=(slow, quick),
        flow=settings(inbox_concurrency=4),
    )


def test_what_needs_no_answer_waits_for_nobodys_place() -> None:
    async def main(world: World) -> None:
        for number in range(20):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        await world.house.dispatcher.drain()
        receive = world.house.receptionist.receive
        for made in world.bank.executed:
            raw = world.bank.webhook(made, f"e{made.id}", status="succeeded", hint=True)
            assert (await receive("toy-eu", raw)).status == 200

        assert await world.house.inbox.step() == 20
        await world.house.inbox.drain()
        assert "read_refund" not in world.bank.asked

    in_world(main, paths=(a_path(concurrency=2),))


def test_amount_that_a_read_leaves_out_is_taken_from_the_signed_event() -> None:
    class Sparing(Toy):
        """Its look-ups say where a refund stands, and not of how much."""

        def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
            found = yield from super().look_up(instruction)
            assert isinstance(found, Found)
            (heard,) = found.matches
            bare = replace(heard.evidence, amount_minor=None)
            return Found((replace(heard, evidence=bare),))

    gateway = Sparing(replace(TOY, reads_refund=False))

    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed[0]
        made.status, made.amount = "succeeded", 499
        await world.hear(world.bank.webhook(made, "e1", hint=True))
        await world.settle(10)

        after = await world.row(refund)
        assert (after.state, after.review_reason) == (S.REVIEW, "amount_mismatch")

    paths = (a_path(gateway=gateway),)
    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=paths, quiet=False)
