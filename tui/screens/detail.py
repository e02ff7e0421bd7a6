"""One refund, whole, and everything that may be done about it.

Invariant: an action is offered as the daemon offers it, with its reason when not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.reactive import var

from refundwatch.api.models import as_json
from refundwatch.errors import RefundwatchError
from tui.proposal import why_not
from tui.screens.base import HubScreen
from tui.widgets.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from refundwatch.api.models import ActionName, RefundDetailView
    from tui.state import HubState


class DetailScreen(HubScreen):
    """On top of whichever list it was opened from."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", id="detail.back"),
        Binding(
            "a",
            "decide('approve')",
            "Approve",
            id="detail.approve",
            tooltip="Approve this refund; you are asked again.",
        ),
        Binding(
            "r",
            "decide('refuse')",
            "Refuse",
            id="detail.refuse",
            tooltip="Refuse this refund, with a reason.",
        ),
        Binding(
            "e",
            "decide('edit')",
            "Edit",
            id="detail.edit",
            tooltip="Ask for another amount; approvals are void.",
        ),
        Binding(
            "h",
            "decide('hold')",
            "Hold",
            id="detail.hold",
            tooltip="Keep this refund from being sent.",
        ),
        Binding(
            "u",
            "decide('release')",
            "Release",
            id="detail.release",
            tooltip="Lift the hold.",
        ),
        Binding(
            "x",
            "decide('cancel')",
            "Cancel",
            id="detail.cancel",
            tooltip="Withdraw this refund.",
        ),
        Binding(
            "l",
            "decide('lookup')",
            "Look up",
            id="detail.lookup",
            tooltip="Ask the gateway what became of it, now.",
        ),
        Binding(
            "v",
            "decide('resolve')",
            "Resolve",
            id="detail.resolve",
            tooltip="Say what became of it; a second person must agree.",
        ),
        Binding(
            "f",
            "unfreeze",
            "Lift freeze",
            id="detail.unfreeze",
            tooltip="Lift the freeze of this refund's payment; you are asked again.",
        ),
        Binding(
            "y",
            "copy",
            "Copy id",
            id="detail.copy",
            tooltip="Copy the id to the terminal's clipboard.",
        ),
        Binding(
            "Y",
            "copy_json",
            "Copy JSON",
            show=False,
            id="detail.copy_json",
            tooltip="Copy everything shown, as JSON.",
        ),
        Binding("j,down", "scroll(1)", "Down", show=False, id="detail.down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="detail.up"),
        Binding("ctrl+d,pagedown", "scroll(10)", "Page", show=False, id="detail.page"),
        Binding(
            "ctrl+u,pageup", "scroll(-10)", "Page up", show=False, id="detail.page_up"
        ),
        Binding("g,home", "scroll(-9999)", "Begin", show=False, id="detail.begin"),
        Binding("G,end", "scroll(9999)", "End", show=False, id="detail.end"),
    ]
    detail: var[RefundDetailView | None] = var(None)
    trouble: var[str | None] = var(None)

    class Read(Message):
        """The refund was read."""

        def __init__(self, detail: RefundDetailView) -> None:
            """Keep it."""
            super().__init__()
            self.detail = detail

    class Failed(Message):
        """The refund could not be read."""

        def __init__(self, sentence: str) -> None:
            """Keep the daemon's sentence."""
            super().__init__()
            self.sentence = sentence

    def __init__(self, refund_id: str, tab: str) -> None:
        """Show the refund of this id, under the tab it was opened from."""
        super().__init__()
        self.refund_id = refund_id
        self._tab = tab
        # True until the first reading may begin, so that nothing else begins one.
        self._loading = True

    @property
    def TAB(self) -> str:  # type: ignore[override]  # noqa: N802 - it is the base's name
        """Give the tab it was opened from."""
        return self._tab

    def parts(self) -> Iterable[Widget]:
        """Lay out the story."""
        story = Story().data_bind(
            HubScreen.hub, HubScreen.now, DetailScreen.detail, DetailScreen.trouble
        )
        yield VerticalScroll(story, id="story", can_focus=False)

    def on_mount(self) -> None:
        """Read the refund."""
        self._loading = False
        self._load()

    def watch_hub(self, before: HubState, after: HubState) -> None:
        """Read it again when it changed."""
        super().watch_hub(before, after)
        newer = after.touched.get(self.refund_id)
        shown = self.detail.refund if self.detail else None
        came_back = after.live and not before.live
        if came_back or (
            newer is not None and (shown is None or newer.seq > shown.seq)
        ):
            self._load()

    def watch_detail(self) -> None:
        """Offer what is allowed now."""
        self.refresh_bindings()

    def _load(self) -> None:
        if not self._loading:
            self._loading = True
            self.run_worker(
                self._work(), group="detail", exclusive=True, exit_on_error=False
            )

    async def _work(self) -> None:
        try:
            detail = await self.dashboard.desk.show(self.refund_id)
        except RefundwatchError as error:
            self.post_message(self.Failed(error.message))
        else:
            self.post_message(self.Read(detail))

    def on_detail_screen_read(self, message: Read) -> None:
        """Show it."""
        self._loading = False
        self.trouble, self.detail = None, message.detail

    def on_detail_screen_failed(self, message: Failed) -> None:
        """Say why it cannot be shown."""
        self._loading = False
        self.trouble = message.sentence

    def action_back(self) -> None:
        """Go back to the list."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll the story."""
        story = self.query_one("#story", VerticalScroll)
        story.scroll_relative(y=lines, animate=False)

    def action_decide(self, action: ActionName) -> None:
        """Begin a decision about this refund as it is displayed."""
        if self.detail is not None:
            self.dashboard.decide(action, self.detail.refund)

    def action_unfreeze(self) -> None:
        """Lift the freeze of the payment."""
        if self.detail is not None:
            self.dashboard.lift_freeze(self.detail.payment.id)

    def action_copy(self) -> None:
        """Copy the id."""
        self.dashboard.copy_text(self.refund_id, "The id")

    def action_copy_json(self) -> None:
        """Copy everything."""
        if self.detail is not None:
            self.dashboard.copy_text(as_json(self.detail), "The refund as JSON")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what the refund's state rules out; its reason stands on the screen."""
        if action == "unfreeze":
            return self._may_unfreeze()
        if action != "decide":
            return True
        if self.detail is None:
            return False
        for view in self.detail.actions:
            if view.action == parameters[0]:
                if why_not(self.detail, view.action) is not None:
                    return False
                return self.hub.live or None
        return False

    def _may_unfreeze(self) -> bool | None:
        """Offer to lift a freeze where there is one, greyed out for who may not."""
        if self.detail is None or self.detail.payment.frozen is None:
            return False
        return self.hub.why_not("refund:release") is None or None
