"""Cursors: a place in a list that stays where it is while rows are added.

Invariant: a cursor names the row it stands behind, never a count of rows; whoever
gets one treats it as opaque.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from refundwatch.errors import CursorInvalid
from refundwatch.store.sqlite.queries_filter import Condition

LONGEST_PAGE: Final = 1000
_LONGEST_CURSOR: Final = 400
_LARGEST: Final = 2**62


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The last row of a page, by what the list is ordered by."""

    created_at: int
    id: str


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in order; `searched_to` is where looking ended early, None if it did not."""

    places: list[Place]
    searched_to: Place | None = None


def behind(place: Place | None, *, newest_first: bool) -> tuple[Condition, ...]:
    """Say that a row stands behind a place, in the list's order."""
    return _compared(place, "<" if newest_first else ">")


def upto(place: Place | None, *, newest_first: bool) -> tuple[Condition, ...]:
    """Say that a row stands at a place or before it, in the list's order."""
    return _compared(place, ">=" if newest_first else "<=")


def _compared(place: Place | None, sign: str) -> tuple[Condition, ...]:
    if place is None:
        return ()
    values = (place.created_at, place.id)
    return (Condition(f"(r.created_at, r.id) {sign} (?, ?)", values),)


def write_cursor(place: Place) -> str:
    """Give the cursor that continues behind a row."""
    text = f"{place.created_at}:{place.id}"
    return urlsafe_b64encode(text.encode("utf-8")).decode("ascii").rstrip("=")


def read_cursor(cursor: str) -> Place:
    """Read a cursor.

    Raises:
        CursorInvalid: it is not one of ours.
    """
    padded = cursor[:_LONGEST_CURSOR] + "=" * (-len(cursor) % 4)
    try:
        text = urlsafe_b64decode(padded.encode("ascii")).decode("utf-8")
        created_at, _, row_id = text.partition(":")
        place = Place(int(created_at), row_id)
    except ValueError as error:
        raise _strange() from error
    if abs(place.created_at) > _LARGEST or len(cursor) > _LONGEST_CURSOR:
        raise _strange()
    return place


def _strange() -> CursorInvalid:
    message = "The cursor is not one that this list gave out."
    return CursorInvalid(message, field="cursor")


def page_size(limit: int) -> int:
    """Give how many rows a page may hold."""
    return min(max(limit, 1), LONGEST_PAGE)
