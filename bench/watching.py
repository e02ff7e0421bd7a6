"""The dashboard, or a trivial app, on a terminal of its own; says what it cost.

`start` waits for the key that ends it; `paint` counts the repaints of some seconds and
the processor time of the whole process in them.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from textual.app import App

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

WARM_SECONDS: Final = 3.0
_IDLE_PAINT_SECONDS: Final = 0.1


class Trivial(App[None]):
    """One line of text that is drawn again ten times a second."""

    def compose(self) -> ComposeResult:
        """Lay out the line."""
        from textual.widgets import Static  # noqa: PLC0415 - what we do not use

        yield Static("hello")

    def on_mount(self) -> None:
        """Draw it again and again."""
        line = self.query_one("Static")
        self.set_interval(_IDLE_PAINT_SECONDS, line.refresh)


def _app(server: str | None) -> App[None]:
    if server is None:
        return Trivial()
    from tui.app import Dashboard  # noqa: PLC0415 - its imports are a part of its start

    return Dashboard(server, None)


class Counter:
    """Counts what an app draws."""

    def __init__(self, app: App[None]) -> None:
        """Stand before the app's drawing."""
        self.paints = 0
        drawing: Callable[..., None] = app._display  # noqa: SLF001 - no public place

        def display(*arguments: Any) -> None:
            self.paints += 1
            drawing(*arguments)

        app._display = display  # type: ignore[assignment,method-assign] # noqa: SLF001


def paint(app: App[None], seconds: float) -> dict[str, float]:
    """Count repaints and processor time, once what begins has begun."""
    counter, marks = Counter(app), list[tuple[float, float, int]]()

    def mark() -> None:
        marks.append((time.monotonic(), time.process_time(), counter.paints))
        if len(marks) == 1:
            app.set_timer(seconds, mark)
        else:
            app.exit()

    def begin() -> None:
        if "refunds" in app.MODES:
            app.switch_mode("refunds")
        app.set_timer(WARM_SECONDS, mark)

    app.call_later(begin)
    app.run()
    (begun, used, drawn), (ended, used_all, drawn_all) = marks
    paints = drawn_all - drawn
    return {
        "paints_a_second": paints / (ended - begun),
        "ms_a_paint": (used_all - used) / max(paints, 1) * 1000,
    }


def main() -> None:
    """Run, and write what was measured into a file."""
    parser = argparse.ArgumentParser(prog="watching")
    parser.add_argument("what", choices=("start", "paint"))
    parser.add_argument("result", type=Path)
    parser.add_argument("--server")
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    app = _app(chosen.server)
    if chosen.what == "start":
        app.run()
        return
    told = paint(app, chosen.seconds)
    chosen.result.write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main()
