"""A loop that fails comes back, is seen, and never takes the others with it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from daemon import loops
from daemon.loops import Supervisor, close_crash_alarms
from refundwatch.errors import StoreFailed
from refundwatch.store.contract import ListAlarms
from tests.daemon.living import until

if TYPE_CHECKING:
    from tests.daemon.living import Living


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "FIRST_PAUSE_SECONDS", 0.01)


async def crashed(daemon: Living) -> list[str]:
    rows = await daemon.hub.store.read(ListAlarms())
    return [row.subject for row in rows if row.kind == "loop_crashed"]


async def test_loop_that_crashes_raises_an_alarm_and_starts_again(
    daemon: Living,
) -> None:
    supervisor = Supervisor(daemon.hub)
    begun: list[int] = []
    works = asyncio.Event()

    async def loop(stop: asyncio.Event) -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ValueError("secret customer jane@example.com")
        works.set()
        await stop.wait()

    supervisor.keep("tested", loop)
    await asyncio.wait_for(works.wait(), 10)
    assert supervisor.all_running
    assert await crashed(daemon) == ["tested"]
    assert daemon.hub.counters["loop_crashes"] == 2
    lines = daemon.log.of("loop:crashed")
    assert lines[0]["error"] == "ValueError"
    assert "jane" not in str(daemon.log.lines)
    await supervisor.finish(1)


async def test_loop_is_not_restarted_in_a_hurry(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "LONGEST_PAUSE_SECONDS", 0.04)
    supervisor = Supervisor(daemon.hub)
    clock = asyncio.get_running_loop().time
    begun: list[float] = []

    async def loop(stop: asyncio.Event) -> None:
        begun.append(clock())
        raise ValueError

    supervisor.keep("tested", loop)
    await until(lambda: len(begun) > 5)
    await supervisor.finish(1)
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert pauses[0] >= 0.01
    assert min(pauses[2:5]) >= 0.04


async def test_loop_whose_store_failed_ends_the_daemon(daemon: Living) -> None:
    supervisor = Supervisor(daemon.hub)

    async def loop(stop: asyncio.Event) -> None:
        raise StoreFailed("The disk is gone.")

    supervisor.keep("tested", loop)
    await asyncio.wait_for(daemon.hub.failed.wait(), 5)
    await until(lambda: not supervisor.all_running)


async def test_loop_ends_by_its_event_or_is_cancelled(daemon: Living) -> None:
    supervisor = Supervisor(daemon.hub)
    ends: list[str] = []

    async def willing(stop: asyncio.Event) -> None:
        await stop.wait()
        ends.append("willing")

    async def stubborn(stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("stubborn")

    supervisor.keep("willing", willing)
    supervisor.keep("stubborn", stubborn)
    await asyncio.sleep(0.01)
    await supervisor.finish(0.1)
    assert ends == ["willing", "stubborn"]


async def test_second_signal_shortens_the_waiting(daemon: Living) -> None:
    supervisor = Supervisor(daemon.hub)

    async def stubborn(stop: asyncio.Event) -> None:
        await asyncio.sleep(60)

    supervisor.keep("stubborn", stubborn)
    ending = asyncio.ensure_future(supervisor.finish(60))
    await asyncio.sleep(0.05)
    assert not ending.done()
    supervisor.hurry()
    await asyncio.wait_for(ending, 1)


async def test_new_start_closes_the_alarms_of_the_last(daemon: Living) -> None:
    supervisor = Supervisor(daemon.hub)

    async def loop(stop: asyncio.Event) -> None:
        raise ValueError

    supervisor.keep("tested", loop)
    await until(lambda: crashed(daemon))
    await supervisor.finish(1)
    await close_crash_alarms(daemon.hub, ("tested",))
    assert await crashed(daemon) == []


async def test_room_that_crashes_does_not_stop_the_api(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = daemon.parts.house.dispatcher

    async def broken() -> int:
        raise RuntimeError

    monkeypatch.setattr(type(room), "step", lambda self: broken())
    room.bell.ring()
    await until(lambda: crashed(daemon))
    assert (await daemon.call("GET", "/v1/status")).status == 200
    monkeypatch.undo()
