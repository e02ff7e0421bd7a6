"""The demo in a real terminal: one refund approved by keys, and nothing left behind.

tmux is the terminal: a server of its own, no configuration, a fixed size, and a second
session that keeps the server alive.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
TMUX = shutil.which("tmux")
PATIENCE_SECONDS = 60.0
STEP_SECONDS = 0.1
SIZES = [(80, 24), (140, 45)]
ID = re.compile(r"refund +(rf_[a-z0-9]+)")
OURS = ("sandbox.toml", "config.toml", "daemon.sock")

pytestmark = [
    pytest.mark.xdist_group("heavy"),
    pytest.mark.skipif(TMUX is None, reason="there is no tmux here"),
]


class Terminal:
    """One tmux server with the demo's session in it."""

    def __init__(self, columns: int, lines: int) -> None:
        self._name = f"refundwatch-{os.getpid()}-{columns}x{lines}"
        self._size = ("-x", str(columns), "-y", str(lines))
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TMUX")},
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TERM": "screen-256color",
        }

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            [str(TMUX), "-u", "-L", self._name, "-f", os.devnull, *words],
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=30,
        )
        return done.stdout

    def open(self, command: str) -> None:
        self.tmux("new-session", "-d", "-s", "keep", *self._size, "sleep 600")
        self.tmux(
            "new-session", "-d", "-s", "demo", *self._size, "-c", str(ROOT), command
        )

    def close(self) -> None:
        """End the server, and take its socket away, which it leaves."""
        path = self.tmux("display", "-p", "#{socket_path}").strip()
        self.tmux("kill-server")
        if path:
            Path(path).unlink(missing_ok=True)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "demo")

    def text(self) -> str:
        """Everything since the start, its wrapped lines joined."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "demo")

    def keys(self, *names: str) -> None:
        self.tmux("send-keys", "-t", "demo", *names)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "demo", "-l", text)

    def modes(self) -> str:
        """Alternate screen, mouse, cursor: 0, 0 and 1 in a terminal at rest."""
        form = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"
        return self.tmux("display", "-p", "-t", "demo", form).strip()

    def wait(self, *words: str, seconds: float = PATIENCE_SECONDS) -> str:
        return self.until(
            lambda: all(word in self.screen() for word in words), seconds, str(words)
        )

    def until(self, found: Callable[[], bool], seconds: float, what: str) -> str:
        end = time.monotonic() + seconds
        while not found():
            if time.monotonic() > end:
                pytest.fail(f"no {what} within {seconds:.0f} s:\n{self.screen()}")
            time.sleep(STEP_SECONDS)
        return self.screen()


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    opened = Terminal(*request.param)
    try:
        yield opened
    finally:
        opened.close()


def demo_command(folder: Path) -> str:
    """Start the demo slowly enough that its approvers leave all to the watcher."""
    words = ("demo", "--faults", "none", "--rate", "1", "--keep", str(folder))
    demo = shlex.join([sys.executable, "-m", "refundwatch", *words])
    return f"{demo}; echo it ended with $?; exec sleep 600"


def processes_of(folder: Path) -> list[str]:
    """Command lines of the demo's children that still run."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    paths = [str(folder / name) for name in OURS]
    return [line for line in listed if any(path in line for path in paths)]


def choose_one_that_needs_one_approval(terminal: Terminal) -> str:
    """Open the confirmation of each waiting refund until one needs no second yes."""
    for _ in range(30):
        terminal.keys("a")
        shown = terminal.wait("Approve this refund?", "approved by", "Yes, approve")
        if "(0 of 1)" in shown:
            match = ID.search(shown)
            assert match is not None, shown
            return match[1]
        # Keys typed before a dialog was seen are dropped, so ask until it has gone.
        _leave_dialog(terminal)
        terminal.keys("j")
        time.sleep(1.0)
    pytest.fail("no refund needed just one approval:\n" + terminal.screen())


def is_listed(terminal: Terminal, refund_id: str) -> bool:
    """Tell whether a row shows it; below the rows it may say that it left."""
    return any(
        refund_id in line and "left this list" not in line
        for line in terminal.screen().splitlines()
    )


def _leave_dialog(terminal: Terminal) -> None:
    def gone() -> bool:
        terminal.keys("Escape")
        time.sleep(0.3)
        return "Approve this refund?" not in terminal.screen()

    terminal.until(gone, 20, "list behind the dialog")


def confirm(terminal: Terminal) -> None:
    """Go from No to Yes and press it; the first keys may come too early."""

    def gone() -> bool:
        terminal.keys("Right")
        time.sleep(0.3)
        terminal.keys("Enter")
        time.sleep(0.3)
        return "Approve this refund?" not in terminal.screen()

    terminal.until(gone, 20, "answer to the confirmation")


def filter_by(terminal: Terminal, refund_id: str) -> None:
    """Write an id into the filter line, as fast as keys come."""
    terminal.keys("/")
    terminal.type(refund_id)
    terminal.wait(f"{refund_id}\n")
    terminal.keys("Enter")
    # From here on keys are the list's again.
    terminal.wait("Clear filter")


def test_refund_approved_by_keys_is_paid_out_and_nothing_is_left(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    terminal.open(demo_command(folder))
    overview = terminal.wait("adyen-eu/main", "braintree-us/main", "live", "SANDBOX")
    assert "Success rate" in overview
    assert terminal.modes().startswith("1 ")
    assert len(processes_of(folder)) == 3

    terminal.keys("3")
    terminal.wait("oldest first", "rf_")
    chosen = choose_one_that_needs_one_approval(terminal)
    listed = chosen[:12]
    assert is_listed(terminal, listed)
    confirm(terminal)
    terminal.until(
        lambda: not is_listed(terminal, listed), PATIENCE_SECONDS, "end of its waiting"
    )

    terminal.keys("2")
    terminal.wait("newest first")
    filter_by(terminal, chosen)
    found = terminal.wait("paid out", listed, " 1, newest first")
    assert "needs approval" not in found

    terminal.keys("q")
    terminal.until(
        lambda: "it ended with" in terminal.text(), PATIENCE_SECONDS, "end of the demo"
    )
    report = terminal.text()
    assert "The dashboard was left" in report
    assert re.search(r"^BALANCED: \d+ executions", report, re.MULTILINE), report
    assert "it ended with 0" in report
    assert terminal.modes() == "0 0 1"
    assert processes_of(folder) == []
