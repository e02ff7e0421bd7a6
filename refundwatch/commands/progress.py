"""A progress bar on stderr, drawn only where somebody can see it.

Invariant: it writes nothing unless stderr is a terminal, and leaves a clean line.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_WIDTH: Final = 30
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """How far a long work with a known number of rows has come."""

    def __init__(self, words: str, total: int) -> None:
        """Name the work and how many rows it has."""
        self._words = words
        self._total = max(total, 1)
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        """Draw the empty bar."""
        self.show(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave a clean line."""
        self._write(_CLEAR)

    def show(self, done: int) -> None:
        """Redraw the bar at `done` rows."""
        full = _WIDTH * done // self._total
        bar = "#" * full + "-" * (_WIDTH - full)
        line = f"{self._words} [{bar}] {done}/{self._total}"
        columns = shutil.get_terminal_size((80, 24)).columns
        self._write(_CLEAR + line[: columns - 1])

    def _write(self, text: str) -> None:
        if self._shown:
            print(text, end="", file=sys.stderr, flush=True)
