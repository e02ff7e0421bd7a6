"""The whole house before Klarna and Razorpay: silent replays, and used receipts."""

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
from refundwatch.sandbox.settings import KlarnaSettings, RazorpaySettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.simloop import START, simulate
from tests.flow.stage import HOOK, StagePaths, Wire, signer
from tests.flow.test_stage import FLOW, OPEN, Play
from tests.flow.world import HOUR, open_world

if TYPE_CHECKING:
    from tests.flow.simloop import SimLoop

HERE = "http://127.0.0.1:1"
NAMES = ("klarna", "razorpay")
SECRETS = {
    "klarna": {"username": "PRW0001_sandbox", "password": "sandbox-secret"},
    "razorpay": {"key_id": "rzp_test_sandbox", "key_secret": "sandbox-secret"},
}
HONEST = {"wrong_amount": 0.0, "unknown_status": 0.0}


def path(name: str) -> ConnectionPath:
    return ConnectionPath(
        id=f"{name}/main",
        account=AccountView(name, "sandbox", HERE, {}),
        gateway=registry.gateway(name),
        endpoint=HERE,
        timeout_seconds=20.0,
        connect_timeout_seconds=5.0,
        concurrency=8,
    )


class Paths(StagePaths):
    def credentials(self, connection_id: str) -> Credentials:
        return Credentials(SECRETS[connection_id.partition("/")[0]])

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        return {"klarna": ("kl_signing_sandbox",), "razorpay": ("rzp_sandbox",)}[
            account
        ]


class Shop(Play):
    """Two refunds of each payment, at both gateways."""

    def __init__(
        self, loop: SimLoop, seed: int, profile: str, guard: str, **faults: float
    ) -> None:
        super().__init__(loop, "none", seed)
        config = SandboxConfig(
            accounts=(
                KlarnaSettings(name="klarna", webhook_url=HOOK, network="eu1"),
                RazorpaySettings(
                    name="razorpay", webhook_url=HOOK, receipt_guard=guard
                ),
            ),
            seed=seed,
            faults=PROFILES[profile].overridden(faults),
        )
        self.sandbox = Sandbox(config, signer())
        self.wire = Wire(loop, self.sandbox)

    async def open(self) -> None:
        paths = Paths(tuple(path(name) for name in NAMES))
        self.world = await open_world(self.loop, self.wire, paths, FLOW)
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())

    async def ask(self, payments: int) -> None:
        for name in NAMES:
            for number in range(payments):
                reference = f"{name}_{number:04d}"
                payment = Payment(
                    account=name,
                    reference=reference,
                    amount_minor=10_000,
                    currency="EUR",
                    created_at=START.timestamp() - 86_400,
                )
                self.sandbox.add_payments([payment])
                await self.world.a_payment(reference, 10_000, name)
                for part in range(2):
                    await self.world.a_refund(
                        f"{reference}-{part}",
                        amount=self.dice.randrange(100, 5_000),
                        payment=reference,
                        account=name,
                    )


async def stormy(loop: SimLoop, seed: int, guard: str) -> None:
    play = Shop(loop, seed, "hostile", guard, **HONEST)
    await play.open()
    await play.ask(8)
    for _ in range(2):
        await play.die_soon()
    await play.run_for(12 * HOUR)
    states = play.check()
    await play.close()
    assert sum(states[state] for state in OPEN) <= 2, states
    assert states[RefundState.SUCCEEDED] >= 28, states


@pytest.mark.parametrize(("seed", "guard"), [(1, "none"), (2, "refuse"), (3, "return")])
def test_in_a_storm_of_faults_and_deaths_each_is_paid_once(
    seed: int, guard: str
) -> None:
    simulate(partial(stormy, seed=seed, guard=guard), seed)


async def lied_to(loop: SimLoop) -> None:
    play = Shop(loop, 1, "none", "refuse", wrong_amount=1.0)
    await play.open()
    await play.ask(3)
    await play.run_for(2 * HOUR)
    states = play.check()
    await play.close()
    # The first of each payment; the second waits before a frozen payment.
    assert states[RefundState.REVIEW] == 6, states
    assert not states[RefundState.SUCCEEDED], states
    assert len(play.sandbox.ledger.rows()) == 6


def test_another_amount_than_ours_is_never_a_success() -> None:
    simulate(lied_to, 1)
