"""A wall clock that was ahead and was set right leaves nothing behind in the future."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.refund import RefundState
from tests.flow.simloop import START
from tests.flow.toy import Act, Bank, delivery
from tests.flow.world import HOUR, World, in_world

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund

S = RefundState
AHEAD = [timedelta(days=3), timedelta(days=3650)]


async def run_for(world: World, seconds: float) -> None:
    """Let the rooms work, with the calendar beside them."""
    end = world.loop.time() + seconds
    world.start()
    while world.loop.time() < end:
        await asyncio.sleep(60)
        await world.house.calendar.run_due(world.clock.now())
    world.kill()
    await world.restart()


async def set_right(world: World, refund: Refund, *, restart: bool) -> Refund:
    """Set the clock right, start again or not, and give it a day."""
    world.clock.jump = timedelta(0)
    if restart:
        world.kill()
        await world.restart()
    await run_for(world, 25 * HOUR)
    assert {name for name, _ in world.log.problems} == {"clock_was_ahead"}
    return await world.row(refund)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize(
    ("act", "ends"),
    [
        (Act.BUSY, {S.SUCCEEDED}),
        (Act.LOST_AFTER, {S.SUCCEEDED}),
        (Act.LOST_BEFORE, {S.SUCCEEDED, S.REVIEW}),
        (Act.STORED_ERROR, {S.REVIEW}),
    ],
)
def test_refund_of_a_clock_that_was_ahead_ends_within_a_day(
    act: Act, ends: set[RefundState], ahead: timedelta, *, restart: bool
) -> None:
    async def main(world: World) -> None:
        world.clock.jump = ahead
        refund = await world.send()
        assert refund.state in {S.QUEUED, S.UNKNOWN}
        after = await set_right(world, refund, restart=restart)

        assert after.state in ends
        assert len(world.bank.executed) <= 1

    in_world(main, bank=Bank(acts=[act]), quiet=False)


STRANGER = {
    "event": "e1",
    "id": "re_9",
    "status": "succeeded",
    "reference": "not ours",
    "payment": "pi_1",
    "amount": 300,
    "currency": "EUR",
}


@pytest.mark.parametrize("ahead", AHEAD)
def test_acceptance_of_a_clock_that_was_ahead_is_polled_within_a_day(
    ahead: timedelta,
) -> None:
    async def main(world: World) -> None:
        world.clock.jump = ahead
        refund = await world.send()
        assert refund.state is S.PENDING
        # Finished there without a word: only a poll can tell.
        world.bank.executed[0].status = "succeeded"
        after = await set_right(world, refund, restart=False)

        assert after.state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]), quiet=False)


def test_delivery_of_a_clock_that_was_ahead_is_looked_at_again() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund("r-1", amount=1)
        world.clock.jump = timedelta(days=3650)
        await world.hear(delivery([STRANGER]))
        await set_right(world, refund, restart=False)
        tries = world.store._connection.execute("SELECT tries FROM delivery")

        assert tries.fetchone()["tries"] > 3

    in_world(main, quiet=False)


@pytest.mark.parametrize("occurred", [START, None])
def test_unmatched_delivery_of_a_clock_that_was_ahead_is_booked_in_the_end(
    occurred: datetime | None,
) -> None:
    told = dict(STRANGER)
    if occurred is not None:
        told["occurred_at"] = occurred.isoformat()

    async def main(world: World) -> None:
        refund = await world.a_refund("r-1", amount=1)
        world.clock.jump = timedelta(days=3650)
        await world.hear(delivery([told]))
        await set_right(world, refund, restart=False)
        if occurred is None:
            await run_for(world, 48 * HOUR)

        assert (await world.payment()).external_minor == 300

    in_world(main, quiet=False)
