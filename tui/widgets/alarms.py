"""The alarms that are open, with a cursor to acknowledge one.

Invariant: the cursor is an alarm's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType

from tui import format as f
from tui.columns import cell
from tui.widgets.styled import HubPanel

if TYPE_CHECKING:
    from datetime import datetime
    from typing import ClassVar

    from refundwatch.api.models import AlarmView
    from tui.state import HubState

TONE: Final = {"info": "wait", "warning": "ask", "critical": "bad"}
GRAVITY: Final = {"info": "info", "warning": "warn", "critical": "CRIT"}


class Alarms(HubPanel, can_focus=True):
    """Alarms that are not closed, those nobody has seen first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, id="alarms.down"),
        Binding("k,up", "move(-1)", "Up", show=False, id="alarms.up"),
    ]
    _cursor_id: int | None = None

    @property
    def chosen(self) -> AlarmView | None:
        """Give the alarm under the cursor."""
        alarms = ordered(self.hub)
        for alarm in alarms:
            if alarm.id == self._cursor_id:
                return alarm
        return alarms[0] if alarms else None

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        alarms, chosen = ordered(self.hub), self.chosen
        if chosen is None:
            return
        at = [alarm.id for alarm in alarms].index(chosen.id) + by
        self._cursor_id = alarms[min(max(at, 0), len(alarms) - 1)].id
        self.refresh()

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw the alarms that fit around the cursor."""
        alarms = ordered(hub)
        unseen = sum(alarm.acknowledged_at is None for alarm in alarms)
        text = Text.assemble(
            (f"Alarms: {len(alarms)} open, {unseen} new", self.tone("head")),
            no_wrap=True,
        )
        if hub.seq is None:
            return text.append("\nWaiting…", self.tone("dim"))
        if not alarms:
            return text.append("\nNo alarm is open.", self.tone("dim"))
        chosen = self.chosen
        room = max(self.size.height - 1, 1)
        at = alarms.index(chosen) if chosen in alarms else 0
        first = max(0, min(at - room + 1, len(alarms) - room))
        for alarm in alarms[first : first + room]:
            here = self.has_focus and chosen is not None and alarm.id == chosen.id
            text.append("\n").append_text(self._line(alarm, now, here=here))
        return text

    def _line(self, alarm: AlarmView, now: datetime, *, here: bool) -> Text:
        seen = alarm.acknowledged_by
        tail = f"seen by {f.plain(seen)}" if seen else "new"
        subject = f"{f.plain(alarm.kind)}  {f.plain(alarm.subject)}"
        words = f"{'>' if here else ' '} {GRAVITY[alarm.severity]} "
        rest = f"{subject}  {f.since(alarm.opened_at, now)}  {tail}"
        tone = "dim" if seen else TONE[alarm.severity]
        style = self.tone(tone) + (Style(reverse=True) if here else Style())
        line = cell(words + rest, max(self.size.width, 1))
        return Text(line, style, no_wrap=True)


def ordered(hub: HubState) -> list[AlarmView]:
    """Give the open alarms: unseen before seen, grave before light, new before old."""
    grave = ("critical", "warning", "info")
    return sorted(
        (alarm for alarm in hub.alarms if alarm.closed_at is None),
        key=lambda it: (
            it.acknowledged_at is not None,
            grave.index(it.severity),
            -it.id,
        ),
    )
