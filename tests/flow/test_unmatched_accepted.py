"""A stranger's refund whose end comes by no webhook is read when its time is over."""

from __future__ import annotations

from typing import Any

import pytest

from refundwatch.domain.refund import RefundState
from tests.flow.toy import Act, Bank, Executed, delivery
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


BARE: dict[str, Any] = {"event": "e2", "id": "re_9", "status": "pending"}


@pytest.mark.parametrize("wordless", [False, True])
def test_stranger_whose_event_states_only_its_name_is_read_and_booked(
    *, wordless: bool
) -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world, "succeeded")
        await world.hear(delivery([{**BARE, "wordless": wordless}], hint=True))
        await waits(world, 25)

        payment = await world.payment()
        assert (payment.external_minor, payment.refunded_minor) == (300, 300)
        assert "payment_refunded_elsewhere" in await world.alarms()

    in_world(main)


def test_event_that_states_only_a_name_which_is_never_shown_is_alarmed() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        await world.hear(delivery([BARE], hint=True))
        await waits(world, 50)

        assert (await world.payment()).external_minor == 0
        assert "delivery_unmatched" in await world.alarms()

    in_world(main)


def test_event_that_states_only_the_name_of_a_refund_of_ours_is_not_booked() -> None:
    """A refund people took for not executed was, and only a read tells its name."""

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is RefundState.DECLINED
        ours = refund.merchant_reference
        made = Executed("re_9", "k", ours, "pi_1", 500, "EUR", "succeeded", 0.0)
        world.bank.executed.append(made)
        await world.hear(delivery([BARE], hint=True))
        await waits(world, 25)

        payment = await world.payment()
        assert (payment.external_minor, payment.refunded_minor) == (0, 500)
        assert "refund_executed_after_end" in await world.alarms()

    in_world(main, bank=Bank(acts=[Act.REFUSE]))
