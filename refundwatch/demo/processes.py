"""The child processes of a run: started, awaited, and always ended.

Invariant: whatever happens, no child outlives the run.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from refundwatch.api.client import wait_until_ready
from refundwatch.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from refundwatch.demo.folder import Folder
    from refundwatch.demo.settings import DemoSettings

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 40.0
_TAIL_LINES: Final = 12


def command(*arguments: str) -> list[str]:
    """Return the command line of one of our own front ends."""
    return [sys.executable, "-m", "refundwatch", *arguments]


@asynccontextmanager
async def sandbox(
    folder: Folder, settings: DemoSettings
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the sandbox; it listens when the block begins."""
    log = folder.path / "sandbox.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command(
                "sandbox",
                "--config",
                str(folder.path / "sandbox.toml"),
                "--faults",
                settings.faults,
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        try:
            await _announced(process, log)
            yield process
        finally:
            await end(process)


@asynccontextmanager
async def daemon(folder: Folder) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the daemon; its API answers when the block begins."""
    process = await start_daemon(folder)
    try:
        yield process
    finally:
        await end(process)


@asynccontextmanager
async def dashboard(folder: Folder) -> AsyncIterator[asyncio.subprocess.Process]:
    """Begin the dashboard, which opens as soon as its token is there.

    It signs by the run's own agent, whatever its user's settings say.
    """
    home = str(folder.path / "home")
    own = {
        "SSH_AUTH_SOCK": str(folder.agent_socket),
        "XDG_CONFIG_HOME": home,
        "XDG_STATE_HOME": home,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "refundwatch.demo.dashboard"),
        *(folder.server, str(folder.token_file)),
        env={**os.environ, **own},
    )
    try:
        yield process
    finally:
        await end(process)


async def start_daemon(folder: Folder) -> asyncio.subprocess.Process:
    """Start the daemon and wait until it answers."""
    log = folder.path / "daemon.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command("daemon", "--config", str(folder.path / "config.toml")),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
        )
    ready = asyncio.ensure_future(wait_until_ready(folder.server, None, START_SECONDS))
    gone = asyncio.ensure_future(process.wait())
    await asyncio.wait({ready, gone}, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if ready.done() and ready.result():
        return process
    ready.cancel()
    await end(process)
    raise DemoFailed(f"The daemon did not start:\n{_tail(log)}")


async def end(process: asyncio.subprocess.Process) -> None:
    """End a child as a service manager would: asked first, then made to."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _announced(process: asyncio.subprocess.Process, log: Path) -> None:
    if process.stdout is None:
        raise DemoFailed("The sandbox has no output.")
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        json.loads(line)["ready"]
    except (TimeoutError, ValueError, KeyError) as error:
        raise DemoFailed(f"The sandbox did not start:\n{_tail(log)}") from error


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
