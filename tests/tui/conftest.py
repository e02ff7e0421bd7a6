from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

import tui.app
import tui.feed
from tests.ssh_agents import load_key, make_key, running_agent
from tests.tui.hub import START, Hub, refund
from tui.app import Dashboard
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from textual.pilot import Pilot

SMALL, LARGE = (80, 24), (140, 45)
PATIENCE_SECONDS = 15.0


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    monkeypatch.setattr(Dialog, "ARM_SECONDS", 0.05)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the screen, so that pictures stay the same."""

    def now() -> object:
        return START + timedelta(seconds=2)

    monkeypatch.setattr(tui.app, "_now", now)
    monkeypatch.setattr(tui.feed, "_now", now)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an SSH key without a passphrase."""
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def agent(key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run an ssh-agent that holds the key; give its socket."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with running_agent() as path:
        load_key(path, key)
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        yield path


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with Hub(refunds=[refund(n) for n in range(40, 0, -1)]) as running:
        yield running


class Desk:
    """An app under a pilot, and how to wait for what it should come to."""

    def __init__(self, app: Dashboard, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Write into the field that has the focus, quicker than key by key."""
        field = self.app.focused
        assert isinstance(field, Input)
        field.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, f"never: {what}\n{self.grid()}"
            await asyncio.sleep(0.04)
        await self.pilot.pause()

    async def sees(self, *words: str) -> None:
        for word in words:
            await self.until(lambda word=word: word in self.grid(), word)  # type: ignore[misc]

    async def armed(self, kind: type[Dialog[object]]) -> None:
        def is_armed() -> bool:
            screen = self.app.screen
            return isinstance(screen, kind) and screen.armed

        await self.until(is_armed, f"{kind.__name__} armed")

    def grid(self) -> str:
        # The one place that knows this private name.
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)


@asynccontextmanager
async def opened(
    hub: Hub, size: tuple[int, int] = SMALL, *, ascii_only: bool = False
) -> AsyncIterator[Desk]:
    app = Dashboard(hub.url, None, ascii_only=ascii_only)
    app.animation_level = "none"
    async with app.run_test(size=size, notifications=True) as pilot:
        desk = Desk(app, pilot)
        await desk.until(lambda: app.state.live, "live")
        yield desk
