from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from refundwatch.api import models as m
from tests.tui.conftest import LARGE, opened
from tests.tui.hub import START, Hub, amount, refund
from tui.proposal import Proposal
from tui.screens.confirm import ConfirmScreen
from tui.screens.dialog import Dialog
from tui.screens.form import FormScreen

if TYPE_CHECKING:
    from tests.tui.conftest import Desk


async def waiting(desk: Desk) -> None:
    await desk.press("3")
    await desk.sees("oldest first", "rf_0000")


async def test_yes_sends_exactly_what_was_shown(hub: Hub) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("j", "a")
        await desk.armed(ConfirmScreen)
        grid = desk.grid()
        it = hub.find("rf_00000002")
        assert it is not None
        for shown in (
            it.id,
            "10.02 GBP",
            it.payment_reference,
            "stripe-uk at stripe",
            it.request_sha256[:16],
            "machine:returns",
            "nobody yet (0 of 1)",
            "Yes, approve",
        ):
            assert shown in grid
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        assert hub.bodies == [
            (
                "approve",
                it.id,
                {
                    "statement": None,
                    "signature": None,
                    "reason_salt": None,
                    "revision": it.revision,
                    "request_sha256": it.request_sha256,
                    "reason_code": "approved",
                    "reason_text": None,
                },
            )
        ]
        await desk.sees("rf_00000002 is now: not sent.")


async def test_no_is_first_and_has_the_focus(hub: Hub) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        assert desk.app.focused is not None
        assert desk.app.focused.id == "no"
        await desk.press("enter")
        await desk.until(lambda: not isinstance(desk.app.screen, Dialog), "closed")
        assert hub.bodies == []


async def test_keys_typed_before_the_dialog_are_dropped(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dialog, "ARM_SECONDS", 0.4)
    async with opened(hub) as desk:
        await waiting(desk)
        for key in ("a", "tab", "enter", "right", "enter", "y", "enter"):
            desk.app.post_message(Key(key, None))
        await desk.until(lambda: isinstance(desk.app.screen, ConfirmScreen), "dialog")
        for key in ("tab", "enter"):
            desk.app.post_message(Key(key, None))
        await desk.armed(ConfirmScreen)
        await asyncio.sleep(0.1)
        assert isinstance(desk.app.screen, ConfirmScreen)
        assert hub.bodies == []


async def test_refusal_needs_a_reason_code_and_words(hub: Hub) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("r")
        await desk.armed(FormScreen)
        await desk.press("enter", "enter")
        await desk.sees("A reason code has")
        await desk.type("duplicate")
        await desk.press("enter", "enter")
        await desk.sees("Say why in your own words.")
        await desk.type("paid twice")
        await desk.press("enter")
        await desk.armed(ConfirmScreen)
        await desk.sees(
            "duplicate", "paid twice", "It will never be sent.", "Yes, refuse"
        )
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        action, refund_id, body = hub.bodies[0]
        assert (action, refund_id) == ("refuse", "rf_00000001")
        assert body["reason_code"] == "duplicate"
        assert body["reason_text"] == "paid twice"
        assert body["revision"] == 1


async def test_the_daemons_refusal_is_shown_in_its_own_words(hub: Hub) -> None:
    sentence = "Whoever created or edited a refund may not approve it. [red]x"
    hub.refusal = m.Problem(
        type="urn:x", title="x", status=403, code="policy.denied", detail=sentence
    )
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        await desk.press("tab", "enter")
        await desk.sees("Whoever created or edited", "[red]x")


async def test_action_that_is_not_allowed_says_why_and_asks_nothing(hub: Hub) -> None:
    hub.actions = [
        m.ActionView(action="approve", allowed=False, reason="You asked for it.")
    ]
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("a")
        await desk.sees("You asked for it.")
        assert not isinstance(desk.app.screen, Dialog)


async def test_change_meanwhile_takes_yes_away(hub: Hub) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        it = hub.find("rf_00000001")
        assert it is not None
        await hub.change(it.model_copy(update={"revision": 2, "amount": amount(5)}))
        await desk.sees("It changed meanwhile")
        await desk.press("tab", "enter", "right", "enter")
        assert hub.bodies == []


async def test_newer_content_than_the_list_showed_is_pointed_out(hub: Hub) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        it = hub.refunds[-1]
        changes = {"revision": 2, "amount": amount(70_000), "request_sha256": "f" * 64}
        hub.refunds[-1] = it.model_copy(update=changes)
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        await desk.sees("700.00 GBP", "newer than the list showed (10.01 GBP")
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        assert hub.bodies[0][2]["revision"] == 2
        assert hub.bodies[0][2]["request_sha256"] == "f" * 64


@pytest.mark.parametrize(("mode", "needed"), [("live", 1), ("sandbox", 2)])
async def test_live_or_large_money_wants_its_amount_typed(
    mode: str, needed: int
) -> None:
    hub = Hub(refunds=[refund(1, required_approvals=needed)], mode=mode)
    async with hub, opened(hub) as desk:
        await waiting(desk)
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        await desk.sees("type 10.01 to allow Yes")
        yes = desk.app.screen.query_one("#yes")
        assert yes.disabled
        field = desk.app.screen.query_one("#dialog-amount")
        field.focus()
        await desk.press(*"10.0")
        assert yes.disabled
        await desk.press("1")
        await desk.until(lambda: not yes.disabled, "yes")
        await desk.press("enter", "tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")


async def test_edit_sends_the_decimal_text_as_exact_minor_units() -> None:
    hub = Hub(refunds=[refund(1, amount=amount(9_007_199_254_740, "KWD", 3))])
    async with hub, opened(hub, LARGE) as desk:
        await waiting(desk)
        await desk.press("enter")
        await desk.sees("What you can do")
        await desk.press("e")
        await desk.armed(FormScreen)
        await desk.type("8999999999.999")
        await desk.press("enter")
        await desk.type("wrong_amount")
        await desk.press("enter", "enter")
        await desk.armed(ConfirmScreen)
        await desk.sees("8 999 999 999.999 KWD", "9 007 199 254.740 KWD")
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        assert hub.bodies[0][0] == "edit"
        assert hub.bodies[0][2]["amount_minor"] == 8_999_999_999_999


async def test_resolving_takes_outcome_reason_and_evidence() -> None:
    hub = Hub(refunds=[refund(1, "review")])
    async with hub, opened(hub, LARGE) as desk:
        await desk.press("2")
        await desk.sees("needs review")
        await desk.press("enter")
        await desk.sees("What you can do")
        await desk.press("v")
        await desk.armed(FormScreen)
        await desk.type("succeeded")
        await desk.press("enter")
        await desk.type("re_123")
        await desk.press("enter")
        await desk.type("gateway_confirmed")
        await desk.press("enter", "enter")
        await desk.armed(ConfirmScreen)
        await desk.sees("it was paid out", "re_123", "gateway_confirmed")
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        body = hub.bodies[0][2]
        assert body["resolution"] == "succeeded"
        assert body["evidence"] == {"gateway_record": "re_123"}


async def test_look_up_is_the_quick_action_of_an_unknown() -> None:
    hub = Hub(refunds=[refund(1, "unknown")])
    async with hub, opened(hub) as desk:
        await desk.press("2")
        await desk.sees("sent, no answer")
        await desk.press("enter")
        await desk.sees("l Look up")
        await desk.press("l")
        await desk.armed(ConfirmScreen)
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        assert hub.bodies == [("lookup", "rf_00000001", {})]


def test_cancelling_what_was_accepted_promises_only_that_it_is_asked() -> None:
    def effect(state: m.StateName) -> str:
        return Proposal("cancel", refund(1, state), "machine:returns").effect

    assert "never be sent" in effect("queued")
    assert "Only its word ends" in effect("pending")


async def test_reasons_why_not_stand_beside_the_actions(hub: Hub) -> None:
    async with opened(hub, LARGE) as desk:
        await waiting(desk)
        await desk.press("enter")
        await desk.sees("Not your role.", "It is not held.")
        keys = desk.app.screen.active_bindings
        assert keys["a"].enabled
        assert "x" not in keys


async def test_detail_is_read_again_when_the_refund_changes(hub: Hub) -> None:
    async with opened(hub, LARGE) as desk:
        await waiting(desk)
        await desk.press("enter")
        await desk.sees("needs approval")
        it = hub.refunds[-1]
        changes = {"state": "succeeded", "succeeded_at": START}
        await hub.change(it.model_copy(update=changes))
        await desk.sees("2026-11-24 12:00:00 UTC", "✓ paid out")
        await desk.press("escape")
        await desk.sees("oldest first")


async def test_key_that_waited_since_before_the_dialog_never_reaches_it(
    hub: Hub,
) -> None:
    async with opened(hub) as desk:
        await waiting(desk)
        waited = [Key("tab", "\t"), Key("enter", "\r"), Key("escape", None)]
        await desk.press("a")
        await desk.armed(ConfirmScreen)
        for key in waited:
            desk.app.post_message(key)
        await desk.pilot.pause(0.2)
        assert isinstance(desk.app.screen, ConfirmScreen)
        assert hub.bodies == []
        await desk.press("escape")
        await desk.until(lambda: not isinstance(desk.app.screen, Dialog), "closed")
