from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from textual.events import Key

from refundwatch.api import models as m
from tests.tui.conftest import LARGE, SMALL, opened
from tests.tui.hub import START, Hub, alarm, connection, refund
from tui.widgets.filter_line import FilterLine
from tui.widgets.refund_list import RefundList

if TYPE_CHECKING:
    from tests.tui.conftest import Desk

HOSTILE = "[/x][red]paid out[/red]\x1b[31m\x07\u202e\n[@click=app.quit]x[/]"


def rows_of(desk: Desk) -> RefundList:
    return desk.app.screen.query_one(RefundList)


async def test_cursor_stays_on_its_refund_while_others_arrive(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2", "j", "j", "j")
        await desk.until(lambda: rows_of(desk).chosen, "chosen")
        chosen = rows_of(desk).chosen
        assert chosen is not None
        line = next(n for n, s in enumerate(desk.grid().splitlines()) if chosen.id in s)
        for number in range(100, 107):
            await hub.change(refund(number))
        await desk.sees("7 new above", "10 of 47")
        assert rows_of(desk).chosen == chosen
        assert chosen.id in desk.grid().splitlines()[line]
        assert desk.grid().splitlines()[line].startswith(">")
        await desk.press("g")
        await desk.sees("rf_00000106", "1 of 47")


async def test_cursor_is_found_again_after_a_flood(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2", "j", "j")
        await desk.until(lambda: rows_of(desk).chosen, "chosen")
        chosen = rows_of(desk).chosen
        assert chosen is not None
        hub.refunds[:0] = [refund(n) for n in range(900, 400, -1)]
        await hub.change(refund(999))
        await desk.sees("501 new above")
        found = rows_of(desk).chosen
        assert found is not None
        assert found.id == chosen.id


async def test_refund_that_no_longer_matches_is_said_to_have_left(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("3")
        await desk.sees("1 of 40")
        await desk.press("j")
        gone = rows_of(desk).chosen
        assert gone is not None
        assert gone.id == "rf_00000002"
        await hub.change(gone.model_copy(update={"state": "queued"}))
        await desk.sees("rf_00000002 left this list", "2 of 39")
        after = rows_of(desk).chosen
        assert after is not None
        assert after.id == "rf_00000003"


async def test_list_without_cursor_follows_the_newest(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("following the newest")
        await hub.change(refund(77))
        await desk.sees("rf_00000077")


async def test_paused_list_stands_still_and_counts(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("rf_00000040")
        await desk.press("space")
        await hub.change(refund(50))
        await hub.change(hub.refunds[3].model_copy(update={"state": "queued"}))
        await desk.sees("paused: 1 new, 2 changes")
        assert "rf_00000050" not in desk.grid()
        await desk.press("space")
        await desk.sees("rf_00000050")


async def test_change_is_shown_where_the_refund_stands(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("rf_00000040")
        await hub.change(hub.refunds[2].model_copy(update={"state": "succeeded"}))
        await desk.sees("paid out")


async def test_only_the_visible_window_is_asked_for(hub: Hub) -> None:
    hub.refunds = [refund(n) for n in range(3000, 0, -1)]
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("3 000, newest first")
        await desk.press("G")
        await desk.sees("3 000 of 3 000", "rf_00000001")
        await desk.press("ctrl+u", "ctrl+u")
        await desk.press("g")
        await desk.sees("1 of 3 000", "rf_00003000")
        assert all(int(asked["limit"]) <= 500 for asked in hub.asked)


async def test_filter_is_half_typed_without_an_error(hub: Hub) -> None:
    hub.refunds[5] = hub.refunds[5].model_copy(update={"state": "unknown"})
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("40, newest first")
        await desk.press("slash", *"state")
        await desk.press("colon", *"unk")
        await desk.sees("'state:unk' means nothing.")
        assert "rf_00000040" in desk.grid()
        await desk.press(*"nown", "enter")
        await desk.sees("1, newest first", "sent, no answer")
        assert "means nothing" not in desk.grid()
        await desk.press("escape")
        await desk.sees("40, newest first")


async def test_keys_that_follow_the_slash_at_once_are_the_filters(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("40, newest first")
        for key, character in (("slash", "/"), ("g", "g"), ("slash", "/"), ("f", "f")):
            desk.app.post_message(Key(key, character))
        line = desk.app.screen.query_one(FilterLine)
        # A slash in it is text.
        await desk.until(lambda: line.value == "g/f", "typed")


async def test_filter_is_completed_from_what_is_known(hub: Hub) -> None:
    async with opened(hub) as desk:
        await desk.press("2", "slash", *"gat")
        await desk.press("right")
        line = desk.app.screen.query_one(FilterLine)
        await desk.until(lambda: line.value == "gat" or line.value, "typed")
        suggest = line.suggester
        assert suggest is not None
        assert await suggest.get_suggestion("x gat") == "x gateway:"
        assert await suggest.get_suggestion("!account:ad") == "!account:adyen-eu"
        assert await suggest.get_suggestion("state:aw") == "state:awaiting_approval"


async def test_empty_list_says_so(hub: Hub) -> None:
    hub.refunds = []
    async with opened(hub) as desk:
        await desk.press("2")
        await desk.sees("No refund matches.")
        await desk.press("j", "enter", "G", "g", "space", "f")
        await desk.press("3")
        await desk.sees("Nothing waits for approval.")
        await desk.press("a")
        await desk.sees("Nothing waits for approval.")


def hostile(view: m.View) -> Any:
    """Put hostile text into every field that takes any text."""
    kept = {"state", "health", "severity", "currency", "knowledge", "request_sha256"}
    changes = {
        name: HOSTILE
        for name, value in view
        if isinstance(value, str) and name not in {*kept, "id"}
    }
    changes |= {
        name: HOSTILE
        for name in ("hold_reason", "frozen", "gateway_reference", "paused")
        if name in type(view).model_fields
    }
    return view.model_copy(update=changes)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_hostile_text_is_only_text(size: tuple[int, int]) -> None:
    it = hostile(refund(1, "review"))
    bad = connection("adyen-eu/primary", health="down", down_since=START)
    bad = hostile(bad.model_copy(update={"last_failure": HOSTILE}))
    hub = Hub(refunds=[it], connections=[bad], alarms=[hostile(alarm())])
    hub.entries = [
        m.EntryView(
            seq=1,
            at=START,
            kind=HOSTILE,
            actor=HOSTILE,
            refund_id=it.id,
            data={HOSTILE: HOSTILE},
        )
    ]
    hub.decisions = [
        m.DecisionView(
            decision=HOSTILE,
            actor=HOSTILE,
            at=START,
            revision=1,
            reason_code=HOSTILE,
            reason_text=HOSTILE,
            valid=True,
            statement=HOSTILE,
        )
    ]
    hub.actions = [m.ActionView(action="approve", allowed=False, reason=HOSTILE)]
    async with hub, opened(hub, size) as desk:
        await desk.sees("[/x]")
        looks = [desk.grid()]
        await desk.press("2")
        await desk.sees("needs review")
        looks.append(desk.grid())
        await desk.press("enter")
        await desk.sees("[/x][red]paid out[/red]")
        looks.append(desk.grid())
        desk.app.say(HOSTILE, severity="error")
        await desk.pilot.pause(0.2)
        looks.append(desk.grid())
        assert desk.app.is_running
    for look in looks:
        assert "\x1b" not in look
        assert "\x07" not in look
        assert "\u202e" not in look


async def test_connection_that_is_down_stands_above_one_that_is_degraded() -> None:
    hub = Hub(
        connections=[
            connection("adyen-eu/main"),
            connection("paypal-us/main", health="degraded"),
            connection("stripe-uk/main", health="down", down_since=START),
        ]
    )
    async with hub, opened(hub, SMALL) as desk:
        await desk.sees("stripe-uk/main")
        grid = desk.grid()
    places = [
        grid.index(name)
        for name in ("stripe-uk/main", "paypal-us/main", "adyen-eu/main")
    ]
    assert places == sorted(places)
