"""The board of connections: is each path to each gateway well?

Invariant: health is a word; a reason for a pause or a failure is shown as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.reactive import reactive

from tui import format as f
from tui.columns import GAP, Column, cell, fit
from tui.widgets.numbers import of_connection
from tui.widgets.styled import HubPanel

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import ConnectionView, MetricsView, NumbersView
    from tui.state import HubState

COLUMNS = (
    Column("id", "connection", 20, grow=1),
    Column("health", "health", 10),
    Column("success", "success", 8, 2, right=True),
    Column("p50", "paid p50", 8, 4, right=True),
    Column("p95", "paid p95", 8, 3, right=True),
    Column("uptime", "uptime", 7, 1, right=True),
    Column("queued", "queue", 5, 5, right=True),
    Column("sending", "send", 4, 7, right=True),
    Column("unknown", "no answer", 9, 6, right=True),
    Column("failure", "last failure", 24, 8, grow=1),
)
COUNTED = ("queued", "sending", "unknown")


class Board(HubPanel):
    """One line a connection, trouble first, with a line more that says which."""

    metrics: reactive[MetricsView | None] = reactive(None)

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw the board."""
        if hub.seq is None:
            words = "Connections\nWaiting for the daemon's first word…"
            return Text(words, self.tone("dim"))
        if not hub.connections:
            words = "Connections\nNo connection is configured."
            return Text(words, self.tone("dim"))
        columns = fit(COLUMNS, self.size.width)
        gap = " " * GAP
        head = gap.join(cell(c.title, w, right=c.right) for c, w in columns)
        text = Text.assemble((head, self.tone("head")), no_wrap=True)
        for connection in sorted(hub.connections, key=_calm):
            for line in self._lines(connection, columns, now):
                text.append("\n").append_text(line)
        return text

    def watch_hub(self, hub: HubState) -> None:
        """Grow with the number of lines."""
        troubles = sum(bool(_trouble(it)) for it in hub.connections)
        self.styles.height = max(len(hub.connections), 1) + troubles + 1

    def _lines(
        self,
        it: ConnectionView,
        columns: tuple[tuple[Column, int], ...],
        now: datetime,
    ) -> list[Text]:
        numbers = of_connection(self.metrics, it.id)
        line = Text(no_wrap=True)
        for column, width in columns:
            words = self._cell(column.key, it, numbers, now)
            tone = f.HEALTH[it.health][2] if column.key == "health" else ""
            if column.key == "unknown" and it.unknown:
                tone = "warn"
            style = self.tone(tone)
            line.append(cell(words, width, right=column.right), style)
            line.append(" " * GAP)
        line.right_crop(GAP)
        if not _trouble(it):
            return [line]
        parts = [_trouble(it)]
        if it.down_since is not None:
            parts.append(f"for {f.since(it.down_since, now)}")
        shown = {column.key for column, _ in columns}
        if it.last_failure is not None and "failure" not in shown:
            parts.append(_failure(it, now))
        words = cell("  " + " ".join(parts), self.size.width)
        return [line, Text.assemble((words, self.tone("ask" if it.paused else "bad")))]

    def _cell(
        self,
        key: str,
        it: ConnectionView,
        numbers: NumbersView | None,
        now: datetime,
    ) -> str:
        paid = numbers.processing.get("paid_out") if numbers else None
        match key:
            case "id":
                return f.plain(it.id)
            case "health":
                return f.health(it.health, ascii_only=self.ascii_only)
            case "success":
                return f.percent(numbers.success_rate if numbers else None)
            case "p50":
                return f.duration(paid.p50 if paid else None)
            case "p95":
                return f.duration(paid.p95 if paid else None)
            case "uptime":
                return f.percent(numbers.uptime if numbers else None)
            case "failure":
                return _failure(it, now)
            case _:
                return f.count(int(getattr(it, key)))


def _calm(it: ConnectionView) -> int:
    """Rank what is in trouble first: a short screen shows the top of a long board."""
    if _trouble(it):
        return 0
    return 2 if it.health in {"up", "unknown"} else 1


def _failure(it: ConnectionView, now: datetime) -> str:
    if it.last_failure is None or it.last_failure_at is None:
        return f.NOTHING
    return f"{f.plain(it.last_failure)}, {f.since(it.last_failure_at, now)} ago"


def _trouble(it: ConnectionView) -> str:
    paused = "" if it.paused is None else f"paused: {f.plain(it.paused)}"
    down = "" if it.down_since is None else "down"
    return ", ".join(filter(None, (paused, *_stopped(it), down)))


def _stopped(it: ConnectionView) -> list[str]:
    """Say which part of a connection is stopped, by whom and why."""
    return [
        f"{circuit.part} {'on trial' if circuit.standing == 'half_open' else 'stopped'}"
        f"{f' by {f.plain(circuit.actor)}' if circuit.actor else ''}"
        f": {f.plain(circuit.reason or '')}"
        for circuit in it.circuits
    ]
