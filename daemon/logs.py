"""Structured logs on stderr: an event name and fields, JSON or text.

Invariant: a field whose name speaks of a secret is never written, whatever it holds;
and a log that cannot be written (its disk is full, its reader has gone) stops nothing.
"""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO, cast

import structlog

from daemon.clock import SystemClock
from daemon.repeats import Repeats
from refundwatch.domain.cards import mask_cards

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

SECRET_WORDS: Final = (
    "token",
    "secret",
    "password",
    "authorization",
    "credential",
    "signature",
    "api_key",
    "body",
    "customer",
    "email",
)
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class StructLog:
    """The daemon's log, as the rooms see it."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        """Write through this logger."""
        self._logger = logger

    def event(self, name: str, **fields: str | float | None) -> None:
        """Write one event."""
        self._logger.info(name, **fields)

    def problem(self, name: str, **fields: str | float | None) -> None:
        """Write one event that somebody should look at."""
        self._logger.warning(name, **fields)


class Unfailing(io.TextIOBase):
    """A stream for a log: what cannot be written is left out."""

    def __init__(self, stream: TextIO) -> None:
        """Write to this stream."""
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        """Write if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def open_log(
    level: str, form: str, monotonic: Callable[[], float] | None = None
) -> StructLog:
    """Configure logging once; `form` is `auto`, `json` or `text`."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            Repeats(monotonic or SystemClock().monotonic),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            without_cards,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(
            file=cast("TextIO", Unfailing(sys.stderr))
        ),
        cache_logger_on_first_use=False,
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    _quiet_libraries()
    return StructLog(logger)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replace what a field of such a name holds."""
    del logger, method
    for name in event:
        if name != "event" and any(word in name.lower() for word in SECRET_WORDS):
            event[name] = "[redacted]"
    return event


def without_cards(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Mask card numbers in whatever is written: a path or a gateway's words."""
    del logger, method
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask_cards(value)
    return event


def _quiet_libraries() -> None:
    """Keep libraries from writing requests, headers or bodies to the log."""
    for name in ("aiohttp", "aiosqlite", "asyncio", "apscheduler"):
        library = logging.getLogger(name)
        library.handlers = [logging.NullHandler()]
        library.propagate = False
