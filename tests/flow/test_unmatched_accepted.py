"""A stranger's refund whose end comes by no webhook is read when its time is over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flow.toy import Executed, delivery
from tests.flow.world import HOUR, World, in_world

ACCEPTED: dict[str, Any] = {
    "event": "e1",
    "id": "re_9",
    "status": "pending",
    "reference": "not ours",
    "payment": "pi_1",
    "amount": 300,
    "currency": "EUR",
}


def elsewhere(world: World, status: str) -> None:
    made = Executed("re_9", "k", "not ours", "pi_1", 300, "EUR", status, 0.0)
    world.bank.executed.append(made)


async def waits(world: World, hours: int) -> None:
    for _ in range(hours):
        await world.settle(HOUR)


@pytest.mark.parametrize("status", ["succeeded", "settled"])
def test_accepted_stranger_that_was_paid_meanwhile_is_booked(status: str) -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world, status)
        await world.hear(delivery([ACCEPTED], hint=True))
        await waits(world, 23)
        assert (await world.payment()).external_minor == 0
        await waits(world, 3)
        assert (await world.payment()).external_minor == 300

    in_world(main)


def test_accepted_stranger_that_stays_on_its_way_is_read_for_another_day() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world, "pending")
        await world.hear(delivery([ACCEPTED], hint=True))
        await waits(world, 30)
        assert (await world.payment()).external_minor == 0
        world.bank.executed[-1].status = "succeeded"
        await waits(world, 3)
        assert (await world.payment()).external_minor == 300

    in_world(main)


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_accepted_stranger_that_came_to_nothing_is_only_alarmed(status: str) -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world, status)
        await world.hear(delivery([ACCEPTED], hint=True))
        await waits(world, 50)
        assert (await world.payment()).external_minor == 0
        assert "delivery_unmatched" in await world.alarms()

    in_world(main)
