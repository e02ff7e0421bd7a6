"""The dashboard on a terminal: its start, and what a repaint costs.

Behind it stand a million refunds and 50 changes a second, most of them on screen. The
processor time of a repaint is that of the whole process, reading the feed included.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bench.ratio import Row, at_most, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

START_NOTE: Final = (
    "of the difference, mounting the panels and reading their styles take a half, the "
    "models of the wire a quarter"
)
ROUNDS: Final = 9
PAINT_ROUNDS: Final = 3
PAINT_SECONDS: Final = 10.0
MOST_PAINTS: Final = 10.0
MOST_MS: Final = 15.0
SIZE: Final = {"COLUMNS": "160", "LINES": "50"}
LEAVE: Final = b"\x11"
RESULT: Final = "result.json"
TERMINAL: Final = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Measure both."""
    with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as place:
        folder = Path(place)
        with _hub(folder / "hub.sock") as server:
            starts = _starts(folder, server, 1 if short else ROUNDS)
            rounds = 1 if short else PAINT_ROUNDS
            return starts + _paints(folder, server, rounds, 2 if short else None)


def _starts(folder: Path, server: str, rounds: int) -> list[Row]:
    taken = interleaved(
        {
            "ours": lambda: _seen(folder, b"Overview", "--server", server),
            "trivial": lambda: _seen(folder, b"hello"),
        },
        rounds,
    )
    return [
        at_most(
            "dashboard",
            ("start to first paint (s)", taken["ours"]),
            ("trivial Textual app (s)", taken["trivial"]),
            1.6,
            START_NOTE,
        )
    ]


def _seen(folder: Path, word: bytes, *more: str) -> float:
    """Start the app; give the seconds until a word of it is on the terminal."""
    begun = time.perf_counter()
    with _app(folder, "start", *more) as (process, terminal):
        shown = b""
        while word not in shown:
            shown += os.read(terminal, 65_536)
        seconds = time.perf_counter() - begun
        os.write(terminal, LEAVE)
        _drain(terminal)
        process.wait()
        return seconds


def _paints(folder: Path, server: str, rounds: int, seconds: float | None) -> list[Row]:
    wanted = ("--seconds", str(seconds or PAINT_SECONDS))
    ours = [_painted(folder, *wanted, "--server", server) for _ in range(rounds)]
    idle = _painted(folder, *wanted)["ms_a_paint"]
    rate = [one["paints_a_second"] for one in ours]
    cost = [one["ms_a_paint"] for one in ours]
    note = f"an idle repaint of the trivial app costs {idle:.2f} ms"
    return [
        at_most(
            "dashboard",
            ("repaints/s at 50 changes/s", rate),
            ("allowed", [MOST_PAINTS] * rounds),
            1,
        ),
        at_most(
            "dashboard",
            ("CPU ms per repaint, 1 M refunds behind it", cost),
            ("allowed", [MOST_MS] * rounds),
            1,
            f"{note}, ours {median(cost) / idle:.1f} of it",
        ),
    ]


def _painted(folder: Path, *arguments: str) -> dict[str, float]:
    with _app(folder, "paint", *arguments) as (process, terminal):
        _drain(terminal)
        process.wait()
    told: dict[str, float] = json.loads((folder / RESULT).read_text("utf-8"))
    return told


@contextmanager
def _app(
    folder: Path, what: str, *more: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the app on a pseudo-terminal; give its process and our end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bench.watching", what, str(folder / RESULT)]
    try:
        with subprocess.Popen(
            [*command, *more],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | SIZE | TERMINAL,
        ) as process:
            os.close(theirs)
            yield process, ours
    finally:
        os.close(ours)


def _drain(terminal: int) -> None:
    """Read to the end, so that the app never waits for its terminal."""
    # Linux ends a terminal that nobody writes to any more with an error.
    with suppress(OSError):
        while os.read(terminal, 65_536):
            pass


@contextmanager
def _hub(socket: Path) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.million", str(socket)], stdout=subprocess.PIPE
    ) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise SystemExit("the hub did not start")
            yield f"unix:{socket}"
        finally:
            process.terminate()
