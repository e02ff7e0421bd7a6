"""Servers on one core, the load on another; and children that always end."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
_STOP_SECONDS: Final = 20.0


def pin(pid: int, core: int = SERVER_CORE) -> None:
    """Keep every thread of a process on one core, where the system has several."""
    if core in os.sched_getaffinity(0):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


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
