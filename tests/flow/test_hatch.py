"""Deliveries that make us read, beside the orders of the same connection."""

from __future__ import annotations

import asyncio
from typing import Any

from refundwatch.domain.refund import RefundState
from refundwatch.gateways.contract import Forged, HttpRequest, Received
from tests.flow.fakes import a_path
from tests.flow.toy import Bank, Toy, delivery
from tests.flow.world import World, in_world

FLOOD = 12
ITEM = {"event": "e1", "id": "re_1", "status": "succeeded"}


class Unsigned(Toy):
    """Reads what a delivery names, as gateways do whose webhooks bear no signature."""

    def receive(self, *_: Any) -> Any:
        response = yield HttpRequest("read_webhook", "GET", "/health")
        return Received(()) if response.status == 200 else Forged("unknown")


async def _flood(world: World, ended: asyncio.Event) -> None:
    """Send deliveries without end, each as soon as the last was answered."""
    while not ended.is_set():
        await world.house.receptionist.receive("toy-eu", delivery([ITEM]))
        await asyncio.sleep(0.01)


def test_flood_of_unsigned_deliveries_passes_no_limit_and_starves_no_order() -> None:
    async def main(world: World) -> None:
        ended = asyncio.Event()
        flood = [asyncio.create_task(_flood(world, ended)) for _ in range(FLOOD)]
        await asyncio.sleep(5)
        refund = await world.a_refund()
        sent = await world.walk(refund, 20)
        ended.set()
        await asyncio.gather(*flood)

        assert sent.state is RefundState.SUCCEEDED
        assert world.bank.most_open["toy-eu/main"] == 1
        assert world.bank.asked.count("read_webhook") > 3

    path = a_path(gateway=Unsigned(), concurrency=1)
    in_world(main, bank=Bank(latency=1.0), paths=(path,), quiet=False)


def test_order_that_found_the_only_place_taken_by_a_read_goes_once_it_is_free() -> None:
    async def main(world: World) -> None:
        reading = asyncio.create_task(
            world.house.receptionist.receive("toy-eu", delivery([ITEM]))
        )
        await asyncio.sleep(0.5)
        refund = await world.a_refund()
        sent = await world.walk(refund, 10)
        await reading

        assert sent.state is RefundState.SUCCEEDED

    path = a_path(gateway=Unsigned(), concurrency=1)
    in_world(main, bank=Bank(latency=1.0), paths=(path,))
