"""Circuits by hand and lifted freezes: asked, shown, signed, and sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.audit import salted_commitment
from refundwatch.domain.order import parse_order
from refundwatch.security.sshsig import namespace, parse_public_key, verify
from tests.tui.conftest import LARGE, SMALL, opened
from tests.tui.hub import PERMISSIONS, START, Hub, honest, refund
from tui.screens.base import HubScreen
from tui.screens.order import CircuitForm, OrderScreen, UnfreezeForm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from refundwatch.domain.order import Order
    from tests.tui.conftest import Desk

MAY = [*PERMISSIONS, "connection:control", "refund:release"]


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    rows = [honest(refund(1, "held", frozen="dispute")), honest(refund(2))]
    async with Hub(refunds=rows, decider="person:ann", permissions=MAY) as running:
        yield running


async def circuit_form(desk: Desk) -> None:
    # The screen hears of the line a moment after the app.
    screen = desk.app.screen
    await desk.until(lambda: isinstance(screen, HubScreen) and screen.hub.live, "live")
    await desk.press("c")
    await desk.armed(CircuitForm)


async def filled(desk: Desk, *words: str) -> None:
    for word in words:
        await desk.type(word)
        await desk.press("enter")


def order(hub: Hub, key: Path) -> Order:
    """The order that was sent, once its signature was verified."""
    body = hub.bodies[-1][2]
    public = parse_public_key(key.with_suffix(".pub").read_text("utf-8"))
    statement = body["statement"].encode()
    space = namespace("decision", "demo-hub")
    verify(statement, body["signature"], namespace=space, key=public)
    return parse_order(statement)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
async def test_stop_of_a_connection_is_signed_as_it_is_shown(
    hub: Hub, agent: str, key: Path, size: tuple[int, int]
) -> None:
    async with opened(hub, size) as desk:
        await circuit_form(desk)
        await filled(
            desk, "stripe-uk/primary", "stop orders 30m", "maintenance", "Ada called"
        )
        await desk.armed(OrderScreen)
        await desk.sees(
            "Stop this connection?",
            "about  stripe-uk/primary",
            "part  orders",
            "lasts  1800 seconds",
            "your reason  maintenance",
            "signed as  person:ann at demo-hub, by agent",
            "Yes, stop it",
        )
        await desk.press("tab", "enter")
        await desk.sees("stripe-uk/primary: orders stopped.")
    ((action, about, body),) = hub.bodies
    assert (action, about) == ("circuit", "stripe-uk/primary")
    assert (body["standing"], body["part"], body["seconds"]) == ("open", "orders", 1800)
    said = order(hub, key)
    assert (said.act, said.subject) == ("circuit.trip", "stripe-uk/primary")
    salt = bytes.fromhex(body["reason_salt"])
    assert said.reason_commitment == salted_commitment(salt, b"Ada called")


async def test_what_a_stop_lacks_is_said_at_its_field(hub: Hub, agent: str) -> None:
    async with opened(hub) as desk:
        await circuit_form(desk)
        await filled(desk, "stripe", "stop", "maintenance", "")
        await desk.sees("There is no such connection.")
        await filled(desk, "-uk/primary", "", "", "")
        await desk.sees("Write one of stop orders")
        await filled(desk, " orders 30h", "", "")
        await desk.sees("A stop lasts minutes")
        await desk.press("escape")
    assert hub.bodies == []


async def test_freeze_that_is_shown_is_lifted(hub: Hub, agent: str, key: Path) -> None:
    async with opened(hub) as desk:
        desk.app.open_refund("rf_00000001")
        await desk.sees("Lift freeze")
        await desk.press("f")
        await desk.armed(UnfreezeForm)
        await filled(desk, "checked", "")
        await desk.armed(OrderScreen)
        await desk.sees("Lift this payment's freeze?", "was  dispute", "by agent")
        await desk.press("tab", "enter")
        await desk.sees("py_00000001 is frozen no more.")
    said = order(hub, key)
    assert (said.act, said.subject) == ("payment.unfreeze", "py_00000001")
    assert said.detail == {
        "was": "dispute",
        "since": START.isoformat(timespec="microseconds"),
    }
    assert said.reason_commitment is None


async def test_only_who_may_is_offered_an_order(hub: Hub) -> None:
    hub.permissions = list(PERMISSIONS)
    async with opened(hub) as desk:
        await desk.press("c")
        assert not isinstance(desk.app.screen, CircuitForm)
        desk.app.open_refund("rf_00000001")
        await desk.sees("frozen")
        await desk.press("f")
        assert not isinstance(desk.app.screen, UnfreezeForm)


async def test_yes_that_cannot_be_pressed_is_struck_out(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    async with opened(hub) as desk:
        await circuit_form(desk)
        await filled(desk, "stripe-uk/primary", "close orders", "over", "")
        await desk.armed(OrderScreen)
        await desk.sees("SSH_AUTH_SOCK is not set")
        yes, no = (desk.app.screen.query_one(name) for name in ("#yes", "#no"))
        assert yes.disabled
        assert yes.styles.text_style.strike
        assert not no.styles.text_style.strike
        assert (
            yes.styles.background
            == desk.app.screen.query_one("#dialog").styles.background
        )
    assert hub.bodies == []
