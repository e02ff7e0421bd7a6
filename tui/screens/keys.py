"""Help: the keys that work where the operator was, from the keymap itself.

Invariant: nothing is listed that was not bound there.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult


WIDTH = 50


class KeysScreen(ModalScreen[None]):
    """Lists keys; any of its own leave it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Back", id="help.back"),
        Binding("j,down", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, lines: Sequence[tuple[str, str, bool]]) -> None:
        """Show key, words and whether it works now."""
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        text = Text()
        for keys, words, enabled in self._lines:
            text.append(f"{keys:>14}  ", "bold" if enabled else "dim")
            lines = textwrap.wrap(words, WIDTH)
            indented = ("\n" + " " * 16).join(lines)
            text.append(indented + "\n", "" if enabled else "dim")
        text.rstrip()
        with Vertical(id="dialog"):
            yield Static(Text("Keys that work here"), id="dialog-title")
            with VerticalScroll(id="dialog-facts", can_focus=False):
                yield Static(text)
            yield Static(
                Text(
                    "Everything here is a command too: refundwatch refunds, "
                    "approvals, alarms, metrics."
                ),
                id="dialog-effect",
            )

    def action_scroll(self, lines: int) -> None:
        """Scroll the list."""
        self.query_one("#dialog-facts").scroll_relative(y=lines, animate=False)
