"""The whole house before Square: old replays, refunds that wait, and dead payments."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.refund import RefundState
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways import registry
from refundwatch.gateways.contract import AccountView, Credentials
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.settings import SquareSettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.simloop import START, simulate
from tests.flow.stage import HOOK, StagePaths, Wire, signer
from tests.flow.test_stage import FLOW, OPEN, Play
from tests.flow.world import HOUR, open_world

if TYPE_CHECKING:
    from tests.flow.simloop import SimLoop

NAME = "square"
HERE = "http://127.0.0.1:1"
HONEST = {"wrong_amount": 0.0, "unknown_status": 0.0}
PATH = ConnectionPath(
    id=f"{NAME}/main",
    account=AccountView(NAME, "sandbox", HERE, {"notification_url": HOOK}),
    gateway=registry.gateway(NAME),
    endpoint=HERE,
    timeout_seconds=20.0,
    connect_timeout_seconds=5.0,
    concurrency=8,
)


class Paths(StagePaths):
    def credentials(self, connection_id: str) -> Credentials:
        del connection_id
        return Credentials({"access_token": "EAAAsandbox"})

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        del account
        return ("square_sandbox",)


class Shop(Play):
    """Three refunds of each payment, at once."""

    def __init__(self, loop: SimLoop, seed: int, profile: str, **faults: float) -> None:
        super().__init__(loop, "none", seed)
        account = SquareSettings(name=NAME, webhook_url=HOOK)
        drawn = PROFILES[profile].overridden(faults)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=drawn)
        self.sandbox = Sandbox(config, signer())
        self.wire = Wire(loop, self.sandbox)

    async def open(self) -> None:
        paths = Paths((PATH,))
        self.world = await open_world(self.loop, self.wire, paths, FLOW)
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())

    async def ask(self, payments: int) -> None:
        for number in range(payments):
            reference = f"PAY{number:026d}"
            payment = Payment(
                account=NAME,
                reference=reference,
                amount_minor=10_000,
                currency="EUR",
                created_at=START.timestamp() - 86_400,
            )
            self.sandbox.add_payments([payment])
            await self.world.a_payment(reference, 10_000, NAME)
            for part in range(3):
                await self.world.a_refund(
                    f"r-{number}-{part}",
                    amount=self.dice.randrange(100, 3_000),
                    payment=reference,
                    account=NAME,
                )


async def stormy(loop: SimLoop, seed: int) -> None:
    play = Shop(loop, seed, "hostile", lookup_lags=0.6, **HONEST)
    await play.open()
    await play.ask(8)
    for _ in range(2):
        await play.die_soon()
    await play.run_for(12 * HOUR)
    states = play.check()
    await play.close()
    # A doubt, and what waits behind it.
    assert sum(states[state] for state in OPEN) <= 2, states
    assert states[RefundState.SUCCEEDED] >= 18, states


@pytest.mark.parametrize("seed", [1, 9])
def test_in_a_storm_of_faults_and_deaths_each_is_paid_once(seed: int) -> None:
    simulate(partial(stormy, seed=seed), seed)


async def failing(loop: SimLoop) -> None:
    play = Shop(loop, 1, "none", fails_late=1.0)
    await play.open()
    await play.ask(6)
    await play.run_for(6 * HOUR)
    states = play.check()
    rows = play.sandbox.ledger.rows()
    await play.close()
    # What failed is declined, and so is what came after it on a dead payment.
    assert states == {RefundState.DECLINED: 18}
    assert not [row for row in rows if row.executed_at]
    assert 6 < len(rows) < 18


def test_a_failed_refund_ends_the_others_of_its_payment_without_a_word_of_ours() -> (
    None
):
    simulate(failing, 1)


async def lied_to(loop: SimLoop) -> None:
    play = Shop(loop, 1, "none", wrong_amount=1.0)
    await play.open()
    await play.ask(3)
    await play.run_for(2 * HOUR)
    states = play.check()
    rows = play.sandbox.ledger.rows()
    await play.close()
    assert states[RefundState.REVIEW] == 3, states
    assert not states[RefundState.SUCCEEDED], states
    assert len(rows) == 3


def test_another_amount_than_ours_is_never_a_success() -> None:
    simulate(lied_to, 1)
