"""What every full screen has: the banner, the hub's state, the footer.

Invariant: a screen reads the state that the app hands it and changes nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.reactive import var
from textual.screen import Screen
from textual.widgets import Footer

from tui.state import HubState
from tui.widgets.banner import Banner

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.widget import Widget

    from tui.app import Dashboard


class HubScreen(Screen[None]):
    """A screen of the hub."""

    TAB: ClassVar[str] = "overview"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [
        (0, "-narrow"),
        (100, "-wide"),
    ]
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [
        (0, "-short"),
        (30, "-middle"),
        (36, "-tall"),
    ]
    hub: var[HubState] = var(HubState)
    now: var[datetime | None] = var(None)

    @property
    def dashboard(self) -> Dashboard:
        """Give the app as what it is."""
        return cast("Dashboard", self.app)

    def compose(self) -> ComposeResult:
        """Lay the parts between banner and footer."""
        banner = Banner(self.dashboard.server, self.TAB)
        yield banner.data_bind(HubScreen.hub, HubScreen.now)
        yield from self.parts()
        yield Footer(show_command_palette=False)

    def parts(self) -> Iterable[Widget]:
        """Give what is between banner and footer; every screen has its own.

        Not an `abstractmethod`: Textual's metaclass knows none.
        """
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        """Take the newest state when coming back."""
        self.dashboard.show_state(self)

    def watch_hub(self, before: HubState, after: HubState) -> None:
        """Show by a class that what is on screen may be old."""
        self.set_class(after.heard_at is not None and not after.live, "-stale")
        self.set_class(after.recovery is not None, "-recovery")
        if before.live != after.live or before.me != after.me:
            self.refresh_bindings()
