from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from refundwatch.commands import watch
from tests.unit.commands.views import AT, refund

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

TOKEN_ENDED = 1008


def change(seq: int, view: m.RefundView | None) -> m.ChangeFrame:
    return m.ChangeFrame(
        seq=seq, at=AT, kind="refund:succeeded", actor="system", refund=view
    )


def snapshot(seq: int) -> m.SnapshotFrame:
    metrics = m.MetricsView(at=AT, window_seconds=86_400, items=[])
    status = m.StatusView(
        instance="hub.test",
        mode="sandbox",
        version="1",
        policy_version="p",
        started_at=AT,
        now=AT,
        draining=False,
        last_seq=seq,
    )
    me = m.MeView(principal="person:ann", roles=["viewer"], permissions=[])
    return m.SnapshotFrame(
        seq=seq,
        now=AT,
        status=status,
        me=me,
        counts={},
        connections=[],
        alarms=[],
        metrics=metrics,
    )


@pytest.fixture
def feed(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """Lose the line once after change 8, then end the token after change 9."""
    monkeypatch.setattr(watch, "FIRST_WAIT_SECONDS", 0.001)
    paid = refund(state_word="paid out")

    async def play(since: int | None, socket: web.WebSocketResponse) -> None:
        if since is None:
            frames: list[m.View] = [snapshot(7), change(8, paid)]
        else:
            other = refund(id="rf_other", state_word="paid out")
            frames = [change(since + 1, other), change(since + 2, None)]
        for frame in frames:
            await socket.send_str(frame.model_dump_json())
        if since is not None:
            await socket.close(code=TOKEN_ENDED)

    hub.feeder = play
    return hub


def test_lost_line_is_taken_up_where_it_was_lost_and_said_in_words(
    run: Callable[..., Ran], feed: FakeHub
) -> None:
    ran = run("refunds", "watch", "--plain")
    assert ran.code == 77
    assert feed.feeds == [None, 8]
    first, second, third = ran.out.splitlines()
    assert first.startswith("At ")
    assert first.endswith(
        "refund rf_zyu2ea5dtys6qgtmgc of GBP 12.50 is paid out: "
        "refund:succeeded by system."
    )
    assert "rf_other" in second
    assert third.endswith(", refund:succeeded by system.")
    for words in ("Watching hub.test (sandbox).", "Reconnecting in", "Connected again"):
        assert words in ran.err


def test_only_those_that_were_named_are_told(
    run: Callable[..., Ran], feed: FakeHub
) -> None:
    out = run("refunds", "watch", "rf_other").out
    assert len(out.splitlines()) == 1
    assert "rf_other" in out


def test_json_is_a_frame_a_line(run: Callable[..., Ran], feed: FakeHub) -> None:
    lines = run("refunds", "watch", "--json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [8, 9, 10]
    m.ChangeFrame.model_validate_json(lines[0])


def test_since_is_asked_for(run: Callable[..., Ran], feed: FakeHub) -> None:
    run("refunds", "watch", "--since", "41")
    assert feed.feeds == [41]


def test_daemon_that_was_never_there_is_unreachable(run: Callable[..., Ran]) -> None:
    assert run("refunds", "watch").code == 3
