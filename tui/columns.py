"""Columns of a table in text: which ones fit, and their cells.

Invariant: a line is exactly as wide as asked, whatever characters it holds; columns
leave by priority, the least important first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `priority` 0 never leaves, `grow` takes a share of what is left."""

    key: str
    title: str
    width: int
    priority: int = 0
    right: bool = False
    grow: int = 0


def fit(columns: Sequence[Column], width: int) -> tuple[tuple[Column, int], ...]:
    """Choose the columns that fit, each with its width."""
    chosen = list(columns)
    while len(chosen) > 1 and _least(chosen) > width:
        leaves = max(chosen, key=lambda column: column.priority)
        if leaves.priority == 0:
            break
        chosen.remove(leaves)
    spare = max(width - _least(chosen), 0)
    shares = sum(column.grow for column in chosen)
    return tuple(
        (it, it.width + (spare * it.grow // shares if shares else 0)) for it in chosen
    )


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Write a text into exactly `width` cells; what is cut ends with an ellipsis."""
    length = cell_len(text)
    if length <= width:
        return " " * (width - length) + text if right else set_cell_size(text, width)
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1) + "…"


def _least(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)
