"""The three numbers on the wall, large.

Invariant: a number stands with how many it was counted from; where nothing was counted
there is a dash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Horizontal
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Digits, Static

from tui import format as f

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from refundwatch.api.models import MetricsView, NumbersView

EVERY = "*"
WINDOWS: tuple[tuple[int, str], ...] = (
    (f.HOUR, "1 h"),
    (f.DAY, "24 h"),
    (7 * f.DAY, "7 d"),
)


def window_word(seconds: int) -> str:
    """Name a window."""
    return dict(WINDOWS).get(seconds, f.age(seconds))


def of_connection(metrics: MetricsView | None, name: str) -> NumbersView | None:
    """Give the numbers of one connection, over every currency."""
    if metrics is None:
        return None
    for row in metrics.items:
        if row.connection == name and row.currency is None:
            return row
    return None


class Tile(Widget):
    """One number with a title, and two lines that explain it."""

    def __init__(self, title: str, name: str) -> None:
        """Start with a dash."""
        super().__init__(id=name)
        self._title = title
        self._told: tuple[str, str, tuple[str, ...]] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the tile."""
        yield Static(Text(self._title), classes="tile-title", markup=False)
        yield Digits(f.NOTHING, classes="tile-digits")
        yield Static(f.NOTHING, classes="tile-plain", markup=False)
        yield Static("", classes="tile-notes", markup=False)

    def tell(self, title: str, value: str, notes: list[str]) -> None:
        """Show a number and its explanation, if it is another one."""
        told = (title, value, tuple(notes))
        if told == self._told:
            return
        self._told = told
        self.query_one(".tile-title", Static).update(Text(title))
        self.query_one(Digits).update(value)
        self.query_one(".tile-plain", Static).update(Text(value))
        self.query_one(".tile-notes", Static).update(Text("\n".join(notes)))


class Numbers(Widget):
    """Processing time, success rate, uptime, over one window."""

    metrics: reactive[MetricsView | None] = reactive(None)
    window: reactive[int] = reactive(f.DAY)

    def compose(self) -> ComposeResult:
        """Lay out the three tiles."""
        with Horizontal():
            yield Tile("Processing time", "processing")
            yield Tile("Success rate", "success")
            yield Tile("Gateway uptime", "uptime")

    def watch_metrics(self) -> None:
        """Show newer numbers."""
        if not self.query(Tile):
            return  # not composed yet; `on_mount` follows
        row = of_connection(self.metrics, EVERY)
        word = window_word(self.metrics.window_seconds if self.metrics else self.window)
        self.query_one("#processing", Tile).tell(*_processing(row, word))
        self.query_one("#success", Tile).tell(*_success(row, word))
        self.query_one("#uptime", Tile).tell(*_uptime(row, word))

    def on_mount(self) -> None:
        """Show what there is."""
        self.watch_metrics()


def _processing(row: NumbersView | None, word: str) -> tuple[str, str, list[str]]:
    title = f"Processing time, {word}"
    paid = row.processing.get("paid_out") if row else None
    if row is None or paid is None or paid.p50 is None:
        return title, f.NOTHING, ["nothing paid out yet"]
    notes = [
        f"p50 of {f.count(paid.count)} paid out, p95 {f.duration(paid.p95)}",
        "  ".join(
            f"{words} {f.duration(stage.p50)}"
            for key, words in (
                ("sent", "sent"),
                ("accepted", "accepted"),
                ("approval", "approved"),
            )
            if (stage := row.processing.get(key)) is not None and stage.p50 is not None
        ),
    ]
    return title, f.duration(paid.p50), notes


def _success(row: NumbersView | None, word: str) -> tuple[str, str, list[str]]:
    title = f"Success rate, {word}"
    if row is None or row.success_rate is None:
        return title, f.NOTHING, ["no final word yet"]
    words = row.succeeded + row.declined
    reasons = sorted(row.declined_by.items(), key=lambda it: -it[1])[:2]
    notes = [
        (
            f"{f.count(row.succeeded)} of {f.count(words)}, "
            f"{f.count(row.declined)} declined, {f.count(row.bounced)} bounced"
        ),
        "  ".join(f"{f.plain(code)} {f.count(many)}" for code, many in reasons),
    ]
    return title, f.percent(row.success_rate), notes


def _uptime(row: NumbersView | None, word: str) -> tuple[str, str, list[str]]:
    title = f"Gateway uptime, {word}"
    if row is None or row.uptime is None:
        return title, f.NOTHING, ["nothing observed yet"]
    return (
        title,
        f.percent(row.uptime),
        [
            f"down {f.age(row.down_seconds)} of {f.age(row.observed_seconds)} observed",
            f"{f.count(row.requested)} refunds requested",
        ],
    )
