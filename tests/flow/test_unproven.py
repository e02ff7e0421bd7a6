"""A body that its signature does not cover is believed only when it is read again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from refundwatch.domain.refund import RefundState
from tests.flow.fakes import a_path
from tests.flow.toy import TOY, Act, Bank, Executed, Toy, delivery
from tests.flow.world import HOUR, World, in_world

S = RefundState
PATHS = (a_path(gateway=Toy(replace(TOY, webhook_signs_body=False))),)


async def waits(world: World, hours: int) -> None:
    """Let the inbox work through the hours, and nobody else."""
    for _ in range(hours):
        await world.settle(HOUR)


def lost() -> Bank:
    return Bank(acts=[Act.LOST_AFTER], reads=["500"] * 10_000)


@pytest.mark.parametrize("status", ["failed", "succeeded"])
def test_word_that_nobody_can_confirm_never_counts_but_calls_people(
    status: str,
) -> None:
    async def main(world: World) -> None:
        payment = await world.a_payment()
        world.bank.reads = []
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        world.bank.reads = ["500"] * 10_000
        told = {**world.bank.executed[0].told(), "status": status, "id": "re_99"}
        await world.hear(delivery([{"event": "e1", **told}], hint=True))
        await waits(world, 26)

        assert (await world.row(refund)).state is S.UNKNOWN
        after = await world.payment()
        assert (after.reserved_minor, after.refunded_minor) == (500, 0)
        assert after.refundable_minor == payment.refundable_minor - 500
        assert "delivery_unconfirmed" in await world.alarms()
        (item,) = _deliveries(world)
        assert (item["state"], item["reason"]) == ("ignored", "unconfirmed")

    in_world(main, bank=lost(), paths=PATHS)


def test_word_that_is_read_again_counts_as_it_is_read() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", status="failed", hint=True))
        made.status = "succeeded"
        await world.settle(10)

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


STRANGER: dict[str, Any] = {
    "event": "e1",
    "id": "re_9",
    "status": "succeeded",
    "reference": "not ours",
    "payment": "pi_1",
    "amount": 300,
    "currency": "EUR",
}


def elsewhere(world: World, **changes: Any) -> None:
    made = Executed("re_9", "k", "not ours", "pi_1", 300, "EUR", "succeeded", 0.0)
    world.bank.executed.append(replace(made, **changes))


def test_stranger_that_is_read_again_is_booked_as_external() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world)
        await world.hear(delivery([STRANGER], hint=True))
        await waits(world, 25)

        assert (await world.payment()).external_minor == 300

    in_world(main, paths=PATHS)


@pytest.mark.parametrize(
    "truth", [None, {"amount": 200}, {"payment": "pi_2"}, {"status": "failed"}]
)
def test_stranger_that_the_gateway_tells_otherwise_is_not_booked(
    truth: dict[str, Any] | None,
) -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        if truth is not None:
            elsewhere(world, **truth)
        await world.hear(delivery([STRANGER], hint=True))
        await waits(world, 49)

        assert (await world.payment()).external_minor == 0
        assert "delivery_unconfirmed" in await world.alarms()

    in_world(main, paths=PATHS)


def test_external_refund_does_not_come_back_on_a_word_that_is_not_read() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world)
        await world.hear(delivery([STRANGER], hint=True))
        await waits(world, 25)
        forged = {**STRANGER, "event": "e2", "status": "failed"}
        await world.hear(delivery([forged], hint=True))
        await waits(world, 25)
        assert (await world.payment()).external_minor == 300
        assert "delivery_unconfirmed" in await world.alarms()

        world.bank.executed[0].status = "failed"
        await world.hear(delivery([{**forged, "event": "e3"}], hint=True))
        await waits(world, 25)
        assert (await world.payment()).external_minor == 0

    in_world(main, paths=PATHS)


def test_stranger_that_cannot_be_read_for_two_days_is_not_booked() -> None:
    async def main(world: World) -> None:
        await world.a_payment()
        elsewhere(world)
        world.bank.reads = ["500"] * 10_000
        await world.hear(delivery([STRANGER], hint=True))
        await waits(world, 30)
        (item,) = _deliveries(world)
        assert item["state"] == "waiting"
        await waits(world, 24)

        assert (await world.payment()).external_minor == 0
        assert "delivery_unconfirmed" in await world.alarms()

    in_world(main, paths=PATHS)


def _deliveries(world: World) -> list[Any]:
    connection = world.store._connection
    return connection.execute("SELECT state, reason FROM delivery").fetchall()
