"""Every row of the classification: what was observed, and what it becomes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Booking, RefundState
from refundwatch.store.contract import ListConnections
from tests.flow.fakes import a_path
from tests.flow.toy import TOY, Act, Bank, Toy
from tests.flow.world import World, in_world

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from refundwatch.domain.refund import Refund
    from refundwatch.gateways.contract import Operation, Outcome

S = RefundState


def becomes(
    act: Act,
    check: Callable[[World, Refund], Coroutine[None, None, None]],
    **parts: Any,
) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        await check(world, refund)

    in_world(main, bank=Bank(acts=[act]), **parts)


async def reserved(world: World) -> tuple[int, int]:
    payment = await world.payment()
    return payment.reserved_minor, payment.refunded_minor


# --- accepted -----------------------------------------------------------------------


def test_documented_success_becomes_succeeded_and_moves_the_amount() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.SUCCEEDED
        assert refund.gateway_reference == "re_1"
        assert await reserved(world) == (0, 500)

    becomes(Act.OK, check)


def test_documented_acceptance_becomes_pending_and_keeps_the_reservation() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.PENDING
        assert refund.due_at is not None
        assert refund.due_at - world.clock.now() == timedelta(hours=1)
        assert await reserved(world) == (500, 0)

    becomes(Act.PENDING, check)


# --- not sent -----------------------------------------------------------------------


def test_never_sent_goes_back_to_the_queue_with_the_same_key() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.first_sent_at is None
        assert refund.booking is Booking.RESERVED
        assert world.bank.orders == []

        await world.settle(10)
        again = await world.row(refund)
        assert again.state is S.SUCCEEDED
        assert world.bank.orders[0].key == refund.idempotency_key

    in_world(main, bank=Bank(acts=[Act.NEVER_SENT]))


# --- sent, unanswered ---------------------------------------------------------------


async def check_unknown(world: World, refund: Refund) -> None:
    assert refund.state is S.UNKNOWN
    assert refund.ambiguous
    assert refund.connection == "toy-eu/main"
    assert await reserved(world) == (500, 0)
    assert refund.due_at is not None
    assert refund.due_at - world.clock.now() == timedelta(seconds=5)


def test_timeout_after_send_becomes_unknown() -> None:
    becomes(Act.LOST_BEFORE, check_unknown)


def test_timeout_after_execution_becomes_unknown() -> None:
    becomes(Act.LOST_AFTER, check_unknown)


def test_unparsable_answer_becomes_unknown() -> None:
    becomes(Act.GARBAGE, check_unknown)


@pytest.mark.parametrize("act", [Act.ERROR_BEFORE, Act.ERROR_AFTER])
def test_server_error_becomes_unknown(act: Act) -> None:
    becomes(act, check_unknown)


def test_conflict_in_flight_becomes_unknown() -> None:
    becomes(Act.IN_PROGRESS, check_unknown)


def test_unrecognised_status_becomes_unknown() -> None:
    becomes(Act.SILENT_CODE, check_unknown)


def test_unavailable_with_retry_after_becomes_unknown_not_due_before_it() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.UNKNOWN
        assert refund.due_at is not None
        assert refund.due_at - world.clock.now() == timedelta(seconds=90)

    becomes(Act.UNAVAILABLE, check)


def test_stored_failure_that_the_key_repeats_becomes_unknown_and_stuck() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.UNKNOWN
        assert refund.key_stuck

    becomes(Act.STORED_ERROR, check)


def test_reader_that_breaks_after_the_send_becomes_unknown() -> None:
    class Broken(Toy):
        def refund(self, *args: Any) -> Operation[Outcome]:
            response = yield next(super().refund(*args))
            raise ValueError(response.status)

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        assert world.log.problems[0][0] == "attempt_broke"

    in_world(main, paths=(a_path(gateway=Broken()),), quiet=False)


# --- throttled ----------------------------------------------------------------------


def test_throttled_and_not_processed_waits_as_long_as_it_was_told() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.due_at is not None
        assert refund.due_at - world.clock.now() >= timedelta(seconds=90)

        await world.settle(80)
        assert len(world.bank.orders) == 1
        await world.settle(60)
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.BUSY]))


def test_throttled_connection_rests_for_every_refund() -> None:
    async def main(world: World) -> None:
        await world.send("r-1", payment="pi_1")
        second = await world.send("r-2", payment="pi_2")
        assert second.state is S.QUEUED
        assert len(world.bank.orders) == 1

        await world.settle(91)
        assert (await world.row(second)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.BUSY]))


def test_throttled_without_a_time_backs_off() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.QUEUED
        assert refund.due_at is not None
        wait = refund.due_at - world.clock.now()
        assert timedelta(seconds=5) <= wait <= timedelta(seconds=7.5)

    becomes(Act.BUSY_SILENT, check)


# --- unauthorized -------------------------------------------------------------------


def test_unauthorized_is_not_executed_and_pauses_the_connection() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        rows = await world.store.read(ListConnections())
        assert rows[0].paused is not None
        assert await world.alarms()

        await world.settle(600)
        assert len(world.bank.orders) == 1

        await world.house.prober.probe_all()
        await world.settle(600)
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.DENIED]))


def test_expired_session_is_renewed_and_the_refund_goes_out_at_once() -> None:
    gateway = Toy(replace(TOY, needs_session=True))

    async def main(world: World) -> None:
        await world.send("r-1", payment="pi_1")
        world.bank.dead_tokens = {"token-1"}
        refund = await world.send("r-2", payment="pi_2")

        assert refund.state is S.SUCCEEDED
        assert refund.attempts == 2
        assert world.bank.tokens == 2
        rows = await world.store.read(ListConnections())
        assert rows[0].paused is None

    in_world(main, paths=(a_path(gateway=gateway),))


def test_refused_permission_pauses_though_the_session_works_elsewhere() -> None:
    gateway = Toy(replace(TOY, needs_session=True))

    async def main(world: World) -> None:
        await world.send("r-1", payment="pi_1")
        world.bank.acts = [Act.DENIED]
        refund = await world.send("r-2", payment="pi_2")

        assert refund.state is S.QUEUED
        rows = await world.store.read(ListConnections())
        assert rows[0].paused == "unauthorized"
        assert "connection_unauthorized" in await world.alarms()
        assert world.bank.tokens == 1

    in_world(main, paths=(a_path(gateway=gateway),))


def test_session_that_is_refused_from_the_first_pauses_the_connection() -> None:
    gateway = Toy(replace(TOY, needs_session=True, reads_payment=False))

    async def main(world: World) -> None:
        refund = await world.send()

        assert refund.state is S.QUEUED
        assert world.bank.tokens == 1
        rows = await world.store.read(ListConnections())
        assert rows[0].paused is not None

    bank = Bank(default=Act.EXPIRED)
    in_world(main, bank=bank, paths=(a_path(gateway=gateway),))


def test_session_that_cannot_be_opened_leaves_the_refund_unsent() -> None:
    gateway = Toy(replace(TOY, needs_session=True, reads_payment=False))

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.first_sent_at is None
        assert world.bank.orders == []

    bank = Bank(token_status=503)
    in_world(main, bank=bank, paths=(a_path(gateway=gateway),))


# --- refused ------------------------------------------------------------------------


def test_documented_refusal_becomes_declined_and_frees_the_amount() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.DECLINED
        assert refund.refused_code == "expired_card"
        assert await reserved(world) == (0, 0)

    becomes(Act.REFUSE, check)


def test_refusal_for_want_of_funds_is_declined_and_warns() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.DECLINED
        assert "insufficient_funds" in await world.alarms()

    becomes(Act.NO_FUNDS, check)


# --- accepted, but something else ---------------------------------------------------


@pytest.mark.parametrize(
    ("act", "difference"),
    [
        (Act.WRONG_AMOUNT, "amount_mismatch"),
        (Act.WRONG_CURRENCY, "currency_mismatch"),
        (Act.WRONG_PAYMENT, "payment_mismatch"),
    ],
)
def test_acceptance_of_something_else_becomes_review_freezes_and_alarms(
    act: Act, difference: str
) -> None:
    async def main(world: World) -> None:
        other = await world.a_refund("r-2", amount=700)
        await world.house.dispatcher.drain()
        refund = await world.row(other)

        assert refund.state is S.REVIEW
        assert refund.review_reason == difference
        assert (await world.payment()).frozen == difference
        assert await reserved(world) == (700, 0)
        assert "refund_contradiction" in await world.alarms()

    in_world(main, bank=Bank(acts=[act]))


def test_unseen_status_becomes_review_with_its_raw_value() -> None:
    async def check(world: World, refund: Refund) -> None:
        assert refund.state is S.REVIEW
        assert refund.review_reason == "unseen_status:on_holiday"

    becomes(Act.UNSEEN, check)


# --- the process died ---------------------------------------------------------------


def test_attempt_of_a_dead_process_becomes_unknown_at_start() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        room = asyncio.ensure_future(world.house.dispatcher.drain())
        await asyncio.sleep(5)
        assert (await world.row(refund)).state is S.SENDING
        await world.house.dispatcher.jobs.cancel()
        await room
        assert (await world.row(refund)).state is S.SENDING

        await world.restart()
        assert (await world.row(refund)).state is S.UNKNOWN
        await world.settle()
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.executed) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_attempt_whose_lease_ran_out_becomes_unknown_by_the_calendar() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        room = asyncio.ensure_future(world.house.dispatcher.drain())
        await asyncio.sleep(5)
        await world.house.dispatcher.jobs.cancel()
        await room

        await world.house.calendar.run_due(world.clock.now())
        assert (await world.row(refund)).state is S.SENDING
        await asyncio.sleep(60)
        await world.house.calendar.run_due(world.clock.now())
        assert (await world.row(refund)).state is S.UNKNOWN

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))
