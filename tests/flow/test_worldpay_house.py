"""The whole house before a look-alike that shows one refund and signs nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from refundwatch.domain.refund import RefundState
from refundwatch.flow.ports import ConnectionPath
from refundwatch.gateways.contract import AccountView, Credentials, RawDelivery
from refundwatch.gateways.worldpay.adapter import Worldpay
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.settings import WorldpaySettings
from refundwatch.sandbox.world import World as Sandbox
from tests.flow.fakes import settings
from tests.flow.simloop import START, SimLoop, simulate
from tests.flow.stage import HOOK, StagePaths, Wire, signer
from tests.flow.world import HOUR, World, open_world

if TYPE_CHECKING:
    from refundwatch.sandbox.model import WebhookPost

S = RefundState
PAYMENTS = 6
ACCOUNT = AccountView(
    "worldpay",
    "sandbox",
    "http://127.0.0.1:1",
    {"merchant_code": "RWTESTGBP", "refundable_amount_inquiry": "yes"},
)
PATH = ConnectionPath(
    id="worldpay/main",
    account=ACCOUNT,
    gateway=Worldpay(),
    endpoint=ACCOUNT.endpoint,
    timeout_seconds=20.0,
    connect_timeout_seconds=5.0,
    concurrency=8,
)
FLOW = settings(poll_first_seconds=60, poll_repeat_seconds=600)


class Paths(StagePaths):
    def __init__(self) -> None:
        super().__init__((PATH,))

    def credentials(self, connection_id: str) -> Credentials:
        assert connection_id == PATH.id
        return Credentials({"username": "RWTESTGBP", "password": "xml-sandbox"})

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        assert account == ACCOUNT.name
        return ("wp-notify-sandbox",)


@dataclass
class Street(Wire):
    """The wire, whose postman reads the whole address."""

    async def _delivered(self, post: WebhookPost) -> int | None:
        assert self.world is not None
        raw = RawDelivery({}, post.body, dict(parse_qsl(urlsplit(post.url).query)))
        reception = await self.world.house.receptionist.receive(post.account, raw)
        wanted = (401, b"") if post.forged else (200, b"[OK]")
        assert (reception.status, reception.body) == wanted
        return reception.status


async def opened(loop: SimLoop, seed: int) -> tuple[Sandbox, World, Street]:
    account = WorldpaySettings(name="worldpay", webhook_url=HOOK)
    hostile = PROFILES["hostile"]
    sandbox = Sandbox(
        SandboxConfig(accounts=(account,), seed=seed, faults=hostile), signer()
    )
    street = Street(loop, sandbox)
    world = await open_world(loop, street, Paths(), FLOW)
    street.world = world
    dice = random.Random(seed)
    for number in range(PAYMENTS):
        reference = f"order-{number}"
        facts = Payment(
            account="worldpay",
            reference=reference,
            amount_minor=10_000,
            currency="EUR",
            created_at=START.timestamp(),
        )
        sandbox.add_payments([facts])
        await world.a_payment(reference, 10_000, "worldpay")
        for part in range(2):
            amount = dice.randrange(100, 5_000)
            request = f"{number}-{part}"
            await world.a_refund(request, amount, reference, "worldpay")
    return sandbox, world, street


@pytest.mark.parametrize("seed", range(2))
def test_every_refund_ends_as_it_was_executed(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        sandbox, world, street = await opened(loop, seed)
        posting = asyncio.ensure_future(street.post())
        world.start()
        await asyncio.sleep(HOUR)
        sandbox.set_faults("none", {})
        await asyncio.sleep(30 * HOUR)
        world.kill()
        posting.cancel()
        await asyncio.gather(posting, *world.daemon, return_exceptions=True)
        check(sandbox, world)
        await world.store.close()

    simulate(main, seed)


def check(sandbox: Sandbox, world: World) -> None:
    assert sandbox.ledger.doubles() == []
    truth = {row.merchant_reference: row for row in sandbox.ledger.rows()}
    states: Counter[str] = Counter()
    for row in world.store._connection.execute("SELECT * FROM refund"):
        made = truth.get(row["merchant_reference"])
        states[row["state"]] += 1
        executed = made is not None and made.executed
        if row["state"] in {S.SUCCEEDED, S.DECLINED, S.REVERSED}:
            assert executed is (row["state"] == S.SUCCEEDED), dict(row)
    assert states[S.SUCCEEDED] >= PAYMENTS
    assert not set(states) - {S.SUCCEEDED, S.DECLINED, S.REVERSED, S.REVIEW}
