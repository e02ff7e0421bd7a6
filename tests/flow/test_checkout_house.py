"""The whole house before Checkout.com: tokens, voids, and failures that free a key."""

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
from refundwatch.sandbox.settings import CheckoutSettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.simloop import START, simulate
from tests.flow.stage import HOOK, StagePaths, Wire, signer
from tests.flow.test_stage import FLOW, HOUR, OPEN, Play
from tests.flow.world import open_world

if TYPE_CHECKING:
    from tests.flow.simloop import SimLoop

NAME = "checkout"
HERE = "http://127.0.0.1:1"
TRAPS = {
    "error_after": 0.15,
    "lookup_lags": 0.6,
    "wrong_amount": 0.0,
    "unknown_status": 0.0,
}
PATH = ConnectionPath(
    id=f"{NAME}/main",
    account=AccountView(NAME, "sandbox", HERE, {}),
    gateway=registry.gateway(NAME),
    endpoint=HERE,
    timeout_seconds=20.0,
    connect_timeout_seconds=5.0,
    concurrency=8,
)


class Paths(StagePaths):
    def credentials(self, connection_id: str) -> Credentials:
        del connection_id
        pair = {"access_key_id": "ack_sandbox", "access_key_secret": "sandbox-secret"}
        return Credentials(pair)

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        del account
        return ("cko-sandbox-key",)


class Shop(Play):
    """Every fourth payment is not captured, and given back as a whole."""

    def __init__(self, loop: SimLoop, seed: int) -> None:
        super().__init__(loop, "none", seed)
        account = CheckoutSettings(name=NAME, webhook_url=HOOK, token_seconds=600)
        faults = PROFILES["hostile"].overridden(TRAPS)
        config = SandboxConfig(accounts=(account,), seed=seed, faults=faults)
        self.sandbox = Sandbox(config, signer())
        self.wire = Wire(loop, self.sandbox)

    async def open(self) -> None:
        paths = Paths((PATH,))
        self.world = await open_world(self.loop, self.wire, paths, FLOW)
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())

    async def ask(self, payments: int) -> None:
        for number in range(payments):
            reference = f"pay_{number:026d}"
            whole = number % 4 == 3
            payment = Payment(
                account=NAME,
                reference=reference,
                amount_minor=10_000,
                currency="EUR",
                created_at=START.timestamp() - 86_400,
                captured=not whole,
            )
            self.sandbox.add_payments([payment])
            await self.world.a_payment(reference, 10_000, NAME)
            for part in range(1 if whole else 2):
                amount = 10_000 if whole else self.dice.randrange(100, 5_000)
                await self.world.a_refund(
                    f"r-{number}-{part}", amount=amount, payment=reference, account=NAME
                )


async def stormy(loop: SimLoop, seed: int) -> None:
    play = Shop(loop, seed)
    await play.open()
    await play.ask(12)
    await play.die_soon()
    await play.run_for(12 * HOUR)
    states = play.check()
    voids = [row for row in play.sandbox.ledger.rows() if row.amount_minor == 10_000]
    await play.close()
    assert sum(row.executed for row in voids) >= 2
    assert sum(states[state] for state in OPEN) <= 1, states
    assert states[RefundState.SUCCEEDED] >= 17, states
    assert play.sandbox.counters()[NAME]["error_after"]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_paid_twice_although_a_failure_frees_the_key(seed: int) -> None:
    simulate(partial(stormy, seed=seed), seed)
