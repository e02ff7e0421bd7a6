"""What becomes of an unknown refund: every branch, and the clocks around them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.gateways.contract import EventKind
from refundwatch.store.contract import LookUpNow
from tests.flow import toy
from tests.flow.fakes import a_path, settings
from tests.flow.toy import DAY, TOY, Act, Bank, Toy
from tests.flow.world import HOUR, World, in_world

S = RefundState

NO_WINDOW = Toy(toy.NO_WINDOW)
COMPLETE = Toy(toy.COMPLETE)
BLIND = Toy(toy.BLIND)


# --- found --------------------------------------------------------------------------


def test_executed_refund_is_found_by_our_reference_and_adopted() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.settle(5)
        found = await world.row(refund)

        assert found.state is S.SUCCEEDED
        assert found.gateway_reference == "re_1"
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_pending_refund_found_by_look_up_is_polled_later() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.executed[0].status = "pending"
        await world.settle(5)
        found = await world.row(refund)

        assert found.state is S.PENDING
        assert found.due_at is not None
        assert found.due_at - world.clock.now() == timedelta(hours=1)

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_refund_found_with_another_amount_becomes_review_and_freezes() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.executed[0].amount = 501
        await world.settle(5)

        assert (await world.row(refund)).state is S.REVIEW
        assert (await world.payment()).frozen == "amount_mismatch"
        world.bank.executed[0].amount = 500

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_two_refunds_with_our_reference_are_a_contradiction() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        twin = replace(world.bank.executed[0], id="re_twin")
        world.bank.executed.append(twin)
        await world.settle(5)
        found = await world.row(refund)

        assert found.state is S.REVIEW
        assert found.review_reason == "gateway_reference_mismatch"
        assert (await world.payment()).frozen is not None
        world.bank.executed.remove(twin)

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


# --- not found, inside the window ---------------------------------------------------


def test_absent_inside_the_window_is_sent_again_with_the_same_key_and_bytes() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.settle(5)
        again = await world.row(refund)

        assert again.state is S.SUCCEEDED
        first, second = world.bank.orders
        assert (first.key, first.body) == (second.key, second.body)
        assert first.target == second.target
        assert again.attempts == 2

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


def test_request_that_was_still_on_its_way_executes_once_for_its_key() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.settle(5)
        await asyncio.sleep(HOUR)
        await world.settle()

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 2
        assert len(world.bank.executed) == 1

    in_world(main, bank=Bank(acts=[Act.LATE]))


def test_looks_back_off_and_never_stop_inside_the_window() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, 22 * HOUR, probe_every=60)

        assert after.state is S.UNKNOWN
        gaps = [
            round(later.at - sooner.at) for sooner, later in pairwise(world.bank.orders)
        ]
        assert gaps == [25, 50, 140, 620, 3620, 21620]

    in_world(main, bank=Bank(default=Act.LOST_BEFORE))


def test_refusal_after_an_ambiguous_attempt_that_can_be_an_echo_is_looked_up() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.honours_keys = False
        world.bank.acts = [Act.REFUSE_ECHO]
        await world.settle(5)
        doubted = await world.row(refund)
        assert doubted.state is S.UNKNOWN
        assert doubted.refused_code == "already_refunded"

        world.bank.finds_after = 0
        await world.settle(HOUR)
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 2

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER], finds_after=600))


def test_refusal_that_is_no_echo_is_confirmed_by_a_look_up() -> None:
    gateway = Toy(replace(TOY, replay_is_authoritative=False))

    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.acts = [Act.REFUSE]
        await world.settle(5)
        assert (await world.row(refund)).state is S.UNKNOWN

        after = await world.walk(refund, HOUR)
        assert after.state is S.DECLINED
        assert (await world.payment()).reserved_minor == 0
        assert len(world.bank.orders) == 2

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=gateway),))


def test_stuck_key_is_never_sent_again_only_looked_up() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, 12 * HOUR)

        assert after.state is S.REVIEW
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.STORED_ERROR]))


def test_resend_stays_on_its_connection() -> None:
    paths = (a_path(name="main"), a_path(name="spare"))

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.connection == "toy-eu/main"
        for _ in range(3):
            world.bank.reads = ["500"]
            await world.house.prober.probe_all()
        await world.settle(5)

        assert {sent.connection for sent in world.bank.orders} == {"toy-eu/main"}
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=paths)


def test_resend_waits_while_its_connection_is_paused() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.reads = ["401"]
        await world.house.prober.probe_all()
        await world.settle(5)
        assert (await world.row(refund)).state is S.UNKNOWN
        assert len(world.bank.orders) == 1

        await world.house.prober.probe_all()
        await world.settle(HOUR)
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


def test_resend_takes_the_connection_it_was_sent_over_not_the_first() -> None:
    paths = (a_path(name="main"), a_path(name="spare"))

    async def main(world: World) -> None:
        world.bank.reads = ["401"]
        await world.house.prober.probe(paths[0])
        refund = await world.send()
        assert refund.connection == "toy-eu/spare"
        await world.house.prober.probe(paths[0])
        await world.settle(5)

        assert [sent.connection for sent in world.bank.orders] == ["toy-eu/spare"] * 2
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=paths)


def test_stop_while_looking_up_sends_nothing_again() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.latency = 2.0
        await asyncio.sleep(5)
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.resolver.run(stop))
        await asyncio.sleep(1)
        stop.set()
        await room

        assert len(world.bank.orders) == 1
        assert (await world.row(refund)).state is S.UNKNOWN

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


FREEZE = {"kind": EventKind.DISPUTE_OPENED, "event": "d1", "payment": "pi_1"}


def test_absence_of_what_a_frozen_payment_holds_back_goes_to_people() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.hear(toy.delivery([FREEZE]))
        after = await world.walk(refund, HOUR)
        assert after.state is S.UNKNOWN
        after = await world.walk(refund, 8 * HOUR)

        assert after.state is S.REVIEW
        assert after.review_reason == "absent_and_frozen"
        assert (await world.payment()).reserved_minor == 500
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


def test_resend_that_is_refused_for_a_frozen_payment_is_tried_later_and_later() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.hear(toy.delivery([FREEZE]))
        asked = world.count_commands()
        after = await world.walk(refund, HOUR / 2)

        assert after.state is S.UNKNOWN
        assert len(world.bank.orders) == 1
        assert 3 <= asked.count("ClaimRefund") <= 5

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


def test_doubt_of_a_frozen_payment_at_a_gateway_that_cannot_be_asked_stays_open() -> (
    None
):
    async def main(world: World) -> None:
        refund = await world.send()
        await world.hear(toy.delivery([FREEZE]))
        after = await world.walk(refund, 20 * HOUR)

        assert after.state is S.UNKNOWN
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=BLIND),))


# --- not found, outside the window --------------------------------------------------


def test_absent_outside_the_window_twice_becomes_review() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, 115)
        assert after.state is S.UNKNOWN
        after = await world.walk(refund, HOUR)

        assert after.state is S.REVIEW
        assert after.review_reason == "absent_outside_window"
        assert "refund_unresolvable" in await world.alarms()
        assert (await world.payment()).reserved_minor == 500
        assert len(world.bank.orders) == 1

    in_world(
        main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=NO_WINDOW),)
    )


def test_absent_from_a_complete_listing_is_sent_again_with_the_same_key() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, HOUR)

        assert after.state is S.SUCCEEDED
        first, second = world.bank.orders
        assert first.key == second.key
        assert second.at - first.at >= 120 + 300
        assert len(world.bank.executed) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=COMPLETE),))


def test_late_execution_is_found_before_absence_counts() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, HOUR)

        assert after.state is S.SUCCEEDED
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LATE]), paths=(a_path(gateway=COMPLETE),))


def test_first_sent_long_ago_is_not_sent_again() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.reads = ["500"] * 40
        await world.walk(refund, 25 * HOUR)
        world.bank.reads = []
        orders = len(world.bank.orders)
        after = await world.walk(refund, 48 * HOUR)

        assert after.state is S.REVIEW
        assert len(world.bank.orders) == orders == 1

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


# --- a gateway that cannot be asked -------------------------------------------------


def test_gateway_without_look_up_is_sent_to_again_inside_the_window() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.settle(5)

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert "look_up" not in world.bank.asked
        assert len(world.bank.executed) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=(a_path(gateway=BLIND),))


def test_gateway_without_look_up_ends_in_review_after_the_window() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, 60 * HOUR)

        assert after.state is S.REVIEW
        assert after.review_reason == "no_lookup_outside_window"
        window = 23 * HOUR
        assert all(sent.at < window for sent in world.bank.orders)

    in_world(main, bank=Bank(default=Act.LOST_BEFORE), paths=(a_path(gateway=BLIND),))


# --- look-ups that fail -------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "never", "500"])
def test_failed_look_up_says_nothing_and_is_repeated_later_and_later(
    fault: str,
) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.reads = [fault] * 3
        await world.settle(5)
        later = await world.row(refund)
        assert later.state is S.UNKNOWN
        assert later.lookups == 0
        first = later.due_at
        assert first is not None

        await world.settle((first - world.clock.now()).total_seconds())
        second = (await world.row(refund)).due_at
        assert second is not None
        assert second - first > timedelta(seconds=20)

        await world.walk(refund, HOUR)
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_throttled_look_up_waits_as_long_as_it_was_told() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.reads = ["429 after 700"]
        await world.settle(5)
        later = await world.row(refund)

        assert later.state is S.UNKNOWN
        assert later.due_at is not None
        assert later.due_at - world.clock.now() == timedelta(seconds=700)

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_throttled_connection_is_asked_nothing_else_until_its_rest_ends() -> None:
    async def main(world: World) -> None:
        first = await world.send("r-1", payment="pi_1")
        second = await world.send("r-2", payment="pi_2")
        world.bank.reads = ["429 after 100"]
        await world.walk(first, 60)
        assert world.bank.asked.count("look_up") == 1
        await world.walk(first, 200)

        assert (await world.row(first)).state is S.SUCCEEDED
        assert (await world.row(second)).state is S.SUCCEEDED

    in_world(
        main,
        bank=Bank(acts=[Act.LOST_AFTER, Act.LOST_AFTER]),
        paths=(a_path(concurrency=1),),
    )


# --- clocks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "jump",
    [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3650), -timedelta(days=9)],
)
@pytest.mark.parametrize("act", [Act.LOST_BEFORE, Act.LOST_AFTER, Act.LATE])
@pytest.mark.parametrize("gateway", [Toy(), NO_WINDOW, COMPLETE, BLIND])
def test_jump_of_the_wall_clock_changes_no_execution_count(
    jump: timedelta, act: Act, gateway: Toy
) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.clock.jump = jump
        await world.walk(refund, 3 * DAY)

        assert len(world.bank.executed) <= 1
        payment = await world.payment()
        held = payment.reserved_minor + payment.refunded_minor
        assert held == 500

    in_world(main, bank=Bank(acts=[act]), paths=(a_path(gateway=gateway),))


def test_wall_clock_that_runs_ahead_does_not_prove_an_absence_early() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.clock.jump = timedelta(days=2)
        after = await world.walk(refund, 100)
        assert after.state is S.UNKNOWN
        after = await world.walk(refund, HOUR)

        assert after.state is S.SUCCEEDED
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LATE]), paths=(a_path(gateway=COMPLETE),))


def test_send_and_counted_absence_are_noted_by_the_monotonic_clock() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        ages = world.house.equipment.ages
        sent = await world.row(refund)
        assert ages.missing_seconds(sent, 120, 300) == 100
        await world.settle(120)
        looked = await world.row(refund)
        assert looked.negative_lookup_at == world.clock.now()
        assert ages.missing_seconds(looked, 0, 300) == 300

    in_world(
        main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=NO_WINDOW),)
    )


def test_wall_clock_that_jumps_between_looks_does_not_prove_an_absence_early() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.honours_keys = False
        world.start()
        for jumps in range(1, 6):
            world.clock.jump = timedelta(days=2 * jumps)
            world.house.resolver.bell.ring()
            await asyncio.sleep(3)
        assert len(world.bank.orders) == 1
        await asyncio.sleep(100)
        world.clock.jump = timedelta(days=12)
        world.house.resolver.bell.ring()
        await asyncio.sleep(HOUR)
        world.kill()

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LATE]), paths=(a_path(gateway=COMPLETE),))


def test_restart_does_not_shorten_the_age_of_an_open_question() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.reads = ["500"] * 100
        await world.walk(refund, 25 * HOUR)
        await world.restart()
        world.bank.reads = []
        await world.walk(refund, 30 * HOUR)

        assert len(world.bank.orders) == 1
        assert (await world.row(refund)).state is S.REVIEW

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


# --- polls --------------------------------------------------------------------------


def test_pending_is_asked_about_and_ends_as_the_gateway_says() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        waiting = await world.walk(refund, 5 * HOUR)
        assert waiting.state is S.PENDING
        assert world.bank.asked.count("read_refund") == 1

        world.bank.executed[0].status = "succeeded"
        after = await world.walk(refund, 10 * HOUR)
        assert after.state is S.SUCCEEDED
        assert (await world.payment()).refunded_minor == 500

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_pending_that_fails_frees_the_amount() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.executed[0].status = "failed"
        after = await world.walk(refund, 2 * HOUR)

        assert after.state is S.DECLINED
        assert (await world.payment()).reserved_minor == 0

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_pending_where_nobody_can_be_asked_is_left_to_its_webhook() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await world.walk(refund, 50 * HOUR)

        assert world.bank.asked == ["refund"]

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=(a_path(gateway=BLIND),))


def test_pending_that_a_person_looks_up_where_nobody_can_be_asked_stays() -> None:
    operator = Principal("person:olga", frozenset({Role.OPERATOR}))

    async def main(world: World) -> None:
        refund = await world.send()
        now = world.clock.now()
        await world.store.execute(LookUpNow(now, operator, refund.id))
        await world.settle()
        after = await world.row(refund)

        assert after.state is S.PENDING
        assert after.due_at is not None
        assert after.due_at - now > timedelta(days=300)

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=(a_path(gateway=BLIND),))


def test_person_who_looks_up_now_does_not_wait_for_the_poll() -> None:
    operator = Principal("person:olga", frozenset({Role.OPERATOR}))

    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.executed[0].status = "succeeded"
        await world.store.execute(LookUpNow(world.clock.now(), operator, refund.id))
        await world.settle()

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_pending_that_the_gateway_does_not_know_calls_people() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed.pop()
        await world.walk(refund, 2 * HOUR)
        assert "pending_not_found" in await world.alarms()

        world.bank.executed.append(replace(made, status="succeeded"))
        after = await world.walk(refund, 24 * HOUR)
        assert after.state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


@pytest.mark.parametrize("fault", ["lost", "never", "500"])
def test_failed_poll_is_repeated(fault: str) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.executed[0].status = "succeeded"
        world.bank.reads = [fault, fault]
        after = await world.walk(refund, 3 * HOUR)

        assert after.state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]))


def test_slow_gateway_does_not_delay_the_look_ups_of_another() -> None:
    paths = (
        a_path(account="toy-eu", concurrency=2),
        a_path(account="toy-us", concurrency=2),
    )

    async def main(world: World) -> None:
        slow = [
            await world.a_refund(f"s-{n}", payment=f"ps_{n}", account="toy-us")
            for n in range(40)
        ]
        quick = await world.a_refund("q-1")
        await world.house.dispatcher.drain()
        assert (await world.row(slow[0])).state is S.UNKNOWN
        assert (await world.row(quick)).state is S.UNKNOWN
        world.bank.slow = {"toy-us/main": 100}
        asked = world.count_reads()
        after = await world.walk(quick, 30)

        assert after.state is S.SUCCEEDED
        assert asked.count("DueLookups") < 30

    in_world(
        main,
        bank=Bank(default=Act.LOST_AFTER),
        paths=paths,
        flow=settings(lookup_concurrency=4),
    )
