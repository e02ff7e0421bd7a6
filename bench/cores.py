"""Servers on one core, the load on another; and children that always end."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
_STOP_SECONDS: Final = 20.0


def start(line: Sequence[str], core: int, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that stays on a core, with all its threads and children."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & mine or mine)
    try:
        return subprocess.Popen(line, **options)
    finally:
        os.sched_setaffinity(0, mine)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a child when the block ends: asked first, then made to."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
