from __future__ import annotations

from datetime import UTC, datetime

from refundwatch.api.models import RefundPage
from tests.tui.hub import refund
from tui import window as w
from tui.state import HubState
from tui.widgets.list_words import summary

REACHED = datetime(2026, 10, 2, tzinfo=UTC)


def words(page: RefundPage) -> str:
    window = w.landed(w.Window(), 0, page)
    assert window is not None
    said = summary(
        window,
        HubState(),
        paused=None,
        new_above=0,
        trouble=None,
        notice=None,
        order="newest first",
        follows=True,
    )
    return " | ".join(text for text, _ in said)


def test_a_list_that_was_searched_in_part_says_so() -> None:
    page = RefundPage(items=[refund(1)], next_cursor="on", total=1, searched_to=REACHED)
    assert "searched to 2026-10-0" in words(page)
    assert "1 or more, newest first" in words(page)


def test_a_list_that_was_searched_whole_says_nothing_of_it() -> None:
    page = RefundPage(items=[refund(1)], next_cursor=None, total=1)
    assert "searched" not in words(page)
    assert "or more" not in words(page)
