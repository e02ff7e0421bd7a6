"""Webhooks that stay away: alarm, polling, and backfill, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.errors import AccountUnknown
from refundwatch.flow.backfill import Asked, Filled
from refundwatch.flow.silence import listening
from refundwatch.store.contract import ListAlarms
from tests.flow.fakes import settings
from tests.flow.simloop import START, SimLoop, simulate
from tests.flow.stage import StagePaths, Wire, a_sandbox, add_payment
from tests.flow.toy import Act
from tests.flow.world import HOUR, World, in_world, open_world
from tests.store.looking import dump, entries, rows

if TYPE_CHECKING:
    from refundwatch.sandbox.model import WebhookPost
    from refundwatch.store.contract import AlarmRow

S = RefundState
OLA = Principal("person:ola", frozenset({Role.OPERATOR}))
READABLE = ("stripe", "paypal")
GATEWAYS = (*READABLE, "adyen")
HALF_AN_HOUR = 1800
RESTLESS = {
    "audit_entry",
    "calendar_job",
    "connection",
    "gateway_call",
    "tally",
    "version_run",
    "webhook_rhythm",
}
WEBHOOKS_ALONE = settings(
    poll_first_seconds=12 * HOUR,
    poll_repeat_seconds=12 * HOUR,
    settle_delay_seconds=120,
    dispatch_concurrency=32,
)


class Dropping(Wire):
    """A wire on which webhooks can be lost: their gateways believe them delivered."""

    dropping = False
    lost = 0

    async def _delivered(self, post: WebhookPost) -> int | None:
        if self.dropping:
            self.lost += 1
            return 200
        return await super()._delivered(post)


class Shop:
    """Asks for a refund of each gateway every other minute, and listens."""

    def __init__(self, loop: SimLoop, **faults: float) -> None:
        slow = {"pending_first": 1.0, "pending_seconds": 400.0, "settle_seconds": 400.0}
        self.loop = loop
        self.sandbox = a_sandbox("none", 1, **slow, **faults)
        self.wire = Dropping(loop, self.sandbox)
        self.number = 0
        self.world: World

    async def open(self) -> None:
        self.world = await open_world(
            self.loop, self.wire, StagePaths(), WEBHOOKS_ALONE
        )
        self.wire.world = self.world
        self.posting = asyncio.ensure_future(self.wire.post())
        self.world.start()

    async def trade(self, seconds: float, *, asks: bool = True) -> None:
        end = self.loop.time() + seconds
        job = listening(self.world.store, self.world.paths)
        while self.loop.time() < end:
            if asks and round(self.loop.time()) % 120 == 0:
                await self.ask()
            await asyncio.sleep(30)
            await job.run(self.world.clock.now())

    async def ask(self) -> None:
        self.number += 1
        for account in GATEWAYS:
            reference = add_payment(self.sandbox, account, self.number, 10_000)
            await self.world.a_payment(reference, 10_000, account)
            await self.world.a_refund(
                f"{account}-{self.number}",
                amount=100 + self.number,
                payment=reference,
                account=account,
            )

    async def alarms(self) -> dict[str, AlarmRow]:
        found = await self.world.store.read(ListAlarms())
        return {row.subject: row for row in found if row.kind == "webhook_silence"}

    async def backfill(self, account: str) -> list[Filled]:
        """Go on to the end, as the command does."""
        pages: list[Filled] = []
        after: str | None = ""
        while after is not None:
            asked = Asked(account, START, after)
            pages.append(await self.world.house.backfiller.go_on(asked, OLA))
            after = pages[-1].after
        return pages

    def open_refunds(self, account: str) -> int:
        return len(
            rows(
                self.world.store,
                "SELECT id FROM refund WHERE account = ? AND final_at IS NULL",
                account,
            )
        )

    def restful(self) -> dict[str, object]:
        tables = dump(self.world.store)
        return {name: it for name, it in tables.items() if name not in RESTLESS}


def changed(pages: list[Filled]) -> int:
    return sum(page.changed for page in pages)


def test_half_an_hour_without_webhooks_is_alarmed_polled_and_filled() -> None:
    async def play(loop: SimLoop) -> None:
        shop = Shop(loop)
        await shop.open()
        await shop.trade(2 * HOUR)
        assert await shop.alarms() == {}
        assert shop.open_refunds("stripe") < 20

        shop.wire.dropping = True
        await shop.trade(HALF_AN_HOUR)
        alarms = await shop.alarms()
        assert set(alarms) == set(GATEWAYS)
        for row in alarms.values():
            silent = int(row.detail["silent_seconds"])
            assert silent <= 2 * int(row.detail["expected_seconds"]), row
        assert shop.wire.lost > 20

        await shop.trade(2 * HOUR, asks=False)
        for account in READABLE:
            pages = await shop.backfill(account)
            assert sum(page.failed + page.unreadable for page in pages) == 0
            assert shop.open_refunds(account) == 0
            before = shop.restful()
            again = await shop.backfill(account)
            assert changed(again) == 0
            assert shop.restful() == before
        (told,) = await shop.backfill("adyen")
        assert (told.gateway, told.read) == ("Adyen", 0)
        assert told.unreadable == told.done == told.total > 0

        shop.wire.dropping = False
        await shop.trade(HOUR)
        assert await shop.alarms() == {}
        shop.posting.cancel()
        shop.world.kill()

    simulate(play)


def test_backfill_alone_finds_every_end_that_was_not_told() -> None:
    """Without listening: nothing is polled, and what was lost is found all the same."""

    async def play(loop: SimLoop) -> None:
        shop = Shop(loop)
        await shop.open()
        shop.wire.dropping = True
        for _ in range(15):
            await shop.ask()
            await asyncio.sleep(120)
        await asyncio.sleep(2 * HOUR)
        for account in READABLE:
            waiting = shop.open_refunds(account)
            pages = await shop.backfill(account)
            assert changed(pages) >= waiting
            assert shop.open_refunds(account) == 0
            assert changed(await shop.backfill(account)) == 0
        assert shop.open_refunds("stripe") == 0
        shop.posting.cancel()
        shop.world.kill()

    simulate(play)


def test_bounce_whose_webhook_never_came_is_found() -> None:
    async def play(loop: SimLoop) -> None:
        shop = Shop(loop, bounces=1.0, bounce_seconds=2.0 * HOUR)
        await shop.open()
        await shop.trade(HALF_AN_HOUR)
        await shop.trade(HALF_AN_HOUR, asks=False)
        count = "SELECT id FROM refund WHERE account = 'stripe' AND state = ?"
        paid = rows(shop.world.store, count, S.SUCCEEDED)
        assert len(paid) > 5
        shop.wire.dropping = True
        await asyncio.sleep(12 * HOUR)
        pages = await shop.backfill("stripe")
        assert changed(pages) >= len(paid)
        bounced = rows(shop.world.store, count, S.REVERSED)
        assert {row["id"] for row in paid} <= {row["id"] for row in bounced}
        assert changed(await shop.backfill("stripe")) == 0
        shop.posting.cancel()
        shop.world.kill()

    simulate(play)


def test_unknown_refund_is_left_to_the_room_that_looks_up() -> None:
    async def play(world: World) -> None:
        world.bank.acts = [Act.LOST_AFTER]
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        asked = Asked("toy-eu", START)
        filled = await world.house.backfiller.go_on(asked, OLA)
        assert (filled.done, filled.looked_up, filled.total) == (1, 1, 1)
        await world.house.resolver.drain()
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert (await world.house.backfiller.go_on(asked, OLA)).changed == 0

    in_world(play)


def test_who_asked_is_in_the_log_and_strangers_are_refused() -> None:
    async def play(world: World) -> None:
        refund = await world.send()
        filled = await world.house.backfiller.go_on(Asked("toy-eu", START), OLA)
        assert (filled.read, filled.changed) == (1, 0)
        (told,) = [it for it in entries(world.store) if it.kind == "backfill:asked"]
        assert told.actor == OLA.id
        assert told.data["account"] == refund.account
        with pytest.raises(AccountUnknown):
            await world.house.backfiller.go_on(Asked("nobody", START), OLA)

    in_world(play)


def test_gateway_that_does_not_answer_is_counted_as_failed() -> None:
    async def play(world: World) -> None:
        await world.send()
        world.bank.reads = ["500"]
        filled = await world.house.backfiller.go_on(Asked("toy-eu", START), OLA)
        assert (filled.read, filled.failed, filled.changed) == (0, 1, 0)

    in_world(play)
