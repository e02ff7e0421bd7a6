from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tui.feed
import tui.state
from tests.tui.conftest import opened
from tests.tui.hub import Hub, refund
from tui.app import Dashboard
from tui.feed import LONGEST_WAIT_SECONDS, wait_seconds
from tui.screens.confirm import ConfirmScreen


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tui.feed, "FIRST_WAIT_SECONDS", 0.2)


@given(st.integers(0, 10), st.floats(0, 1))
def test_wait_grows_spreads_and_is_bounded(failures: int, chance: float) -> None:
    wait = wait_seconds(failures, chance)
    assert 0 < wait <= LONGEST_WAIT_SECONDS
    assert wait <= wait_seconds(failures + 1, 1.0)


async def test_line_comes_back_from_where_it_was(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("rf_00000040", "live")
        await hub.change(refund(41))
        await desk.sees("rf_00000041")
        seq = hub.seq
        await hub.close()
        await desk.sees("stale since", "reconnecting in")
        assert "rf_00000041" in desk.grid()
        await hub.open()
        await desk.until(lambda: desk.app.state.live, "live again")
        assert hub.since[-1] == str(seq)
        await hub.change(refund(42))
        await desk.sees("rf_00000042")


async def test_another_hub_at_the_same_place_is_asked_for_everything(hub: Hub) -> None:
    async with opened(hub) as desk:
        await hub.close()
        await desk.sees("reconnecting in")
        other = Hub(refunds=[refund(7)], port=hub.port, seq=5)
        other.status = lambda: Hub.status(hub).model_copy(  # type: ignore[method-assign]
            update={"instance": "other-hub"}
        )
        async with other:
            await desk.until(lambda: desk.app.state.live, "live again")
            await desk.sees("other-hub")
            assert other.since == [None]


async def test_decisions_are_off_while_stale(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("3")
        await desk.sees("rf_00000001")
        assert desk.app.screen.active_bindings["a"].enabled
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        await hub.close()
        await desk.sees("may be out of date")
        assert desk.app.screen.query_one("#yes").disabled
        await desk.press("escape")
        await desk.sees("stale", "reconnecting in")
        assert not desk.app.screen.active_bindings["a"].enabled
        await desk.press("a")
        assert not isinstance(desk.app.screen, ConfirmScreen)
        assert hub.bodies == []


async def test_silent_line_is_stale(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tui.state, "STALE_SECONDS", 0.5)
    hub.health_seconds = 60.0
    async with opened(hub) as desk:
        await desk.sees("stale since")
        assert not desk.app.state.live


async def test_dashboard_opens_without_a_daemon_and_says_so(
    unused_tcp_port: int,
) -> None:
    app = Dashboard(f"http://127.0.0.1:{unused_tcp_port}", None)
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(100):
            await pilot.pause(0.02)
            if app.state.trouble:
                break
        assert "No daemon answers" in (app.state.trouble or "")
        await pilot.press("2", "3", "1")
        assert app.is_running


async def test_reader_without_the_right_finds_decisions_greyed_out() -> None:
    hub = Hub(refunds=[refund(1)], permissions=["refund:read"])
    async with hub, opened(hub) as desk:
        await desk.press("3")
        await desk.sees("rf_00000001")
        assert not desk.app.screen.active_bindings["a"].enabled
