"""Failing system calls in a running daemon, by Debian's libfiu.

libfiu is preloaded and sits between the program and the C library; a failure point is
switched on and off in the running process through its control pipes. It needs neither
root nor mounts, works on any file system, strikes a single system call, and can say
which error is given: `pwrite` is called by SQLite alone (aiohttp and the log use
others), so a full disk is `pwrite` failing with ENOSPC, on the database and no other
file.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.staging import Running

LIBRARIES = "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so"

SYNC = "posix/io/sync/*"
WRITE = "posix/io/rw/pwrite"


@contextmanager
def breakable(folder: Path) -> Iterator[None]:
    """Preload libfiu into whatever is started inside."""
    added = {"LD_PRELOAD": LIBRARIES, "FIU_CTRL_FIFO": str(folder / "fiu")}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def switch(system: Running, command: str) -> None:
    """Give a command to the running daemon's failure points, as `fiu-ctrl` does."""
    program = shutil.which("fiu-ctrl")
    assert program is not None, "fiu-utils is not installed"
    pipes = system.folder.path / f"fiu-{system.daemon.pid}"
    child = await asyncio.create_subprocess_exec(program, "-c", command, str(pipes))
    assert await child.wait() == 0


async def fail_syncs(system: Running, probability: float) -> None:
    """Let a part of all fsync and fdatasync fail with EIO from now on."""
    await switch(
        system,
        f"enable_random name={SYNC},failinfo={errno.EIO},probability={probability}",
    )


async def fail_writes(system: Running) -> None:
    """Let every write to the database fail with EIO from now on."""
    await switch(system, f"enable name={WRITE},failinfo={errno.EIO}")


async def fill_disk(system: Running) -> None:
    """Leave no room for the database from now on."""
    await switch(system, f"enable name={WRITE},failinfo={errno.ENOSPC}")


async def free_disk(system: Running) -> None:
    """Give room again."""
    await switch(system, f"disable name={WRITE}")
