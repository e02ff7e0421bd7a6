"""A dialog of fields to fill in, one after another.

Invariant: it gives back a whole answer, or says at the field what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from rich.text import Text
from textual.containers import Horizontal, Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Static

from tui import format as f
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

R = TypeVar("R")
Fields: TypeAlias = list[tuple[str, str, tuple[str, ...]]]
"""Each field's name, the words above it, and what it offers to complete."""

CODE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
CODE_WORDS: Final = "A reason code has a-z, 0-9, _ . - and is needed."


@dataclass(frozen=True, slots=True)
class Wrong:
    """Which field is wrong, and why."""

    field: str
    sentence: str


class FieldsDialog(Dialog[R | None], Generic[R]):
    """Asks for some words; gives what they mean, or None."""

    def __init__(self, title: str, about: str, fields: Fields) -> None:
        """Ask for these fields."""
        super().__init__()
        self._title, self._about, self._fields = title, about, fields

    def filled(self) -> R | Wrong:
        """Give what the fields mean, or the field that is wrong and why.

        Not an `abstractmethod`: Textual's metaclass knows none.
        """
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Lay out one line for each thing that is needed."""
        with Vertical(id="dialog"):
            yield Static(Text(self._title), id="dialog-title")
            yield Static(Text(self._about), id="dialog-about")
            for name, words, offers in self._fields:
                yield from _field(name, words, offers)
            yield Static(id="dialog-warning")
            with Horizontal(id="dialog-buttons"):
                yield Button("No, go back", id="no", disabled=True, compact=True)
                yield Button("Go on", id="yes", disabled=True, compact=True)

    def ready(self) -> None:
        """Put the cursor in the first field."""
        for widget in self.query("Input, Button"):
            widget.disabled = False
        self.query(Input).first().focus()

    def on_input_submitted(self) -> None:
        """Go to the next field; after the last one, on."""
        fields = list(self.query(Input))
        at = fields.index(self.focused) if self.focused in fields else -1
        if at + 1 < len(fields):
            fields[at + 1].focus()
        else:
            self._go_on()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        event.stop()
        if event.button.id == "no":
            self.dismiss(None)
        elif self.armed:
            self._go_on()

    def _go_on(self) -> None:
        made = self.filled()
        if not isinstance(made, Wrong):
            self.dismiss(made)
            return
        self.query_one("#dialog-warning", Static).update(Text(made.sentence))
        self.query_one(f"#field-{made.field}", Input).focus()

    def value(self, name: str) -> str:
        """Give what stands in a field."""
        return f.plain(self.query_one(f"#field-{name}", Input).value).strip()


def _field(name: str, words: str, offers: tuple[str, ...]) -> ComposeResult:
    yield Static(Text(words), classes="field-label")
    suggester = SuggestFromList(offers) if offers else None
    yield Input(
        id=f"field-{name}",
        compact=True,
        disabled=True,
        suggester=suggester,
        max_length=2000,
    )
