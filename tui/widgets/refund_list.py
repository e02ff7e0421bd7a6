"""A list of refunds as long as the hub has, of which only the visible part is loaded.

Invariant: what is chosen is a refund's id (see `tui.window`); rows are drawn from
plain text; at most ten paints and four questions a second, however many changes come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from refundwatch.errors import RefundwatchError
from tui import format as f
from tui import window as w
from tui.columns import GAP, Column, cell, fit
from tui.state import HubState
from tui.widgets.list_keys import LIST_KEYS
from tui.widgets.list_words import summary
from tui.widgets.refund_cells import COLUMNS, tone_of, words_of
from tui.widgets.styled import Styled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from textual import events
    from textual.binding import BindingType

    from refundwatch.api.models import RefundPage, RefundView

Ask = "Callable[[str, int, int], Awaitable[RefundPage]]"

FRAME_LINES: Final = 2  # the head above the rows, the summary below them
RELOAD_SECONDS: Final = 0.25
LATE_SECONDS: Final = 0.15
"""A little more than from one paint to the next."""

KEPT_STRIPS: Final = 1000
FILTER_INVALID: Final = "value.filter_invalid"


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked of the daemon, and for which filter."""

    epoch: int
    offset: int
    limit: int
    tries: int = 0


class RefundList(ScrollView, Styled, can_focus=True, inherit_bindings=False):
    """Refunds of a filter, newest first or oldest first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = Styled.COMPONENT_CLASSES | {
        "list--cursor",
        "list--head",
    }
    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS

    hub: reactive[HubState] = reactive(HubState, repaint=False)
    now: reactive[datetime | None] = reactive(None)
    filter_text: reactive[str] = reactive("", init=False)

    class Opened(Message):
        """The operator asked to see a refund whole."""

        def __init__(self, refund_id: str) -> None:
            """Name it by its id."""
            super().__init__()
            self.refund_id = refund_id

    class Copied(Message):
        """The operator asked to copy an id."""

        def __init__(self, text: str) -> None:
            """Give the text."""
            super().__init__()
            self.text = text

    class _Answered(Message):
        def __init__(self, question: _Question, page: RefundPage) -> None:
            super().__init__()
            self.question = question
            self.page = page

    class _Failed(Message):
        def __init__(self, question: _Question, code: str, sentence: str) -> None:
            super().__init__()
            self.question = question
            self.code = code
            self.sentence = sentence

    def __init__(
        self,
        ask: Callable[[str, int, int], Awaitable[RefundPage]],
        *,
        empty: str,
        follows: bool = True,
        order: str = "newest first",
        columns: tuple[Column, ...] = COLUMNS,
    ) -> None:
        """Ask `ask(filter, offset, limit)`; say `empty` when there is nothing.

        A list that does not follow chooses its first row at once.
        """
        super().__init__()
        self._ask = ask
        self._empty = empty
        self._follows = follows
        self._order = order
        self._window = w.Window()
        self._epoch = 0
        self._asked: _Question | None = None
        self._dirty = True
        self._paused: HubState | None = None
        self._new_above = 0
        self._trouble: str | None = None
        self._notice: str | None = None
        self._moving = False
        self._every_column = columns
        self._columns = fit(columns, 80)
        self._seen = (-1, -1)
        self._late: RefundList._Answered | None = None
        self._strips: dict[tuple[object, ...], Strip] = {}

    @property
    def chosen(self) -> RefundView | None:
        """Give the refund under the cursor as it is displayed."""
        return self._window.chosen

    @property
    def total(self) -> int | None:
        """Give how many refunds the list has; None before it is known."""
        return self._window.total

    @property
    def trouble(self) -> str | None:
        """Give what the daemon has against the filter or the question."""
        return self._trouble

    def on_mount(self) -> None:
        """Look for work four times a second."""
        self.set_interval(RELOAD_SECONDS, self._reload)

    def on_resize(self, event: events.Resize) -> None:
        """Fit columns and rows into the room there is now."""
        del event
        width = max(self.scrollable_content_region.width, 20)
        self._strips.clear()
        self._columns = fit(self._every_column, width - 1)
        height = max(self.size.height - FRAME_LINES, 1)
        self._show(w.resized(self._window, height))

    def notify_style_update(self) -> None:
        """Draw rows anew: they were drawn with other styles."""
        super().notify_style_update()
        self._strips = {}

    def watch_hub(self, hub: HubState) -> None:
        """Take in what changed; a paused list only counts it."""
        seen = (hub.changes, hub.snapshots)
        before = self._window
        if seen != self._seen:
            self._seen, self._dirty = seen, True
            if self._paused is None:
                self._window = w.touched(self._window, hub.touched)
        self._take_late()
        self._repaint(before)

    def _repaint(self, before: w.Window) -> None:
        """Draw again the rows that changed, and the summary; else everything."""
        lines = w.changed_lines(before, self._window)
        if lines is None:
            self.refresh()
            return
        width = self.size.width
        rows = [Region(0, line + 1, width, 1) for line in lines]
        self.refresh(*rows, Region(0, self.size.height - 1, width, 1))

    def watch_filter_text(self) -> None:
        """Begin anew for another filter; old rows stay until the daemon answers."""
        self._epoch += 1
        self._dirty, self._asked = True, None
        self._notice = None
        self._new_above = 0
        if self._paused is not None:
            self._paused = self.hub
        self._reload(force=True)

    def _reload(self, *, force: bool = False) -> None:
        idle = self._asked is None
        if not idle or not self.is_mounted or self.size.height == 0:
            return
        paused = self._paused is not None and self._window.covered and not force
        if paused or not (self._dirty or not self._window.covered):
            return
        self._dirty = False
        offset, limit = w.wanted(self._window)
        self._put(_Question(self._epoch, offset, limit))

    def _put(self, question: _Question) -> None:
        self._asked = question
        self.run_worker(
            self._work(question), group="page", exclusive=True, exit_on_error=False
        )

    async def _work(self, question: _Question) -> None:
        try:
            page = await self._ask(self.filter_text, question.offset, question.limit)
        except RefundwatchError as error:
            self.post_message(self._Failed(question, error.code, error.message))
        else:
            self.post_message(self._Answered(question, page))

    def on_refund_list__answered(self, message: _Answered) -> None:
        """Take a page in; one that nobody waits for comes with the next paint."""
        message.stop()
        if self._window.covered and not message.question.tries:
            self._late = message
            self.set_timer(LATE_SECONDS, self._take_late)
        else:
            self._take(message)

    def _take_late(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            self._take(late)

    def _take(self, message: _Answered) -> None:
        """Take a page in, or look for the chosen refund elsewhere."""
        question, page = message.question, message.page
        if question.epoch != self._epoch or question is not self._asked:
            return
        self._asked, self._trouble = None, None
        before = self._window
        after = w.landed(before, question.offset, page)
        if after is None:
            self._search(question, page)
            return
        self._settle(before, after)

    def _search(self, question: _Question, page: RefundPage) -> None:
        """The chosen refund is not where it was: look where new rows pushed it."""
        drift = (page.total or 0) - (self._window.total or 0)
        if question.tries == 0:
            offset, _ = w.wanted(self._window, drift)
            limit = w.LIMIT
            offset = max(offset - limit // 4, 0)
            self._put(_Question(self._epoch, offset, limit, question.tries + 1))
            return
        gone = self._window.cursor_id
        before = self._window
        if not w.covers(before, question.offset, page):
            self._window = w.lost(before, question.offset, page)
            self._dirty = True
        self._settle(before, w.lost(before, question.offset, page))
        self._notice = f"{f.plain(gone or '')} left this list."

    def _settle(self, before: w.Window, after: w.Window) -> None:
        if after.top > before.top and before.cursor_id == after.cursor_id:
            self._new_above += after.top - before.top
        if after.top == 0:
            self._new_above = 0
        if not self._follows and after.cursor is None and after.total:
            after = w.placed(after, 0)
        self._show(after)

    def on_refund_list__failed(self, message: _Failed) -> None:
        """Keep what is shown and say what is wrong, in the daemon's words."""
        message.stop()
        if message.question.epoch != self._epoch:
            return
        self._asked = None
        self._trouble = f.plain(message.sentence)
        # A filter that means nothing will not mean more by asking again.
        self._dirty = message.code != FILTER_INVALID
        self.refresh()

    def _show(self, window: w.Window) -> None:
        before, self._window = self._window, window
        self._moving = True
        size = Size(self.size.width, (window.total or 0) + FRAME_LINES)
        if size != self.virtual_size:
            self.virtual_size = size
        if round(self.scroll_y) != window.top:
            self.scroll_to(y=window.top, animate=False, force=True)
        self._moving = False
        self._repaint(before)
        if not window.covered:
            self.call_later(self._reload, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keep the cursor on the screen when the wheel or the bar moves the rows."""
        super().watch_scroll_y(old_value, new_value)
        top = round(new_value)
        if not self._moving and top != self._window.top:
            self._notice = None
            self._show(w.scrolled(self._window, top))

    def render_line(self, y: int) -> Strip:
        """Draw the head, a row, or the summary."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self._head(width)
        if y == self.size.height - 1:
            return self._summary(width)
        index = self._window.top + y - 1
        total = self._window.total
        if total is None or (total == 0 and y == 1):
            words = self._empty if total == 0 else "Loading…"
            words = words if y == 1 and self._trouble is None else ""
            return self._line([(f" {words}", self.tone("dim"))], width, Style())
        if index >= total:
            return self._line([], width, Style())
        row = self._window.row(index)
        if row is None:
            return self._line([(" …", self.tone("dim"))], width, Style())
        return self._row(row, width, here=row.id == self._window.cursor_id)

    def _head(self, width: int) -> Strip:
        gap = " " * GAP
        words = gap.join(cell(c.title, n, right=c.right) for c, n in self._columns)
        style = self.get_component_rich_style("list--head")
        return self._line([(" " + words, style)], width, style)

    def _row(self, row: RefundView, width: int, *, here: bool) -> Strip:
        """Draw a row; one that says the same as before is the same strip."""
        words = tuple(
            words_of(column.key, row, self.now, ascii_only=self.ascii_only)
            for column, _ in self._columns
        )
        tones = tuple(tone_of(column.key, row) for column, _ in self._columns)
        key = (words, tones, width, here)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) >= KEPT_STRIPS:
                self._strips.clear()
            strip = self._strips[key] = self._drawn(words, tones, width, here=here)
        return strip

    def _drawn(
        self, words: tuple[str, ...], tones: tuple[str, ...], width: int, *, here: bool
    ) -> Strip:
        base = self.get_component_rich_style("list--cursor") if here else Style()
        parts: list[tuple[str, Style]] = [(">" if here else " ", base)]
        for (column, wide), said, tone in zip(self._columns, words, tones, strict=True):
            text = cell(said, wide, right=column.right) + " " * GAP
            parts.append((text, base + self.tone("" if here else tone)))
        return self._line(parts, width, base)

    def _summary(self, width: int) -> Strip:
        parts: list[tuple[str, Style]] = [(" ", Style())]
        said = summary(
            self._window,
            self.hub,
            paused=self._paused,
            new_above=self._new_above,
            trouble=self._trouble,
            notice=self._notice,
            order=self._order,
            follows=self._follows,
        )
        for words, tone in said:
            parts.append((words + "  ", self.tone(tone)))
        return self._line(parts, width, Style())

    def _line(self, parts: list[tuple[str, Style]], width: int, rest: Style) -> Strip:
        if self.ascii_only:
            parts = [(text.translate(f.ASCII), style) for text, style in parts]
        strip = Strip([Segment(text, style) for text, style in parts])
        strip = strip.adjust_cell_length(width, rest)
        return strip.apply_style(self.rich_style)

    def _go(self, window: w.Window) -> None:
        self._notice = None
        self._show(window)
        if window.top == 0:
            self._new_above = 0

    def action_move(self, by: int) -> None:
        """Move the cursor by lines."""
        self._go(w.moved(self._window, by))

    def action_half(self, way: int) -> None:
        """Move the cursor by half a screen."""
        self._go(w.moved(self._window, way * max(self._window.height // 2, 1)))

    def action_first(self) -> None:
        """Go to the first refund."""
        self._go(w.placed(self._window, 0))

    def action_last(self) -> None:
        """Go to the last refund."""
        self._go(w.placed(self._window, (self._window.total or 1) - 1))

    def action_follow(self) -> None:
        """Let go of the cursor and follow the beginning."""
        if self._follows:
            self._paused = None
            self._dirty = True
            self._go(w.following(self._window))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to follow only where new refunds come first."""
        del parameters
        return self._follows or action != "follow"

    def action_pause(self) -> None:
        """Stop moving, or go on."""
        self._paused = self.hub if self._paused is None else None
        self._dirty = self._dirty or self._paused is None
        self.refresh()

    def action_open(self) -> None:
        """Ask for the refund under the cursor."""
        if self._window.cursor is None:
            self._go(w.placed(self._window, self._window.top))
        chosen = self.chosen
        if chosen is not None:
            self.post_message(self.Opened(chosen.id))

    def action_copy(self) -> None:
        """Ask to copy the id under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Copied(self.chosen.id))

    def on_click(self, event: events.Click) -> None:
        """Choose the row that was clicked; a second click opens it."""
        index = self._window.top + event.y - 1
        if 1 <= event.y < self.size.height - 1 and index < (self._window.total or 0):
            again = index == self._window.cursor
            self._go(w.placed(self._window, index))
            if again:
                self.action_open()
