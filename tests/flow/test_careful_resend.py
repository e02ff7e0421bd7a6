"""Where a failed answer frees the key, a resend waits for two look-ups."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from refundwatch.domain.refund import RefundState
from tests.flow.fakes import a_path
from tests.flow.toy import TOY, Act, Bank, Toy
from tests.flow.world import HOUR, World, in_world

CAREFUL = Toy(replace(TOY, resend_wait_seconds=120))


def test_absent_is_sent_again_only_after_two_looks_apart() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        after = await world.walk(refund, 200)
        assert after.state is RefundState.UNKNOWN
        assert len(world.bank.orders) == 1
        after = await world.walk(refund, HOUR)

        assert after.state is RefundState.SUCCEEDED
        first, second = world.bank.orders
        assert (first.key, first.body) == (second.key, second.body)
        assert second.at - first.at >= 240

    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=(a_path(gateway=CAREFUL),))


def test_late_execution_is_found_before_anything_is_sent_again() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        world.bank.honours_keys = False
        world.start()
        for jumps in range(1, 6):
            world.clock.jump = timedelta(hours=jumps)
            world.house.resolver.bell.ring()
            await asyncio.sleep(3)
        await asyncio.sleep(HOUR)
        world.kill()

        assert (await world.row(refund)).state is RefundState.SUCCEEDED
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LATE]), paths=(a_path(gateway=CAREFUL),))
