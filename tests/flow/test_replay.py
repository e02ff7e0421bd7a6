"""A stored delivery, put through the inbox once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.errors import DecisionDenied, DeliveryNotReplayed, DeliveryUnknown
from refundwatch.gateways.contract import EventKind
from refundwatch.store.contract import GetDelivery, ListDeliveries, ReplayDelivery
from tests.flow.toy import Act, delivery
from tests.flow.world import World, in_world
from tests.store.looking import dump, entries, rows

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund

S = RefundState
OLA = Principal("person:ola", frozenset({Role.OPERATOR}))
VIC = Principal("person:vic", frozenset({Role.VIEWER}))
ITS_OWN = {"delivery", "audit_entry", "ignored_count"}


async def replay(world: World, number: int = 1, who: Principal = OLA) -> None:
    await world.store.execute(ReplayDelivery(world.clock.now(), who, number))
    await world.house.inbox.drain()


async def told(world: World) -> Refund:
    """A refund whose success a webhook told."""
    world.bank.acts = [Act.PENDING]
    refund = await world.send()
    assert refund.state is S.PENDING
    await world.hear(world.bank.webhook(world.bank.executed[0], "succeeded"))
    return await world.row(refund)


def restful(world: World) -> dict[str, object]:
    return {name: it for name, it in dump(world.store).items() if name not in ITS_OWN}


def test_replay_moves_nothing_twice_and_is_audited() -> None:
    async def play(world: World) -> None:
        refund = await told(world)
        before = restful(world)
        for _ in range(2):
            await replay(world)
            assert restful(world) == before
        row = await world.store.read(GetDelivery(1))
        assert row is not None
        assert (row.state, row.refund_id) == ("applied", refund.id)
        assert row.replayed_at is not None
        asked = [it for it in entries(world.store) if it.kind == "delivery:replayed"]
        assert [it.actor for it in asked] == [OLA.id, OLA.id]

    in_world(play)


def test_money_that_moved_without_us_is_booked_once() -> None:
    async def play(world: World) -> None:
        await world.a_payment()
        item = {
            "event": "succeeded",
            "id": "re_stranger",
            "status": "succeeded",
            "reference": "theirs",
            "payment": "pi_1",
            "amount": 300,
            "currency": "EUR",
        }
        await world.hear(delivery([item]))
        await world.settle(3 * 86_400)
        assert (await world.payment()).external_minor == 300
        await replay(world)
        await world.settle(3 * 86_400)
        assert (await world.payment()).external_minor == 300
        assert rows(world.store, "SELECT state FROM delivery")[0]["state"] == "external"

    in_world(play, quiet=False)


def test_only_who_may_replays_and_only_what_there_is() -> None:
    async def play(world: World) -> None:
        await told(world)
        with pytest.raises(DecisionDenied):
            await replay(world, who=VIC)
        with pytest.raises(DeliveryUnknown):
            await replay(world, 99)

    in_world(play)


def test_dispute_that_people_lifted_is_not_frozen_again() -> None:
    async def play(world: World) -> None:
        await told(world)
        item = {"kind": EventKind.DISPUTE_OPENED, "event": "d1", "payment": "pi_1"}
        await world.hear(delivery([item]))
        states = rows(world.store, "SELECT id, kind, state FROM delivery ORDER BY id")
        assert [row["state"] for row in states] == ["applied", "applied"]
        assert states[1]["kind"] == "dispute_opened"
        with pytest.raises(DeliveryNotReplayed):
            await replay(world, 2)

    in_world(play)


def test_list_is_newest_first_and_goes_on_where_it_ended() -> None:
    async def play(world: World) -> None:
        await told(world)
        one = world.bank.executed[0]
        await world.hear(world.bank.webhook(one, "other", id="re_2"))
        first = await world.store.read(ListDeliveries(limit=1))
        assert [row.id for row in first.items] == [2]
        more = await world.store.read(ListDeliveries(cursor=first.next_cursor))
        assert [row.id for row in more.items] == [1]
        assert more.next_cursor is None
        applied = await world.store.read(ListDeliveries(state="applied"))
        assert {row.state for row in applied.items} <= {"applied"}
        assert (await world.store.read(ListDeliveries(account="x"))).items == ()

    in_world(play, quiet=False)
