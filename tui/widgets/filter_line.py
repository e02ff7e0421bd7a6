"""The filter line: the filter language, completed while it is typed.

Invariant: nothing that is typed is an error here; the daemon alone says what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, get_args

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from refundwatch.api.models import StateName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KEYS: Final = (
    "state:",
    "needs:approval",
    "needs:review",
    "needs:answer",
    "gateway:",
    "account:",
    "connection:",
    "currency:",
    "payment:",
    "request:",
    "reason:",
    "invoice:",
    "frozen:yes",
    "action:yes",
    "amount>",
    "minor>",
    "age>",
)
EXAMPLE: Final = "state:unknown gateway:adyen amount>100 age>2h text !text"
TYPING_SECONDS: Final = 0.2


class Completion(Suggester):
    """Completes the last word."""

    def __init__(self, known: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        """Take values by key from `known`."""
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = known

    async def get_suggestion(self, value: str) -> str | None:
        """Give the whole text with its last word completed."""
        start = value.rfind(" ") + 1
        word = value[start:]
        bare = word.removeprefix("!")
        if not bare:
            return None
        for whole in self._candidates(bare):
            if whole.startswith(bare) and whole != bare:
                return value[: len(value) - len(bare)] + whole
        return None

    def _candidates(self, word: str) -> list[str]:
        key, colon, _ = word.partition(":")
        if not colon:
            return list(KEYS)
        values: Sequence[str] = self._known().get(key, ())
        if key == "state":
            values = get_args(StateName)
        return [f"{key}:{value}" for value in values]


class FilterLine(Input):
    """Says what is to be filtered, a moment after it was typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "leave",
            "Back to the list",
            id="filter.leave",
            tooltip="Keep the filter and go back to the list.",
        ),
        Binding("down", "leave", "Back to the list", show=False, id="filter.down"),
    ]

    class Settled(Message):
        """The text was not changed for a moment, or enter was pressed."""

        def __init__(self, text: str) -> None:
            """Keep the text."""
            super().__init__()
            self.text = text

    class Left(Message):
        """The operator went back to the list."""

    def __init__(self, known: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        """Start empty."""
        super().__init__(
            placeholder=f"/ filter: {EXAMPLE}",
            suggester=Completion(known),
            compact=True,
            max_length=1000,
        )
        self._typed = 0

    def on_input_changed(self, event: Input.Changed) -> None:
        """Wait until typing pauses."""
        event.stop()
        self._typed += 1
        typed = self._typed
        self.set_timer(TYPING_SECONDS, lambda: self._settle(typed))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Filter at once and go back."""
        event.stop()
        self._typed += 1
        self.post_message(self.Settled(self.value))
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Go back to the list."""
        self.post_message(self.Left())

    def _settle(self, typed: int) -> None:
        if typed == self._typed:
            self.post_message(self.Settled(self.value))
