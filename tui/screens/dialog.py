"""A dialog that cannot be answered by keys typed before it was seen.

Invariant: until it is armed nothing in it can be pressed, and a key typed before that
moment never reaches it; No is first and has the focus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import var
from textual.screen import ModalScreen

from tui.state import HubState

if TYPE_CHECKING:
    from datetime import datetime

    from tui.app import Dashboard

R = TypeVar("R")


class Dialog(ModalScreen[R], Generic[R]):
    """Armed a moment after it was first drawn."""

    ARM_SECONDS: ClassVar[float] = 0.4
    AUTO_FOCUS = ""
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (30, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", "No, go back", id="dialog.no"),
    ]
    hub: var[HubState] = var(HubState)
    now: var[datetime | None] = var(None)
    armed: var[bool] = var(default=False)
    armed_at: float = float("inf")

    @property
    def dashboard(self) -> Dashboard:
        """Give the app as what it is."""
        return cast("Dashboard", self.app)

    def on_mount(self) -> None:
        """Arm after it was seen."""
        self.dashboard.show_state(self)
        self.call_after_refresh(self.set_timer, self.ARM_SECONDS, self._arm)

    def _arm(self) -> None:
        self.armed_at = Message().time
        self.armed = True
        self.ready()

    def ready(self) -> None:
        """Let the operator begin: focus what is safe."""

    def action_no(self) -> None:
        """Leave without doing anything."""
        self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take no key before the dialog is armed."""
        del action, parameters
        return self.armed
