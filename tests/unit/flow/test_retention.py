from __future__ import annotations

from datetime import timedelta
from typing import Any

from refundwatch.flow.retention import dropping_calls
from refundwatch.store.contract import DropCalls
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
