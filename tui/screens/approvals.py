"""The approvals: what waits for somebody's yes, the oldest first.

Invariant: a decision is about the refund under the cursor by its id, as displayed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.desk import AWAITING
from tui.screens.base import HubScreen
from tui.widgets.refund_cells import WAITING_COLUMNS
from tui.widgets.refund_list import RefundList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from refundwatch.api.models import ActionName, RefundPage

PERMISSIONS = {"approve": "refund:approve", "refuse": "refund:refuse"}


class ApprovalsScreen(HubScreen):
    """Mode 3."""

    TAB = "approvals"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "a",
            "decide('approve')",
            "Approve",
            id="approvals.approve",
            tooltip="Approve the chosen refund; you are asked again.",
        ),
        Binding(
            "r",
            "decide('refuse')",
            "Refuse",
            id="approvals.refuse",
            tooltip="Refuse the chosen refund, with a reason.",
        ),
    ]

    def parts(self) -> Iterable[Widget]:
        """Lay out the list."""
        rows = RefundList(
            self._ask,
            empty="Nothing waits for approval.",
            follows=False,
            order="oldest first",
            columns=WAITING_COLUMNS,
        )
        yield rows.data_bind(HubScreen.hub, HubScreen.now)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one(RefundList).focus()

    async def _ask(self, text: str, offset: int, limit: int) -> RefundPage:
        del text
        return await self.dashboard.desk.page(
            AWAITING, offset, limit, oldest_first=True
        )

    def on_refund_list_opened(self, message: RefundList.Opened) -> None:
        """Show the refund, whole."""
        self.dashboard.open_refund(message.refund_id)

    def on_refund_list_copied(self, message: RefundList.Copied) -> None:
        """Copy its id."""
        self.dashboard.copy_text(message.text, "The id")

    def action_decide(self, action: ActionName) -> None:
        """Begin a decision about the chosen refund."""
        chosen = self.query_one(RefundList).chosen
        if chosen is None:
            self.dashboard.say("Choose a refund first.", severity="warning")
            return
        self.dashboard.decide(action, chosen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey out decisions while stale or not ours to make."""
        if action == "decide":
            permission = PERMISSIONS[str(parameters[0])]
            return self.hub.why_not(permission) is None or None
        return True
