from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from refundwatch.errors import ApiUnreachable
from tests.tui.conftest import Desk
from tui import pictures
from tui.app import Dashboard
from tui.main import NoTerminal, draws_unicode, main, refuse_blind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.hub import Hub

COMMAND = [sys.executable, "-m", "refundwatch", "tui", "--server"]


def test_without_a_terminal_it_refuses_and_names_the_stream(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, f"unix:{tmp_path}/x.sock"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "refundwatch refunds watch" in done.stderr


@pytest.mark.parametrize("term", ["dumb", ""])
def test_dumb_terminal_is_refused(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(NoTerminal, match="dumb"):
        refuse_blind({"TERM": term})
    refuse_blind({"TERM": "xterm-256color"})


def test_symbols_are_ascii_where_others_cannot_be_drawn() -> None:
    assert draws_unicode({"TERM": "xterm"}, "utf-8")
    assert not draws_unicode({"TERM": "xterm"}, "ascii")
    assert not draws_unicode({"TERM": "linux"}, "utf-8")


def test_wrong_size_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--screenshots", "x", "--size", "large"])
    assert left.value.code == 2
    assert "120x36" in capsys.readouterr().err


async def test_pictures_of_three_screens(hub: Hub, tmp_path: Path) -> None:
    app = Dashboard(hub.url, None)
    saved = await pictures.take_pictures(app, tmp_path / "pictures", (100, 30))
    assert [path.name for path in saved] == [
        "overview.svg",
        "refunds.svg",
        "approvals.svg",
    ]
    texts = [path.read_text("utf-8") for path in saved]
    assert all(text.startswith("<svg") for text in texts)
    assert "rf_00000040" in texts[1]
    assert "rf_00000001" in texts[2]


async def test_no_pictures_without_a_daemon(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "PATIENCE_SECONDS", 0.5)
    app = Dashboard(f"http://127.0.0.1:{unused_tcp_port}", None)
    with pytest.raises(ApiUnreachable):
        await pictures.take_pictures(app, tmp_path, (100, 30))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - no path method in a loop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_a_clean_terminal(number: signal.Signals, tmp_path: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, f"unix:{tmp_path}/x.sock"],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(child)
    try:
        seen = _read_until(parent, b"stale|reconnecting|connecting", 20)
        assert b"\x1b[?1049h" in seen
        process.send_signal(number)
        seen = _read_until(parent, rb"\x1b\[\?1049l", 10)
        assert process.wait(10) == 128 + number
    finally:
        process.kill()
        process.wait()
        os.close(parent)


def _read_until(source: int, pattern: bytes, seconds: float) -> bytes:
    seen, end = b"", time.monotonic() + seconds
    while not re.search(pattern, seen):
        assert time.monotonic() < end, seen[-2000:]
        ready, _, _ = select.select([source], [], [], 0.2)
        if ready:
            seen += os.read(source, 65536)
    return seen


async def test_long_text_is_not_given_to_the_clipboard(hub: Hub) -> None:
    app = Dashboard(hub.url, None)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        desk = Desk(app, pilot)
        app.copy_text("x" * 70_001, "The refund")
        await desk.sees("is too long for the")
        assert app.clipboard == ""
        app.copy_text("rf_1", "The id")
        assert app.clipboard == "rf_1"
