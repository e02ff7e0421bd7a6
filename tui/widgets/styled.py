"""A widget whose tones come from the theme, for text that it draws itself.

Invariant: text is drawn from plain strings and styles; nothing here reads markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.format import ASCII
from tui.state import HubState

if TYPE_CHECKING:
    from datetime import datetime

TONES = ("good", "wait", "ask", "warn", "bad", "dim", "head", "key")


class Styled(Widget):
    """Gives `tone()`; the component classes are styled in `app.tcss`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES}
    _tones: dict[str, Style] | None = None

    def tone(self, name: str) -> Style:
        """Give the theme's style of a tone; an unknown one is no style."""
        if name not in TONES:
            return Style()
        if self._tones is None:
            self._tones = {}
        found = self._tones.get(name)
        if found is None:
            found = self._tones[name] = self._blended(name)
        return found

    def notify_style_update(self) -> None:
        """Forget tones of other styles."""
        super().notify_style_update()
        self._tones = None

    def _blended(self, name: str) -> Style:
        styles = self.get_component_styles(f"tone--{name}")
        # A colour may be partly transparent; what is drawn by hand must blend it.
        _, behind = self.background_colors
        return Style(color=(behind + styles.color).rich_color) + styles.text_style

    @property
    def ascii_only(self) -> bool:
        """Tell whether symbols must be ASCII."""
        return self.app.has_class("-ascii")


class HubPanel(Styled):
    """A panel that draws the hub's state as text."""

    hub: reactive[HubState] = reactive(HubState, layout=False)
    now: reactive[datetime | None] = reactive(None)

    def render(self) -> Text:
        """Draw the panel's text."""
        if self.now is None:
            return Text()
        text = self.text(self.hub, self.now)
        if self.ascii_only:
            text.plain = text.plain.translate(ASCII)
        return text

    def text(self, hub: HubState, now: datetime) -> Text:
        """Give what is to be drawn; every widget has its own.

        Not an `abstractmethod`: Textual's metaclass knows none.
        """
        raise NotImplementedError
