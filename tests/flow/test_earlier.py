"""Before a new key is used the gateway is asked about the old ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution, Unresolvable
from refundwatch.domain.refund import RefundState
from refundwatch.gateways.contract import Lookup
from refundwatch.store.contract import ApplyEvent, DecideRefund
from tests.flow.fakes import a_path
from tests.flow.toy import TOY, Act, Bank, Toy
from tests.flow.world import HOUR, World, in_world
from tests.making import ANN, OLA

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund

S = RefundState


async def sent_again(world: World) -> Refund:
    """Leave a first send in doubt, and let two people take it for not executed."""
    refund = await world.send()
    assert refund.state is S.UNKNOWN
    doubt = Unresolvable("absent_outside_window")
    await world.store.execute(ApplyEvent(world.clock.now(), refund.id, doubt))
    for who in (OLA, ANN):
        await world.store.execute(
            DecideRefund(
                at=world.clock.now(),
                principal=who,
                refund_id=refund.id,
                decision=Verdict.RESOLVE,
                revision=refund.revision,
                request_sha256=None,
                reason_code="absent",
                policy=world.policy,
                resolution=Resolution.RESEND,
            )
        )
    again = await world.row(refund)
    assert (again.state, again.generation) == (S.QUEUED, 1)
    return again


@pytest.mark.parametrize("status", ["pending", "succeeded", "on_holiday"])
def test_what_an_earlier_key_executed_is_not_sent_again(status: str) -> None:
    async def main(world: World) -> None:
        refund = await sent_again(world)
        world.bank.executed[0].status = status
        await world.settle(HOUR)
        after = await world.row(refund)

        assert after.state is S.REVIEW
        assert after.gateway_reference == "re_1"
        assert len(world.bank.orders) == 1
        assert (await world.payment()).reserved_minor == 500

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_what_failed_under_an_earlier_key_is_sent_under_the_next() -> None:
    async def main(world: World) -> None:
        refund = await sent_again(world)
        world.bank.executed[0].status = "failed"
        await world.settle(HOUR)

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 2

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_nothing_is_sent_while_the_earlier_key_cannot_be_asked_about() -> None:
    async def main(world: World) -> None:
        refund = await sent_again(world)
        world.bank.reads = ["500", "lost", "never"]
        await world.house.dispatcher.drain()
        for _ in range(2):
            await world.settle(60)
            assert len(world.bank.orders) == 1
        await world.walk(refund, HOUR)

        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 2

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]))


def test_a_gateway_that_cannot_be_asked_is_left_to_the_two_people() -> None:
    blind = Toy(replace(TOY, lookup=Lookup.NONE, reads_refund=False))

    async def main(world: World) -> None:
        refund = await sent_again(world)
        await world.settle(HOUR)

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=blind),))
