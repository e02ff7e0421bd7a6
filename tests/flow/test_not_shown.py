"""A gateway that shows its latest event alone: its silence proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import RefundState
from refundwatch.gateways.contract import NotShown
from tests.flow.fakes import a_path
from tests.flow.test_earlier import sent_again
from tests.flow.toy import TOY, Act, Bank, Toy
from tests.flow.world import HOUR, World, in_world

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        LookupResult,
        Operation,
        RefundInstruction,
    )

S = RefundState
DAY = 24 * HOUR
SILENT = replace(
    TOY,
    key_window_seconds=0,
    reads_refund=False,
    lookup_delay_seconds=300,
    evidence_seconds=DAY,
)


class Hiding(Toy):
    """The toy gateway, whose look-ups always show another refund."""

    def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
        yield from super().look_up(instruction)
        return NotShown()


PATHS = (a_path(gateway=Hiding(SILENT)),)


def test_what_is_not_shown_is_looked_for_until_people_decide_after_a_day() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        await world.walk(refund, 23 * HOUR)
        waiting = await world.row(refund)
        assert waiting.state is S.UNKNOWN
        assert waiting.lookups >= 5
        after = await world.walk(refund, 2 * HOUR)
        assert (after.state, after.review_reason) == (
            S.REVIEW,
            "no_lookup_outside_window",
        )
        assert len(world.bank.orders) == 1

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=PATHS)


def test_its_message_ends_the_doubt_once_a_read_would_have_shown_it() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", hint=True))
        await world.settle(60)
        assert (await world.row(refund)).state is S.UNKNOWN
        await world.settle(HOUR)
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=PATHS)


def test_a_message_that_proves_nothing_never_counts_unseen() -> None:
    unproven = Hiding(replace(SILENT, webhook_signs_body=False))

    async def main(world: World) -> None:
        refund = await world.send()
        made = world.bank.executed[0]
        await world.hear(world.bank.webhook(made, "e1", hint=True))
        for _ in range(26):
            await world.settle(HOUR)
        assert (await world.row(refund)).state is not S.SUCCEEDED
        assert "delivery_unconfirmed" in await world.alarms()

    paths = (a_path(gateway=unproven),)
    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]), paths=paths)


def test_an_accepted_refund_that_is_not_shown_is_polled_on_without_alarm() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.PENDING
        after = await world.walk(refund, DAY)
        assert after.state is S.PENDING
        assert await world.alarms() == set()

    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=PATHS)


def test_a_poll_says_when_it_asks_and_since_when_the_refund_is_accepted() -> None:
    asked: list[RefundInstruction] = []

    class Noting(Hiding):
        def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
            asked.append(instruction)
            return super().look_up(instruction)

    async def main(world: World) -> None:
        refund = await world.send()
        await world.walk(refund, 2 * HOUR)
        assert asked
        assert asked[0].accepted_at == refund.accepted_at
        assert asked[0].asked_at is not None
        assert asked[0].asked_at > world.clock.now().replace(minute=0, hour=0)

    paths = (a_path(gateway=Noting(SILENT)),)
    in_world(main, bank=Bank(acts=[Act.PENDING]), paths=paths)


def test_what_two_people_decided_stands_where_the_earlier_key_is_not_shown() -> None:
    class Later(Hiding):
        """Finds the first look-ups, and hides what is asked before the next send."""

        def look_up(self, instruction: RefundInstruction) -> Operation[LookupResult]:
            if hides:
                return super().look_up(instruction)
            return Toy.look_up(self, instruction)

    hides: list[bool] = []

    async def main(world: World) -> None:
        refund = await sent_again(world)
        hides.append(True)
        await world.settle(HOUR)
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert len(world.bank.orders) == 2

    paths = (a_path(gateway=Later(TOY)),)
    in_world(main, bank=Bank(acts=[Act.LOST_BEFORE]), paths=paths)
