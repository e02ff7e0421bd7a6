from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import AccountUnknown
from refundwatch.store.contract import DeliveryItem, StoreDelivery
from refundwatch.store.sqlite.writer import Done, Failed
from tests.making import after
from tests.store.looking import dump, entries, rows, value, verified
from tests.store.sending import item

if TYPE_CHECKING:
    from refundwatch.store.sqlite.store import InlineStore
    from refundwatch.store.sqlite.writer import Outcome


def arriving(*ids: str, account: str = "stripe-uk", at: float = 0) -> StoreDelivery:
    items = tuple(item(dedupe_id) for dedupe_id in ids)
    return StoreDelivery(after(at), account, items, b"+".join(i.encode() for i in ids))


def store_all(store: InlineStore, *commands: StoreDelivery) -> list[Outcome]:
    return store._writer.run(commands).outcomes


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 63, 64, 65, 150])
async def test_what_arrives_together_is_stored_as_if_it_came_singly(
    store: InlineStore, count: int
) -> None:
    begin = len(entries(store))
    commands = [arriving(f"evt_{n}", at=n) for n in range(count)]

    assert store_all(store, *commands) == [Done(1)] * count

    stored = rows(
        store,
        "SELECT delivery.*, body FROM delivery"
        " JOIN delivery_body ON delivery_body.id = body_id ORDER BY delivery.id",
    )
    for n, (row, entry) in enumerate(
        zip(stored, entries(store, begin), strict=True), start=1
    ):
        name = f"evt_{n - 1}"
        assert (row["id"], row["body_id"], row["dedupe_id"]) == (n, n, name)
        place = f"sealed|delivery_body|{n}|body|"
        assert row["body"] == (place + name).encode()
        assert row["received_at"] == row["due_at"]
        assert entry.data["delivery_id"] == n
        assert entry.data["dedupe_id"] == name
        assert entry.at == after(n - 1)
    assert verified(store)


async def test_repeats_within_a_batch_are_counted(store: InlineStore) -> None:
    store_all(store, arriving("evt_0"))
    both, more = arriving("evt_1", "evt_2"), arriving("evt_2", "evt_0", "evt_3")

    found = store_all(store, both, more, arriving("evt_1"), arriving())

    assert found == [Done(2), Done(1), Done(0), Done(0)]
    counted = rows(
        store, "SELECT dedupe_id, repeats, body_id FROM delivery ORDER BY id"
    )
    assert [tuple(row) for row in counted] == [
        ("evt_0", 1, 1),
        ("evt_1", 1, 2),
        ("evt_2", 1, 2),
        ("evt_3", 0, 3),
    ]


async def test_an_account_that_is_unknown_fails_alone(store: InlineStore) -> None:
    lost = arriving("evt_1", account="gone")

    first, second, third = store_all(store, arriving("evt_0"), lost, arriving("evt_2"))

    assert (first, third) == (Done(1), Done(1))
    assert isinstance(second, Failed)
    assert isinstance(second.error, AccountUnknown)
    assert value(store, "SELECT group_concat(dedupe_id) FROM delivery") == "evt_0,evt_2"
    assert verified(store)


async def test_ids_of_two_accounts_and_odd_ids_stay_apart(store: InlineStore) -> None:
    odd = DeliveryItem(dedupe_id="e\x00\ud800'\"", type="t" * 300, kind="other")
    strange = replace(arriving(), items=(odd,))
    commands = [arriving("evt_1"), arriving("evt_1", account="adyen-eu"), strange]

    assert store_all(store, *commands) == [Done(1)] * 3
    before = dump(store)["delivery_body"]
    assert store_all(store, *commands) == [Done(0)] * 3
    assert dump(store)["delivery_body"] == before


async def test_the_account_was_heard_at_the_latest_moment(store: InlineStore) -> None:
    store_all(store, arriving("a", at=3), arriving("b", at=9), arriving("c", at=5))
    heard = "SELECT last_delivery_at FROM account WHERE name = 'stripe-uk'"
    assert value(store, heard) == value(store, "SELECT max(received_at) FROM delivery")
