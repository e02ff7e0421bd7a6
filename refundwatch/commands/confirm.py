"""Asking a person before something is decided.

Invariant: only a `y` that was typed after the question was shown is a yes; without a
terminal there is nobody to ask, and `--yes` is needed before anything is sent.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import termios

from refundwatch.commands.output import printable
from refundwatch.commands.problems import Unconfirmed, UsageProblem

# More than any signature has.
_MOST_LINES = 1000


def need_consent(*, given: bool) -> None:
    """Refuse to go on where nobody can be asked and `--yes` was not given.

    Raises:
        UsageProblem: nothing was sent.
    """
    if not given and not _is_terminal():
        raise UsageProblem(
            "Nobody can be asked here, since this is no terminal: give --yes to "
            "decide without a question. Nothing was sent."
        )


def ask(question: str, *, given: bool) -> None:
    """Ask `question` with No as its default, unless the yes was `given` by a flag.

    Raises:
        Unconfirmed: the answer was anything but yes.
    """
    if given:
        return
    need_consent(given=False)
    _drop_keys_typed_before()
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if _answer().strip().lower() not in {"y", "yes"}:
        raise Unconfirmed("Nothing was sent.")


def read_through(last: str) -> str:
    """Read what is typed or piped in, up to the line `last` or its end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    lines: list[str] = []
    try:
        while line := sys.stdin.readline():
            lines.append(line)
            if line.strip() == last or len(lines) > _MOST_LINES:
                break
    finally:
        signal.signal(signal.SIGINT, before)
    return "".join(lines)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _drop_keys_typed_before() -> None:
    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _answer() -> str:
    # The event loop turns the first Ctrl-C into a cancellation, which a thread that
    # waits for a line never sees; here it must end the question at once.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)
