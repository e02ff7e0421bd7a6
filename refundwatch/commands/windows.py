"""Windows of time as people write them: 1h, 24h, 7d, 30d.

Invariant: a window is a whole number of seconds that the API takes.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import Final

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_FORM: Final = re.compile(r"([0-9]{1,5})([mhd])")
_LONGEST_SECONDS: Final = 31 * 86_400


def window_seconds(text: str) -> int:
    """Read a window; argparse turns the error into one that names the flag."""
    match = _FORM.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_SECONDS:
        message = f"{text!a} is no window such as 1h, 24h, 7d or 30d (at most 31d)"
        raise ArgumentTypeError(message)
    return seconds


def duration(seconds: float | None) -> str:
    """Show a duration in two figures that people compare; a dash for none."""
    match seconds:
        case None:
            return "-"
        case _ if seconds < 1:
            return f"{seconds * 1000:.0f}ms"
        case _ if seconds < 120:  # noqa: PLR2004 - two minutes
            return f"{seconds:.1f}s"
        case _ if seconds < 2 * 3600:
            return f"{seconds / 60:.1f}m"
        case _ if seconds < 2 * 86_400:
            return f"{seconds / 3600:.1f}h"
        case _:
            return f"{seconds / 86_400:.1f}d"
