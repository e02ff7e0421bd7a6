from __future__ import annotations

from datetime import timedelta
from typing import Any

from refundwatch.flow.retention import BodiesKept, dropping_calls, emptying_bodies
from refundwatch.store.contract import DropCalls
from refundwatch.store.contract.expiry import EmptyOld, Expired
from tests.flow.fakes import FakeStore
from tests.flow.simloop import START


async def test_old_calls_are_dropped_a_few_at_once() -> None:
    dropped = iter((500, 500, 3))
    store: Any = FakeStore({"DropCalls": lambda _: next(dropped)})

    await dropping_calls(store, lambda: 90).run(START)

    commands = store.of(DropCalls)
    assert len(commands) == 3
    assert {one.before for one in commands} == {START - timedelta(days=90)}
    assert next(dropped, None) is None


async def test_bodies_are_emptied_until_none_is_old_and_keys_are_outlived() -> None:
    emptied = iter((Expired(500, 2, 0), Expired(1, 0, 0), Expired(0, 0, 0)))
    store: Any = FakeStore({"EmptyOld": lambda _: next(emptied)})

    kept = BodiesKept(90, 40, 730, 50 * 86_400)
    await emptying_bodies(store, lambda: kept).run(START)

    commands = store.of(EmptyOld)
    assert len(commands) == 3
    assert commands[0].deliveries_before == START - timedelta(days=90)
    assert commands[0].requests_before == START - timedelta(days=50)
    assert commands[0].notes_before == START - timedelta(days=730)
