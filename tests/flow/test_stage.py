"""Real adapters, real rooms, real store against the look-alikes, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from refundwatch.domain.refund import RefundState
from refundwatch.sandbox.faults import REQUEST_FAULTS
from tests.flow.fakes import settings
from tests.flow.simloop import SimLoop, simulate
from tests.flow.stage import (
    StagePaths,
    Wire,
    a_sandbox,
    add_payment,
    counted,
    rows_of,
)
from tests.flow.world import HOUR, World, open_world

S = RefundState
GATEWAYS = ("stripe", "adyen", "paypal")
FLOW = settings(
    poll_first_seconds=60,
    poll_repeat_seconds=600,
    settle_delay_seconds=120,
    dispatch_concurrency=32,
)
OPEN = {S.UNKNOWN, S.PENDING, S.REVIEW, S.SENDING}
NEVER_SENT = {S.HELD, S.CANCELLED, S.EXPIRED, S.REFUSED, S.AWAITING_APPROVAL}


class Play:
    """One run against the look-alikes; the seed decides everything."""

    def __init__(self, loop: SimLoop, profile: str, seed: int, **faults: float) -> None:
        self.loop = loop
        self.dice = random.Random(seed)
        self.sandbox = a_sandbox(profile, seed, **faults)
        self.wire = Wire(loop, self.sandbox)
        self.world: World
        self.deaths = 0

    async def open(self) -> None:
        self.world = await open_world(self.loop, self.wire, StagePaths(), FLOW)
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())

    async def ask(self, payments: int) -> None:
        """Ask for a few refunds of each gateway's payments."""
        for account in GATEWAYS:
            for number in range(payments):
                reference = add_payment(self.sandbox, account, number, 10_000)
                await self.world.a_payment(reference, 10_000, account)
                for part in range(self.dice.choice([1, 1, 2])):
                    await self.world.a_refund(
                        f"{account}-{number}-{part}",
                        amount=self.dice.randrange(100, 5_000),
                        payment=reference,
                        account=account,
                    )

    async def run_for(self, seconds: float) -> None:
        """Let the rooms work, with the calendar beside them."""
        end = self.loop.time() + seconds
        self.world.start()
        while self.loop.time() < end:
            await asyncio.sleep(min(120, end - self.loop.time()))
            await self.world.house.calendar.run_due(self.world.clock.now())
        self.world.kill()
        await self.world.restart()

    async def die_soon(self) -> None:
        """Run for a while, die at some step, and start again."""
        left = self.dice.randrange(1, 2_000)

        def step(_: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.deaths += 1
                self.world.kill()

        self.world.start()
        self.loop.on_step = step
        await asyncio.sleep(self.dice.choice([3, 30, 60]))
        self.loop.on_step = None
        self.world.kill()
        await self.world.restart()

    async def close(self) -> None:
        self.posting.cancel()
        await asyncio.gather(self.posting, return_exceptions=True)
        await self.world.store.close()

    # --- truth --------------------------------------------------------------------

    def check(self) -> Counter[str]:
        """Compare our rows with what was truly executed; give the states."""
        assert self.sandbox.ledger.doubles() == []
        made = rows_of(self.sandbox)
        states: Counter[str] = Counter()
        connection = self.world.store._connection
        for row in connection.execute("SELECT * FROM refund").fetchall():
            states[row["state"]] += 1
            truth = made.get((row["account"], row["merchant_reference"]))
            self._check_row(row, truth)
        self._check_payments()
        return states

    def _check_row(self, row: Any, truth: Any) -> None:
        state, told = S(row["state"]), (dict(row), truth)
        executed = truth is not None and truth.executed
        if state in NEVER_SENT or state is S.QUEUED:
            assert truth is None, told
        if state is S.DECLINED:
            assert not executed, told
        if state in {S.SUCCEEDED, S.SETTLED}:
            assert truth is not None, told
            assert truth.executed_at is not None, told
        if state is S.REVERSED:
            assert truth is not None, told
            assert truth.bounced_at is not None, told

    def _check_payments(self) -> None:
        connection = self.world.store._connection
        net = self.sandbox.ledger.net_by_payment()
        for row in connection.execute("SELECT * FROM payment").fetchall():
            out = net.get((row["account"], row["gateway_reference"], "EUR"), 0)
            assert out <= row["captured_minor"]
            assert out <= row["reserved_minor"] + row["refunded_minor"], dict(row)


async def quiet_play(loop: SimLoop, seed: int) -> None:
    play = Play(loop, "none", seed)
    await play.open()
    await play.ask(4)
    await play.run_for(HOUR)
    states = play.check()
    play.world.log.check_quiet()
    assert set(states) == {S.SUCCEEDED}, states
    for row in play.sandbox.ledger.rows():
        assert row.executed
    await play.close()


def test_without_faults_everything_is_paid_out_once() -> None:
    simulate(partial(quiet_play, seed=1), 1)


@dataclass
class Tally:
    """What a block of plays was really exposed to, and how it ended."""

    refunds: int = 0
    still_open: int = 0
    deaths: int = 0
    faults: Counter[str] = field(default_factory=Counter)


async def stormy_play(loop: SimLoop, profile: str, seed: int, tally: Tally) -> None:
    play = Play(loop, profile, seed, wrong_amount=0.0, unknown_status=0.0)
    await play.open()
    await play.ask(6)
    for _ in range(play.dice.randrange(4)):
        await play.die_soon()
    await play.run_for(12 * HOUR)
    states = play.check()
    await play.close()
    tally.refunds += sum(states.values())
    tally.still_open += sum(states[state] for state in OPEN)
    tally.deaths += play.deaths
    for model in play.sandbox.models.values():
        tally.faults.update(counted(model))


@pytest.mark.parametrize("profile", ["rough", "hostile"])
@pytest.mark.parametrize("block", range(3))
def test_in_a_storm_of_faults_and_deaths_nothing_is_lost_or_doubled(
    profile: str, block: int
) -> None:
    tally = Tally()
    for seed in range(block * 5, block * 5 + 5):
        try:
            simulate(
                partial(stormy_play, profile=profile, seed=seed, tally=tally), seed
            )
        except BaseException as error:
            error.add_note(f"seed {seed}, profile {profile}")
            raise
    assert tally.deaths > 0
    assert tally.still_open <= tally.refunds * 0.05, tally
    struck = [fault for fault in REQUEST_FAULTS if tally.faults[fault]]
    assert len(struck) >= (6 if profile == "hostile" else 3), tally.faults
