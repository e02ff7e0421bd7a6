"""The daemon dies at every single step of a refund's way, and nothing is lost."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from refundwatch.domain.refund import RefundState
from tests.flow.fakes import a_path
from tests.flow.simloop import SimLoop, simulate
from tests.flow.toy import DAY, TOY, Act, Bank, Toy
from tests.flow.truth import check_truth, watch_orders
from tests.flow.world import World, open_world

S = RefundState


async def one_life(loop: SimLoop, act: Act, gateway: Toy, dies_at: int | None) -> int:
    """Send one refund; die at a step; start again; check. Return the steps it took."""
    bank = Bank(acts=[act], latency=0.2)
    world = await open_world(loop, bank, paths=(a_path(gateway=gateway),))
    watch_orders(world)
    refund = await world.a_refund()
    begun = loop.steps
    fired = False

    def step(count: int) -> None:
        nonlocal fired
        if not fired and dies_at is not None and count - begun == dies_at:
            fired = True
            world.kill()

    world.start()
    loop.on_step = step
    await asyncio.sleep(40)
    loop.on_step = None
    steps = loop.steps - begun
    if dies_at is not None:
        assert fired
    world.kill()
    await world.restart()
    await world.walk(refund, DAY / 24)
    await world.house.prober.probe_all()
    after = await world.walk(refund, 3 * DAY)

    await check_truth(world, at_rest=True)
    assert len(bank.executed) <= 1
    if after.state is S.DECLINED:
        assert bank.executed == []
    await _settle_review(world)
    await world.store.close()
    return steps


async def _settle_review(world: World) -> None:
    """Money that moved is never free again, whatever people have still to decide."""
    payment = await world.payment()
    moved = sum(one.amount for one in world.bank.executed)
    assert payment.reserved_minor + payment.refunded_minor >= moved


ACTS = [
    Act.OK,
    Act.PENDING,
    Act.NEVER_SENT,
    Act.LOST_BEFORE,
    Act.LOST_AFTER,
    Act.LATE,
    Act.ERROR_AFTER,
    Act.STORED_ERROR,
    Act.BUSY_SILENT,
    Act.REFUSE,
    Act.DENIED,
]


STRIDE = 3
"""Acts share most steps; together they die at every one."""


@pytest.mark.parametrize(("offset", "act"), list(enumerate(ACTS)))
def test_death_at_any_step_executes_once_and_loses_nothing(
    offset: int, act: Act
) -> None:
    gateway = Toy(TOY)
    steps = simulate(partial(one_life, act=act, gateway=gateway, dies_at=None))
    assert steps > 30

    for dies_at in range(1 + offset % STRIDE, steps + 1, STRIDE):
        simulate(partial(one_life, act=act, gateway=gateway, dies_at=dies_at))
