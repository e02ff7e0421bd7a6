"""What commands print: data on stdout, talk on stderr.

Invariant: text from outside reaches a terminal without anything that could steer it.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pydantic import BaseModel

_GAP: Final = "  "
_LEAST_WIDTH: Final = 6


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; one that `shrinks` gives way on a narrow terminal."""

    title: str
    right: bool = False
    shrinks: bool = False


def printable(text: str) -> str:
    """Replace whatever could steer a terminal, line breaks too, by `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)


def say(words: str) -> None:
    """Tell the person, apart from the data."""
    lines = "\n".join(printable(line) for line in words.split("\n"))
    print(lines, file=sys.stderr, flush=True)


def emit(line: str) -> None:
    """Print one line of data."""
    print(printable(line))


def emit_json(model: BaseModel) -> None:
    """Print the API's model as one line of JSON."""
    print(json_text(model.model_dump(mode="json")))


def json_text(value: object) -> str:
    """Render JSON; a terminal gets escapes for all but plain ASCII."""
    text = json.dumps(value, ensure_ascii=sys.stdout.isatty())
    # The one control character that JSON leaves as it is.
    return text.replace("\x7f", "\\u007f")


def when(moment: datetime | None) -> str:
    """Show a time in this machine's zone; a dash for none."""
    if moment is None:
        return "-"
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def when_exactly(moment: datetime | None) -> str:
    """Show a time with its zone."""
    if moment is None:
        return "-"
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def emit_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], empty: str
) -> None:
    """Print a table; without any row only say so."""
    if not rows:
        say(empty)
        return
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((80, 24)).columns if terminal else None
    for line in table_lines(columns, rows, width):
        print(line)


def table_lines(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
) -> list[str]:
    """Lay a table out in at most `width` characters; None means as wide as it is."""
    titles = [column.title for column in columns]
    cells = [[printable(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    if width is not None:
        _shrink(columns, widths, width)
    return [_line(columns, row, widths) for row in cells]


def _shrink(columns: Sequence[Column], widths: list[int], width: int) -> None:
    """Take from the widest of those that may shrink until the table fits."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        open_to_it = [
            at
            for at, column in enumerate(columns)
            if column.shrinks and widths[at] > _LEAST_WIDTH
        ]
        if not open_to_it:
            return
        widths[max(open_to_it, key=lambda at: widths[at])] -= 1


def _line(columns: Sequence[Column], row: Sequence[str], widths: list[int]) -> str:
    parts = []
    for column, cell, width in zip(columns, row, widths, strict=True):
        text = cell if len(cell) <= width else cell[: width - 2] + ".."
        parts.append(text.rjust(width) if column.right else text.ljust(width))
    return _GAP.join(parts).rstrip()
