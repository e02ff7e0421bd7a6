from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.api.models import RefundPage, RefundView
from tests.tui.hub import refund
from tui import window as w

ROWS = [refund(number) for number in range(400)]


def page(rows: list[RefundView], offset: int, limit: int) -> RefundPage:
    cut = rows[offset : offset + limit]
    return RefundPage(items=cut, next_cursor=None, total=len(rows))


def load(window: w.Window, rows: list[RefundView]) -> w.Window | None:
    offset, limit = w.wanted(window)
    return w.landed(window, offset, page(rows, offset, limit))


def start(rows: list[RefundView], height: int = 10) -> w.Window:
    window = load(w.Window(height=height), rows)
    assert window is not None
    return window


@given(
    at=st.integers(0, 60),
    new=st.integers(0, 40),
    gone=st.sets(st.integers(0, 99), max_size=20),
    height=st.integers(1, 30),
)
def test_cursor_stays_on_its_refund_and_its_line(
    at: int, new: int, gone: set[int], height: int
) -> None:
    old = ROWS[100:200]
    window = w.placed(start(old, height), at)
    chosen = window.chosen
    assert chosen is not None
    gone -= {at}
    rows = ROWS[:new] + [row for n, row in enumerate(old) if n not in gone]
    after = load(window, rows)
    if after is None:
        return  # The caller looks elsewhere; see the list's own tests.
    assert after.chosen is not None
    assert after.chosen.id == chosen.id
    line_before = (window.cursor or 0) - window.top
    line_after = (after.cursor or 0) - after.top
    room_above = (after.cursor or 0) >= line_before
    room_below = after.top < after.last_top or after.last_top == 0
    if room_above and room_below and after.top > 0:
        assert line_after == line_before
    assert 0 <= line_after < height


@given(st.lists(st.integers(-30, 30), max_size=30), st.integers(1, 25))
def test_cursor_is_always_on_the_screen(moves: list[int], height: int) -> None:
    rows = ROWS[:90]
    window = start(rows, height)
    for by in moves:
        window = w.moved(window, by)
        assert window.cursor is not None
        assert window.top <= window.cursor < window.top + height
        assert 0 <= window.top <= max(len(rows) - height, 0)


@given(st.integers(-5, 500), st.integers(1, 25))
def test_wheel_keeps_the_cursor_on_the_screen(top: int, height: int) -> None:
    window = w.scrolled(w.moved(start(ROWS[:90], height), 0), top)
    assert window.cursor is not None
    assert window.top <= window.cursor < window.top + height


def test_without_cursor_the_list_follows_its_beginning() -> None:
    window = start(ROWS[10:60])
    after = load(window, ROWS[5:60])
    assert after is not None
    assert (after.top, after.cursor) == (0, None)
    assert after.row(0) == ROWS[5]


def test_refund_that_left_is_named_by_none_and_then_replaced() -> None:
    window = w.placed(start(ROWS[:50]), 4)
    rest = ROWS[:4] + ROWS[5:50]
    assert load(window, rest) is None
    after = w.lost(window, 0, page(rest, 0, 120))
    assert after.cursor == 4
    assert after.chosen == ROWS[5]


def test_list_that_became_empty_has_no_cursor() -> None:
    window = w.placed(start(ROWS[:3]), 2)
    after = w.lost(window, 0, page([], 0, 120))
    assert (after.total, after.cursor, after.chosen) == (0, None, None)


def test_question_is_bounded_whatever_the_length() -> None:
    window = w.Window(total=10_000_000, top=9_000_000, height=50)
    offset, limit = w.wanted(window)
    assert limit <= 500
    assert offset <= 9_000_000 <= offset + limit - 50


def test_only_newer_versions_are_taken_over() -> None:
    window = start(ROWS[:5])
    newer, older = refund(1, "queued", seq=900), refund(2, "queued", seq=1)
    after = w.touched(window, {newer.id: newer, older.id: older})
    assert after.row(1) == newer
    assert after.row(2) == ROWS[2]


def test_lines_that_show_the_same_are_not_drawn_again() -> None:
    rows = tuple(refund(number) for number in range(5))
    before = w.Window(total=5, rows=rows, height=4)
    copied = tuple(row.model_copy() for row in rows)
    newer = rows[2].model_copy(update={"state": "queued"})
    changed = (*copied[:2], newer, *copied[3:])
    assert w.changed_lines(before, before) == ()
    assert w.changed_lines(before, replace(before, rows=copied)) == ()
    assert w.changed_lines(before, replace(before, rows=changed)) == (2,)


@pytest.mark.parametrize(
    "moved", [{"top": 1}, {"height": 3}, {"total": 6}, {"cursor": 1}]
)
def test_a_window_that_moved_is_drawn_whole(moved: dict[str, Any]) -> None:
    rows = tuple(refund(number) for number in range(5))
    before = w.Window(total=5, rows=rows, height=4)
    assert w.changed_lines(before, replace(before, **moved)) is None
