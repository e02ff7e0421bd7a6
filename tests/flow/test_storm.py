"""Random answers, random deliveries, random deaths: the books stay true."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.flow import toy
from tests.flow.fakes import a_path
from tests.flow.simloop import SimLoop, simulate
from tests.flow.toy import DAY, Act, Bank
from tests.flow.truth import check_truth, watch_orders
from tests.flow.world import World, in_world, open_world

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Capabilities

ANYTHING = [
    act
    for act in Act
    if act not in {Act.WRONG_AMOUNT, Act.WRONG_CURRENCY, Act.WRONG_PAYMENT, Act.EXPIRED}
]
GATEWAYS = [
    (toy.TOY, True),
    (toy.NO_WINDOW, False),
    (toy.COMPLETE, False),
    (toy.BLIND, True),
]
"""What a gateway declares, and whether it honours keys: it never declares more."""

READS = ["", "", "", "lost", "never", "500", "429 after 60"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    gateway=st.sampled_from(GATEWAYS),
    acts=st.lists(st.sampled_from(list(Act)), max_size=12),
    reads=st.lists(st.sampled_from(READS), max_size=12),
)
def test_any_sequence_of_answers_ends_true(
    gateway: tuple[Capabilities, bool], acts: list[Act], reads: list[str]
) -> None:
    declared, honours_keys = gateway

    async def main(world: World) -> None:
        watch_orders(world)
        first = await world.a_refund("r-1")
        await world.a_refund("r-2", amount=700)
        await world.a_refund("r-3", payment="pi_2")
        world.bank.acts, world.bank.reads = list(acts), list(reads)
        world.start()
        for _ in range(8):
            await asyncio.sleep(DAY / 4)
            await world.house.prober.probe_all()
        world.kill()
        await world.restart()
        await world.walk(first, 3 * DAY)
        await check_truth(world, at_rest=False)

    in_world(
        main,
        bank=Bank(honours_keys=honours_keys),
        paths=(a_path(gateway=toy.Toy(declared)),),
    )


class Storm:
    """One run: a seed decides everything."""

    def __init__(self, loop: SimLoop, seed: int) -> None:
        self.loop = loop
        self.dice = random.Random(seed)
        self.declared, self.honours_keys = GATEWAYS[seed % len(GATEWAYS)]
        self.deaths = 0

    async def run(self) -> None:
        bank = Bank(latency=0.3, honours_keys=self.honours_keys)
        gateway = toy.Toy(self.declared)
        world = await open_world(self.loop, bank, (a_path(gateway=gateway),))
        watch_orders(world)
        for number in range(8):
            await world.a_refund(
                f"r-{number}",
                amount=self.dice.randrange(1, 4000),
                payment=f"pi_{number % 4}",
            )
        bank.acts = [self.dice.choice(ANYTHING) for _ in range(14)]
        bank.reads = [self.dice.choice(READS) for _ in range(20)]
        world.start()
        posting = asyncio.ensure_future(self._post(world))
        for _ in range(self.dice.randrange(5)):
            await self._die_soon(world)
        await asyncio.sleep(6 * 3600)
        await world.house.prober.probe_all()
        await asyncio.sleep(3 * DAY)
        posting.cancel()
        world.kill()
        await world.restart()
        await check_truth(world, at_rest=False)
        await world.store.close()

    async def _die_soon(self, world: World) -> None:
        """Die at some step of the next busy minute, and start again."""
        left = self.dice.randrange(1, 300)

        def step(_: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                world.kill()

        self.loop.on_step = step
        await asyncio.sleep(self.dice.choice([5, 30, 90]))
        self.loop.on_step = None
        if left <= 0:
            self.deaths += 1
        world.kill()
        await world.restart()
        world.start()

    async def _post(self, world: World) -> None:
        """Let the bank finish its refunds and tell of them: late, twice, or never."""
        told: set[str] = set()
        count = 0
        while True:
            await asyncio.sleep(self.dice.choice([1, 20, 900]))
            for made in list(world.bank.executed):
                if made.status == "pending" and self.dice.random() < 0.5:
                    made.status = self.dice.choice(["succeeded", "failed"])
                if made.id in told or self.dice.random() < 0.6:
                    continue
                told.add(made.id)
                for _ in range(self.dice.choice([1, 1, 3])):
                    count += 1
                    hint = self.dice.random() < 0.5
                    raw = world.bank.webhook(made, f"e{count // 2}", hint=hint)
                    await self._deliver(world, raw)

    async def _deliver(self, world: World, raw: object) -> None:
        life = world.life
        try:
            await world.house.receptionist.receive("toy-eu", raw)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            if life["alive"]:
                raise


async def storm(loop: SimLoop, seed: int) -> int:
    one = Storm(loop, seed)
    await one.run()
    return one.deaths


@pytest.mark.parametrize("block", range(6))
def test_storm_of_faults_and_deaths_leaves_the_books_true(block: int) -> None:
    deaths = 0
    for seed in range(block * 25, block * 25 + 25):
        try:
            deaths += simulate(partial(storm, seed=seed), seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    assert deaths > 5
