from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from tests.tui.conftest import LARGE, SMALL, opened
from tests.tui.hub import START, Hub, alarm, amount, refund

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

pytestmark = pytest.mark.usefixtures("noon")
TEXTUALS_OWN = {
    "app.focus_next",
    "app.focus_previous",
    "screen.copy_text",
    "command_palette",
    "help_quit",
    "quit",
}
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])


@pytest.fixture
async def fixed(unused_tcp_port: int) -> Hub:
    rows = [
        refund(9, "succeeded", amount=amount(123_456_789, "EUR")),
        refund(8, "unknown", amount=amount(1500, "JPY", 0), account="adyen-eu"),
        refund(7, "review", review_reason="amount_differs"),
        refund(6, "awaiting_approval", required_approvals=2, approvals=1),
        refund(5, "awaiting_approval"),
        refund(4, "declined", refused_code="insufficient_funds"),
        refund(3, "held", hold_reason="liquidity"),
    ]
    return Hub(refunds=rows)


def steady(text: str, hub: Hub) -> str:
    return text.replace(f"{hub.url:<22}", "http://127.0.0.1:NNNNN")


@SIZES
async def test_overview(
    fixed: Hub, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    fixed.alarms.append(alarm(2, severity="critical", kind="outage", subject="adyen"))
    async with fixed, opened(fixed, size) as desk:
        await desk.sees("99.98", "paypal-eu/primary", "paused: month-end freeze")
        assert steady(desk.grid(), fixed) == snapshot


@SIZES
async def test_overview_in_recovery(
    fixed: Hub, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    fixed.recovery = "The log has 12 entries; 40 were published as demo-hub/audit."
    fixed.alarms.append(alarm(2, severity="critical", kind="audit_recovery"))
    async with fixed, opened(fixed, size) as desk:
        await desk.sees("RECOVERY, nothing is sent", "99.98")
        assert steady(desk.grid(), fixed) == snapshot


@SIZES
async def test_refunds(
    fixed: Hub, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    async with fixed, opened(fixed, size) as desk:
        await desk.press("2")
        await desk.sees("1 234 567.89 EUR", "following the newest")
        await desk.press("j")
        await desk.sees("1 of 7")
        assert steady(desk.grid(), fixed) == snapshot


@SIZES
async def test_detail(
    fixed: Hub, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    fixed.attempts.append(
        m.AttemptView(
            number=1,
            connection="stripe-uk/primary",
            opened_at=START,
            closed_at=START,
            outcome="unknown",
            reason="timeout",
            status=None,
            duration_ms=900,
        )
    )
    async with fixed, opened(fixed, size) as desk:
        await desk.press("2")
        await desk.sees("1 234 567.89 EUR")
        await desk.press("j", "j", "j", "j", "enter")
        await desk.sees("idempotency key", "rw1-rf_00000006")
        assert steady(desk.grid(), fixed) == snapshot


@SIZES
async def test_approvals(
    fixed: Hub, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    async with fixed, opened(fixed, size) as desk:
        await desk.press("3")
        await desk.sees("1 of 2, oldest first", "10.06 GBP")
        assert steady(desk.grid(), fixed) == snapshot


async def test_every_symbol_can_be_ascii(fixed: Hub) -> None:
    async with fixed, opened(fixed, LARGE, ascii_only=True) as desk:
        await desk.sees("99.98%", "+ paid out")
        await desk.press("2")
        await desk.sees("! sent, no answer")
        rows = [line for line in desk.grid().splitlines() if "rf_" in line]
        assert rows
        assert all(line.isascii() for line in rows)


async def test_live_money_is_a_word_and_a_theme(fixed: Hub) -> None:
    fixed.mode = "live"
    async with fixed, opened(fixed) as desk:
        await desk.sees("LIVE")
        assert desk.app.theme == "refundwatch-live"


async def test_who_where_and_as_what_is_on_screen(fixed: Hub) -> None:
    async with fixed, opened(fixed) as desk:
        await desk.sees("person:ann (approver)", fixed.url, "demo-hub", "SANDBOX")


async def test_every_binding_has_an_id_and_the_shown_ones_a_tooltip(
    fixed: Hub,
) -> None:
    async with fixed, opened(fixed) as desk:
        for mode in "123":
            await desk.press(mode)
            for active in desk.app.screen.active_bindings.values():
                binding = active.binding
                if binding.system or binding.action in TEXTUALS_OWN:
                    continue
                assert binding.id, binding
                assert binding.tooltip or not binding.show, binding


async def test_help_lists_the_keys_that_work_here(fixed: Hub) -> None:
    async with fixed, opened(fixed, LARGE) as desk:
        await desk.press("3")
        await desk.sees("10.06 GBP")
        await desk.press("question_mark")
        await desk.sees("Keys that work here", "Approve: Approve the chosen refund")
        assert "Acknowledge" not in desk.grid()
        await desk.press("escape", "1", "question_mark")
        await desk.sees("Acknowledge alarm")


async def test_palette_reaches_the_actions_of_the_screen(fixed: Hub) -> None:
    async with fixed, opened(fixed, LARGE) as desk:
        titles = [it.title for it in desk.app.get_system_commands(desk.app.screen)]
        assert "Window (w)" in titles
        assert "Refunds (2)" in titles
        assert "Leave (q)" in titles


async def test_alarm_under_the_cursor_is_acknowledged_by_its_id(fixed: Hub) -> None:
    fixed.alarms.append(alarm(2, severity="critical", kind="outage", subject="adyen"))
    async with fixed, opened(fixed, LARGE) as desk:
        await desk.sees("2 open, 2 new")
        await desk.press("j", "a")
        await desk.sees("2 open, 1 new", "seen by person:ann")
        assert [it.id for it in fixed.alarms if it.acknowledged_by] == [1]


async def test_window_of_the_numbers_is_asked_for(fixed: Hub) -> None:
    async with fixed, opened(fixed) as desk:
        await desk.sees("Success rate, 24 h")
        await desk.press("w")
        await desk.sees("Success rate, 7 d")
        await desk.press("w")
        await desk.sees("Success rate, 1 h")


async def test_q_leaves(fixed: Hub) -> None:
    async with fixed, opened(fixed) as desk:
        await desk.press("q")
        await desk.until(lambda: not desk.app.is_running, "left")
        assert desk.app.return_code == 0
