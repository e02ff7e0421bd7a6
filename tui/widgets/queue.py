"""How many refunds stand in each state, and what changed lately.

Invariant: what waits for a person stands first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tui import format as f
from tui.columns import cell
from tui.widgets.styled import HubPanel

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import ChangeFrame, StateName
    from tui.state import HubState

LEFT: tuple[StateName, ...] = (
    "awaiting_approval",
    "unknown",
    "review",
    "held",
    "queued",
    "sending",
    "pending",
)
RIGHT: tuple[StateName, ...] = (
    "succeeded",
    "settled",
    "declined",
    "reversed",
    "refused",
    "expired",
    "cancelled",
)
_PEOPLE = frozenset({"awaiting_approval", "unknown", "review"})
_LOUD = frozenset({"alarm", "connection", "config", "token"})
_NUMBER = 5
_LEFT_LEAST, _RIGHT_LEAST = 22, 26


def _halves(width: int) -> tuple[int, int]:
    """Give the widths of both columns; the right one may have to go."""
    spare = width - 2 - _LEFT_LEAST - _RIGHT_LEAST
    if spare < 0:
        return max(width, 1), 0
    return _LEFT_LEAST + spare // 2, _RIGHT_LEAST + spare // 2


class Queue(HubPanel):
    """Every state with its count: open ones left, finished ones right."""

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw the counts, in two columns if there is room for words."""
        del now
        text = Text.assemble(("Refunds by state", self.tone("head")), no_wrap=True)
        if hub.seq is None:
            return text.append("\nWaiting…", self.tone("dim"))
        left, right = _halves(self.size.width)
        for one, other in zip(LEFT, RIGHT, strict=True):
            text.append("\n").append_text(self._half(hub, one, left))
            if right:
                text.append("  ").append_text(self._half(hub, other, right))
        return text

    def _half(self, hub: HubState, name: StateName, width: int) -> Text:
        many = hub.counts.get(name, 0)
        words = f.state(name, ascii_only=self.ascii_only)
        number = f.count(many)
        wide = max(_NUMBER, len(number))
        tone = f.TONES[name] if many else "dim"
        text = Text.assemble((cell(words, width - wide), self.tone(tone)))
        loud = "key" if many and name in _PEOPLE else ("" if many else "dim")
        return text.append(cell(number, wide, right=True), self.tone(loud))


class Recent(HubPanel):
    """The newest changes, newest first."""

    def text(self, hub: HubState, now: datetime) -> Text:
        """Draw as many as there is room for."""
        text = Text.assemble(("Latest changes\n", self.tone("head")))
        telling = [frame for frame in hub.recent if _tells(frame)]
        if not telling:
            return text.append("Nothing has changed yet.", self.tone("dim"))
        room = max(self.size.height - 1, 1)
        for frame in reversed(telling[-room:]):
            text.append_text(self._line(frame, now)).append("\n")
        text.rstrip()
        return text

    def _line(self, frame: ChangeFrame, now: datetime) -> Text:
        line = Text.assemble(
            (cell(f.since(frame.at, now), 7, right=True), self.tone("dim"))
        )
        room = max(self.size.width - 9, 10)
        refund = frame.refund
        if refund is None:
            words = f"{f.plain(frame.kind)}  {f.plain(frame.actor)}"
            return line.append("  " + cell(words, room))
        word = f.state(refund.state, ascii_only=self.ascii_only)
        line.append("  " + cell(word, 22), self.tone(f.TONES[refund.state]))
        line.append(cell(f.money(refund.amount), 16, right=True))
        rest = f"  {f.plain(refund.account)}  {f.plain(frame.kind)}"
        return line.append(cell(rest, max(room - 38, 0)))


def _tells(frame: ChangeFrame) -> bool:
    """Leave out what only bookkeeping cares for: deliveries stored, payments read."""
    return frame.refund is not None or frame.kind.partition(":")[0] in _LOUD
