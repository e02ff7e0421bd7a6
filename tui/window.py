"""The part of a long list that is on screen, and how it stays put while rows arrive.

Invariant: the cursor is a refund's id; after any answer of the daemon the same refund
is under it on the same line of the screen, or the window says that it left the list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.api.models import RefundPage, RefundView

BLOCK: Final = 120
LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class Window:
    """`rows` are the refunds from `offset` on, of `total`; `top` is the first line.

    Without a `cursor` the list follows its beginning. Where the daemon looked through
    a part of the refunds only, `total` is of those and `searched_to` says how far.
    """

    total: int | None = None
    searched_to: datetime | None = None
    offset: int = 0
    rows: tuple[RefundView, ...] = ()
    top: int = 0
    height: int = 20
    cursor: int | None = None
    cursor_id: str | None = None

    def row(self, index: int) -> RefundView | None:
        """Give the refund of a line; None where it is not loaded."""
        at = index - self.offset
        return self.rows[at] if 0 <= at < len(self.rows) else None

    @property
    def chosen(self) -> RefundView | None:
        """Give the refund under the cursor, if it is loaded and is the one meant."""
        row = None if self.cursor is None else self.row(self.cursor)
        return row if row is not None and row.id == self.cursor_id else None

    @property
    def covered(self) -> bool:
        """Tell whether every visible line is loaded."""
        if self.total is None:
            return False
        end = min(self.top + self.height, self.total)
        return self.offset <= self.top and end <= self.offset + len(self.rows)

    @property
    def last_top(self) -> int:
        """Give the first line of the last screenful."""
        return max((self.total or 0) - self.height, 0)


def wanted(window: Window, drift: int = 0) -> tuple[int, int]:
    """Give offset and limit that cover the visible lines, moved by `drift` rows."""
    limit = min(max(BLOCK, window.height * 3), LIMIT)
    margin = max((limit - window.height) // 2, 0)
    return max(window.top + drift - margin, 0), limit


def moved(window: Window, by: int) -> Window:
    """Move the cursor by so many lines; the first move chooses a refund."""
    if not window.total:
        return window
    start = window.top if window.cursor is None else window.cursor + by
    return placed(window, start)


def placed(window: Window, index: int) -> Window:
    """Put the cursor on a line and scroll so that it is seen."""
    if not window.total:
        return window
    cursor = min(max(index, 0), window.total - 1)
    top = min(max(window.top, cursor - window.height + 1), cursor)
    row = window.row(cursor)
    return replace(
        window, cursor=cursor, cursor_id=None if row is None else row.id, top=top
    )


def scrolled(window: Window, top: int) -> Window:
    """Show another part; the cursor is kept on the screen."""
    top = min(max(top, 0), window.last_top)
    there = replace(window, top=top)
    if window.cursor is None:
        return there if top == 0 else placed(there, top)
    inside = min(max(window.cursor, top), top + window.height - 1)
    return there if inside == window.cursor else placed(there, inside)


def resized(window: Window, height: int) -> Window:
    """Take another height; the cursor stays in sight."""
    there = replace(window, height=max(height, 1))
    return there if window.cursor is None else placed(there, window.cursor)


def following(window: Window) -> Window:
    """Let go of the cursor and follow the beginning."""
    return replace(window, cursor=None, cursor_id=None, top=0)


def landed(window: Window, offset: int, page: RefundPage) -> Window | None:
    """Take a page in; None when the refund under the cursor is not on it.

    None asks the caller to look elsewhere, and at last to call `lost`.
    """
    total = offset + len(page.items) if page.total is None else page.total
    fresh = replace(
        window,
        offset=offset,
        rows=tuple(page.items),
        total=total,
        searched_to=page.searched_to,
    )
    if window.cursor is None:
        return replace(fresh, top=0) if window.top == 0 else _clamped(fresh)
    if window.cursor_id is None:
        return _named(_clamped(fresh))
    for at, row in enumerate(page.items):
        if row.id == window.cursor_id:
            shift = offset + at - window.cursor
            return _clamped(
                replace(fresh, cursor=offset + at, top=max(window.top + shift, 0))
            )
    return None


def lost(window: Window, offset: int, page: RefundPage) -> Window:
    """Take a page in although the refund under the cursor left the list.

    The cursor stays on its line and names the refund that is there now.
    """
    fresh = landed(replace(window, cursor_id=None), offset, page)
    return window if fresh is None else fresh


def covers(window: Window, offset: int, page: RefundPage) -> bool:
    """Tell whether a page holds every visible line."""
    end = offset + len(page.items)
    return offset <= window.top and window.top + window.height <= end


def touched(window: Window, newer: Mapping[str, RefundView]) -> Window:
    """Show newer versions of the loaded refunds where they stand."""
    rows = tuple(
        new if (new := newer.get(row.id)) is not None and new.seq > row.seq else row
        for row in window.rows
    )
    if all(a is b for a, b in zip(rows, window.rows, strict=True)):
        return window
    return replace(window, rows=rows)


def changed_lines(before: Window, after: Window) -> tuple[int, ...] | None:
    """Give the visible lines that show something else; None when all may."""
    if before is after:
        return ()
    moved = (
        before.top != after.top
        or before.height != after.height
        or before.total != after.total
        or before.cursor != after.cursor
        or before.cursor_id != after.cursor_id
    )
    if moved:
        return None
    return tuple(
        line
        for line in range(after.height)
        if before.row(after.top + line) != after.row(after.top + line)
    )


def _clamped(window: Window) -> Window:
    top = min(window.top, window.last_top)
    if not window.total:
        return replace(window, cursor=None, cursor_id=None, top=0)
    if window.cursor is None:
        return replace(window, top=top)
    cursor = min(window.cursor, window.total - 1)
    top = min(max(top, cursor - window.height + 1), cursor)
    return replace(window, cursor=cursor, top=top)


def _named(window: Window) -> Window:
    row = None if window.cursor is None else window.row(window.cursor)
    return replace(window, cursor_id=None if row is None else row.id)
