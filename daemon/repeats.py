"""Keeps a storm of one and the same line out of the log.

Invariant: the first lines of a kind in each window are written, and how many were left
out stands in the next one that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, WrappedLogger

WINDOW_SECONDS: Final = 10.0
FIRST: Final = 10
MOST_KINDS: Final = 1000
_KIND: Final = ("event", "code", "error", "reason", "account", "room")


@dataclass(slots=True)
class _Window:
    begun: float
    written: int = 0
    left_out: int = 0


class Repeats:
    """A step of the log that drops what was said often enough just now."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Start with nothing said."""
        self._monotonic = monotonic
        self._windows: dict[tuple[object, ...], _Window] = {}

    def __call__(
        self, logger: WrappedLogger, method: str, event: EventDict
    ) -> EventDict:
        """Let a line pass, or drop it.

        Raises:
            DropEvent: its kind filled this window already.
        """
        del logger, method
        window = self._window(tuple(event.get(name) for name in _KIND))
        if window.written >= FIRST:
            window.left_out += 1
            raise structlog.DropEvent
        window.written += 1
        if window.left_out:
            event["left_out"], window.left_out = window.left_out, 0
        return event

    def _window(self, kind: tuple[object, ...]) -> _Window:
        now = self._monotonic()
        window = self._windows.get(kind)
        if window is None:
            if len(self._windows) >= MOST_KINDS:
                self._windows.clear()
            window = self._windows[kind] = _Window(now)
        elif now - window.begun >= WINDOW_SECONDS:
            window.begun, window.written = now, 0
        return window
