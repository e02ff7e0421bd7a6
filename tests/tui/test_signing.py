"""A person's yes costs one key press, and shows what is signed with which key."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from refundwatch.api.models_operators import HeadView
from refundwatch.config import SigningConfig
from refundwatch.domain.decision import parse_statement
from refundwatch.security.sshsig import namespace, parse_public_key, verify
from tests.ssh_agents import load_key
from tests.tui.conftest import LARGE, SMALL, opened
from tests.tui.hub import Hub, honest, refund
from tui.screens.confirm import ConfirmScreen
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.tui.conftest import Desk


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    refunds = [honest(refund(number)) for number in range(3, 0, -1)]
    async with Hub(refunds=refunds, decider="person:ann") as running:
        yield running


async def asked(desk: Desk) -> None:
    """Come to the question about the oldest refund."""
    await desk.press("3")
    await desk.sees("oldest first", "rf_0000")
    await desk.press("a")
    await desk.armed(ConfirmScreen)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
async def test_yes_signs_what_is_shown_with_the_key_that_is_shown(
    hub: Hub, agent: str, key: Path, size: tuple[int, int]
) -> None:
    public = parse_public_key(key.with_suffix(".pub").read_text("utf-8"))
    async with opened(hub, size) as desk:
        await asked(desk)
        await desk.sees(
            "signed as  person:ann at demo-hub, by agent",
            f"with key  {public.fingerprint}",
            "policy  abababababababab...",
            "after log of  5 entries, 5a5a5a5a5a5a5a5a...",
            "10.01 GBP",
            "Yes, approve",
        )
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        await desk.sees("rf_00000001 is now: not sent.")
    action, refund_id, body = hub.bodies[0]
    assert (action, refund_id) == ("approve", "rf_00000001")
    statement = body["statement"].encode()
    space = namespace("decision", "demo-hub")
    verify(statement, body["signature"], namespace=space, key=public)
    said = parse_statement(statement)
    it = hub.find("rf_00000001")
    assert it is not None
    assert (said.actor, said.refund_id, said.amount_minor) == (
        "person:ann",
        it.id,
        it.amount.minor,
    )
    assert said.request_sha256 == it.request_sha256 == body["request_sha256"]


async def test_agent_that_refuses_is_shown_in_place_and_nothing_is_sent(
    hub: Hub, agent: str, key: Path
) -> None:
    async with opened(hub) as desk:
        await asked(desk)
        await desk.sees("by agent")
        forget(agent)
        await desk.press("tab", "enter")
        await desk.sees("does not hold", "any more")
        assert isinstance(desk.app.screen, ConfirmScreen)
        assert hub.bodies == []
        load_key(agent, key)
        # The focus went back to No meanwhile.
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent once the key is back")


def forget(agent: str) -> None:
    subprocess.run(
        ["ssh-add", "-q", "-D"],
        env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )


async def test_without_an_agent_there_is_no_yes_and_it_says_why(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    async with opened(hub) as desk:
        await asked(desk)
        await desk.sees("SSH_AUTH_SOCK is not set")
        assert desk.app.screen.query_one("#yes").disabled
        await desk.press("tab", "enter")
        await desk.until(lambda: not isinstance(desk.app.screen, Dialog), "closed")
        assert hub.bodies == []


async def test_daemon_that_asks_no_signature_gets_none_and_that_is_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    hub.signs = False
    async with opened(hub, SMALL) as desk:
        await asked(desk)
        await desk.sees("signature  none: the daemon asks you for none")
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
    assert hub.bodies[0][2]["statement"] is None


async def test_content_that_is_not_that_of_its_digest_cannot_be_confirmed(
    hub: Hub, agent: str
) -> None:
    it = hub.refunds[-1]
    lie = it.amount.model_copy(update={"minor": 1})
    hub.refunds[-1] = it.model_copy(update={"amount": lie})
    async with opened(hub) as desk:
        await asked(desk)
        await desk.sees("digest of refund rf_00000001")
        assert desk.app.screen.query_one("#yes").disabled


async def test_warning_at_80x24_leaves_the_buttons_in_sight(
    hub: Hub, agent: str
) -> None:
    it = hub.refunds[-1]
    async with opened(hub, SMALL) as desk:
        await asked(desk)
        await desk.sees("by agent")
        await hub.change(it.model_copy(update={"revision": 2}))
        await desk.sees("It changed meanwhile", "No, go back", "Yes, approve")
        await desk.sees("refund  rf_00000001")
        await desk.press(*["down"] * 6)
        await desk.sees("after log of")


async def test_log_that_was_rewritten_stops_every_yes(
    hub: Hub, agent: str, tmp_path: Path
) -> None:
    async with opened(hub) as desk:
        await asked(desk)
        await desk.sees("by agent")
        await desk.press("escape")
        hub.head = HeadView(size=4, root="5b" * 32)
        await asked(desk)
        await desk.sees("does not continue the one of 5")
        assert desk.app.screen.query_one("#yes").disabled
    assert hub.bodies == []


async def test_ssh_keygen_signs_after_the_dashboard_left_the_screen(
    hub: Hub, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    left: list[str] = []

    @contextmanager
    def suspend() -> Iterator[None]:
        left.append("left")
        yield
        left.append("came back")

    async with opened(hub) as desk:
        pen = desk.app.pen
        pen._config = SigningConfig("keygen", str(key))
        pen._suspend = suspend
        await asked(desk)
        await desk.sees("by keygen")
        assert left == []
        await desk.press("tab", "enter")
        await desk.until(lambda: hub.bodies, "sent")
        assert left == ["left", "came back"]
    public = parse_public_key(key.with_suffix(".pub").read_text("utf-8"))
    body = hub.bodies[0][2]
    space = namespace("decision", "demo-hub")
    verify(body["statement"].encode(), body["signature"], namespace=space, key=public)


async def test_paste_is_a_thing_of_the_command_line(
    hub: Hub, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with opened(hub) as desk:
        desk.app.pen._config = SigningConfig("paste", f"{key}.pub")
        await asked(desk)
        await desk.sees("by paste")
        await desk.press("tab", "enter")
        await desk.sees("signs by agent or keygen")
        assert hub.bodies == []
