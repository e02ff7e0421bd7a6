"""The refunds: a live list with a filter line.

Invariant: as `tui.widgets.refund_list` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.screens.base import HubScreen
from tui.widgets.filter_line import FilterLine
from tui.widgets.refund_list import RefundList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.widget import Widget

    from refundwatch.api.models import RefundPage


class RefundsScreen(HubScreen):
    """Mode 2."""

    TAB = "refunds"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "slash",
            "filter",
            "Filter",
            id="refunds.filter",
            key_display="/",
            tooltip="Say which refunds are shown.",
            # Before the list gets it, else a busy list gets what is typed after it too.
            priority=True,
        ),
        Binding(
            "escape",
            "clear",
            "Clear filter",
            id="refunds.clear",
            tooltip="Show every refund again.",
        ),
    ]

    def parts(self) -> Iterable[Widget]:
        """Lay out the line above the list."""
        yield FilterLine(self._known)
        rows = RefundList(self._ask, empty="No refund matches.")
        yield rows.data_bind(HubScreen.hub, HubScreen.now)

    def on_mount(self) -> None:
        """Begin in the list."""
        self.query_one(RefundList).focus()

    async def _ask(self, text: str, offset: int, limit: int) -> RefundPage:
        return await self.dashboard.desk.page(text, offset, limit)

    def _known(self) -> Mapping[str, Sequence[str]]:
        connections = self.hub.connections
        return {
            "gateway": sorted({it.gateway for it in connections}),
            "account": sorted({it.account for it in connections}),
            "connection": sorted(it.id for it in connections),
        }

    def on_filter_line_settled(self, message: FilterLine.Settled) -> None:
        """Show what matches."""
        self.query_one(RefundList).filter_text = message.text.strip()
        self.refresh_bindings()

    def on_filter_line_left(self) -> None:
        """Go back to the list."""
        self.query_one(RefundList).focus()

    def on_refund_list_opened(self, message: RefundList.Opened) -> None:
        """Show the refund, whole."""
        self.dashboard.open_refund(message.refund_id)

    def on_refund_list_copied(self, message: RefundList.Copied) -> None:
        """Copy its id."""
        self.dashboard.copy_text(message.text, "The id")

    def action_filter(self) -> None:
        """Go to the filter line at once: the next keys are its text already."""
        self.set_focus(self.query_one(FilterLine))

    def action_clear(self) -> None:
        """Show every refund again."""
        self.query_one(FilterLine).value = ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to clear a filter only where there is one; a slash can be its text."""
        del parameters
        if action == "filter":
            return not isinstance(self.focused, FilterLine)
        if action == "clear":
            lines = self.query(FilterLine)
            return bool(lines and lines.first().value)
        return True
