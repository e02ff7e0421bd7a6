"""The keys of every list of refunds.

Invariant: none of them changes anything at the daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.binding import BindingType

LIST_KEYS: Final[list[BindingType]] = [
    Binding("j,down", "move(1)", "Down", show=False, id="list.down"),
    Binding("k,up", "move(-1)", "Up", show=False, id="list.up"),
    Binding(
        "ctrl+d,pagedown", "half(1)", "Half a page", show=False, id="list.half_down"
    ),
    Binding(
        "ctrl+u,pageup", "half(-1)", "Half a page up", show=False, id="list.half_up"
    ),
    Binding("g,home", "first", "First", show=False, id="list.first"),
    Binding("G,end", "last", "Last", show=False, id="list.last"),
    Binding("enter", "open", "Open", id="list.open", tooltip="Show the refund, whole."),
    Binding(
        "space",
        "pause",
        "Pause",
        id="list.pause",
        tooltip="Stop the list from moving; what is new is counted.",
    ),
    Binding(
        "f",
        "follow",
        "Follow",
        id="list.follow",
        tooltip="Let go of the cursor and follow the newest.",
    ),
    Binding(
        "y",
        "copy",
        "Copy id",
        id="list.copy",
        show=False,
        tooltip="Copy the refund's id to the terminal's clipboard.",
    ),
]
