"""The lines on top: LIVE or SANDBOX, who, where, and how the line stands.

Invariant: the mode and the state of the line are words, always on screen, and so is
that nothing is sent while the hub's log is in recovery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text

from tui import format as f
from tui.state import HubState, Line
from tui.widgets.styled import HubPanel

if TYPE_CHECKING:
    from datetime import datetime

TABS = (
    ("overview", "1 Overview"),
    ("refunds", "2 Refunds"),
    ("approvals", "3 Approvals"),
)


class Banner(HubPanel):
    """Mode, instance, principal, roles, server; tabs and the line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"banner--mode", "banner--tab"}

    def __init__(self, server: str, tab: str) -> None:
        """Show `tab` as the current one."""
        super().__init__()
        self._server = server
        self._tab = tab

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw the lines, each as wide as the screen."""
        width = self.size.width
        lines = [self._first(hub, width), self._second(hub, now, width)]
        if hub.recovery is not None:
            lines.append(self._third(hub.recovery, width))
        return Text("\n").join(lines)

    def _third(self, sentence: str, width: int) -> Text:
        """Say that nothing is sent, and what ends it before why it is so."""
        words = f" ! RECOVERY, nothing is sent. refundwatch audit recover: {sentence}"
        line = Text(f.plain(words), self.tone("bad"), no_wrap=True, end="")
        line.truncate(width, overflow="ellipsis")
        return line

    def _first(self, hub: HubState, width: int) -> Text:
        left = Text.assemble((" refundwatch ", self.tone("head")))
        mode = hub.status.mode.upper() if hub.status else "CONNECTING"
        left.append(f" {mode} ", self.get_component_rich_style("banner--mode"))
        if hub.status is not None:
            left.append(f" {f.plain(hub.status.instance)}")
            if hub.status.draining:
                left.append(" draining", self.tone("warn"))
        return _across(left, self._who(hub), width)

    def _who(self, hub: HubState) -> Text:
        if hub.trouble is not None:
            return Text.assemble((f.plain(hub.trouble) + " ", self.tone("warn")))
        where = f.plain(_short(self._server))
        if hub.me is None:
            return Text(f"{where} ")
        roles = "+".join(hub.me.roles) or "no role"
        return Text(f"{f.plain(hub.me.principal)} ({roles})  {where} ")

    def _second(self, hub: HubState, now: datetime, width: int) -> Text:
        words, tone = line_words(hub, now, ascii_only=self.ascii_only)
        right = Text.assemble((words + " ", self.tone(tone)))
        left = self._tabs(hub, short=False)
        if left.cell_len + right.cell_len > width:
            left = self._tabs(hub, short=True)
        return _across(left, right, width)

    def _tabs(self, hub: HubState, *, short: bool) -> Text:
        tabs = Text()
        waiting = hub.counts.get("awaiting_approval", 0)
        for name, words in TABS:
            here = name == self._tab
            label = words if here or not short else words[:1]
            if name == "approvals" and waiting:
                label += f" ({f.count(waiting)})"
            style = self.get_component_rich_style("banner--tab") if here else Style()
            tabs.append(f" {label} ", style)
        return tabs


def line_words(hub: HubState, now: datetime, *, ascii_only: bool) -> tuple[str, str]:
    """Say how the line stands, and the tone of it."""
    match hub.line:
        case Line.LIVE:
            return f"{'*' if ascii_only else '●'} live {f.clock(now)}", "good"
        case Line.STALE:
            return f"! stale since {_lost(hub, now)}", "warn"
        case Line.RETRYING:
            gone = (hub.retry_at or now) - now
            left = max(int(gone.total_seconds()) + 1, 0)
            stale = f"stale since {_lost(hub, now)}, " if hub.heard_at else ""
            return f"! {stale}reconnecting in {left} s", "warn"
        case Line.CONNECTING:
            stale = f"stale since {_lost(hub, now)}, " if hub.heard_at else ""
            return f"! {stale}connecting", "ask"


def _short(server: str) -> str:
    """Name a socket by its file; the folder is long and the same every day."""
    folder, slash, name = server.rpartition("/")
    return f"unix:…/{name}" if slash and folder.startswith("unix:") else server


def _lost(hub: HubState, now: datetime) -> str:
    return f.clock(hub.lost_at or hub.heard_at or now)


def _across(left: Text, right: Text, width: int) -> Text:
    end = right
    room = width - left.cell_len
    if end.cell_len + 1 > room:
        end.truncate(max(room - 1, 0), overflow="ellipsis")
    gap = " " * max(room - end.cell_len, 0)
    return Text.assemble(left, gap, end, no_wrap=True, end="")
