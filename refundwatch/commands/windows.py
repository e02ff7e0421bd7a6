"""Windows of time as people write them: 1h, 24h, 7d, 30d.

Invariant: a window is a whole number of seconds that the API takes.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import Final

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}
_STEPS: Final = ((2 * 86_400, 86_400, "d"), (2 * 3600, 3600, "h"), (120, 60, "m"))
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
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    for least, unit, letter in _STEPS:
        if seconds >= least:
            return f"{seconds / unit:.1f}".removesuffix(".0") + letter
    return f"{seconds:.1f}".removesuffix(".0") + "s"


def window_text(seconds: int) -> str:
    """Name a window as people write it: 1h, 24h, 30d."""
    days = seconds // 86_400
    if days > 1 and seconds % 86_400 == 0:
        return f"{days}d"
    return f"{seconds // 3600}h" if seconds % 3600 == 0 else f"{seconds}s"
