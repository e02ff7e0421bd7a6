"""The whole house before Braintree: voids, waits, spent keys, and no keys at all."""

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
from refundwatch.sandbox.settings import BraintreeSettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.simloop import START, simulate
from tests.flow.stage import HOOK, StagePaths, Wire, signer
from tests.flow.test_stage import FLOW, HOUR, OPEN, Play
from tests.flow.world import open_world

if TYPE_CHECKING:
    from tests.flow.simloop import SimLoop

NAME = "braintree"
HERE = "http://127.0.0.1:1"
HONEST = {"wrong_amount": 0.0, "unknown_status": 0.0}
SETTLES = 2 * HOUR
HIDDEN = 0.5 * HOUR
AGES = (0.0, 0.5, 0.8, 2.0)
"""How old sales are: just taken, voidable, secretly settling, settled."""


def path(settings: dict[str, str]) -> ConnectionPath:
    return ConnectionPath(
        id=f"{NAME}/main",
        account=AccountView(NAME, "sandbox", HERE, settings),
        gateway=registry.gateway(NAME).suited(settings),
        endpoint=HERE,
        timeout_seconds=20.0,
        connect_timeout_seconds=5.0,
        concurrency=8,
    )


class Paths(StagePaths):
    def credentials(self, connection_id: str) -> Credentials:
        del connection_id
        return Credentials(
            {"public_key": "sandbox_public", "private_key": "sandbox_private"}
        )

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        del account
        return ("sandbox_public:sandbox_private",)


class Shop(Play):
    """Sales of every age, from just taken to settled.

    Each third one is given back as a whole, the others in two parts.
    """

    def __init__(
        self, loop: SimLoop, seed: int, *, keys: bool = True, **faults: float
    ) -> None:
        super().__init__(loop, "none", seed)
        account = BraintreeSettings(
            name=NAME,
            webhook_url=HOOK,
            sale_settles_seconds=SETTLES,
            hidden_seconds=HIDDEN,
            settling_seconds=600.0,
            request_keys=int(keys),
        )
        profile = PROFILES["hostile"].overridden({**HONEST, **faults})
        config = SandboxConfig(accounts=(account,), seed=seed, faults=profile)
        self.sandbox = Sandbox(config, signer())
        self.wire = Wire(loop, self.sandbox)
        self.settings = {} if keys else {"request_keys": "off"}

    async def open(self) -> None:
        paths = Paths((path(self.settings),))
        self.world = await open_world(self.loop, self.wire, paths, FLOW)
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())

    async def ask(self, payments: int) -> None:
        for number in range(payments):
            reference = f"sale{number:04d}"
            whole = number % 3 == 2
            payment = Payment(
                account=NAME,
                reference=reference,
                amount_minor=10_000,
                currency="EUR",
                created_at=START.timestamp() - AGES[number % 4] * SETTLES,
                method=self.dice.choice(("card", "sepa_direct_debit")),
                merchant_reference=f"order-{number}",
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
    await play.ask(24)
    for _ in range(2):
        await play.die_soon()
    await play.run_for(24 * HOUR)
    states = play.check()
    voids = [row for row in play.sandbox.ledger.rows() if row.status == "SALE_VOIDED"]
    await play.close()
    assert voids
    assert sum(states[state] for state in OPEN) <= 2, states
    assert states[RefundState.SUCCEEDED] >= 32, states


@pytest.mark.parametrize("seed", range(2))
def test_each_is_paid_once_whatever_its_sale_is_at(seed: int) -> None:
    simulate(partial(stormy, seed=seed), seed)


async def keyless(loop: SimLoop, seed: int) -> None:
    play = Shop(loop, seed, keys=False, lookup_lags=0.8)
    await play.open()
    await play.ask(18)
    await play.die_soon()
    await play.run_for(24 * HOUR)
    play.check()
    sent = [row.merchant_reference for row in play.sandbox.ledger.rows()]
    await play.close()
    assert len(sent) == len(set(sent))


def test_without_keys_nothing_is_sent_a_second_time() -> None:
    simulate(partial(keyless, seed=0), 0)
