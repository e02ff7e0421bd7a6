from __future__ import annotations

import asyncio

import pytest

from refundwatch.sandbox.clock import SteadyClock
from refundwatch.sandbox.delivery import DeliveryWorker
from tests.sandbox.hands import Hands


@pytest.mark.parametrize("turns", range(5))
async def test_a_wake_at_the_last_moment_keeps_no_worker_alive(turns: int) -> None:
    hands, clock = Hands(), SteadyClock()
    hands.world.model("stripe").schedule(clock.now() + 3_600, "settles")
    worker = DeliveryWorker(hands.world, clock)
    async with asyncio.timeout(5), worker.running():
        # Long enough asleep that it waits for what is due in an hour.
        await asyncio.sleep(0.01)
        worker.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
