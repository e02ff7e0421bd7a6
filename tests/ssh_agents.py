"""A real ssh-agent with throwaway keys, and one of ours that answers as it is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

KINDS = (("ed25519", 0), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072))


def make_key(folder: Path, kind: str = "ed25519", bits: int = 0) -> Path:
    """Make a throwaway key; give the path of its private half."""
    path = folder / f"{kind}{bits or ''}"
    size = ("-b", str(bits)) if bits else ()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", path.name, "-f", path],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return path


@contextmanager
def running_agent(*options: str) -> Iterator[str]:
    """Run the system's ssh-agent; give its socket."""
    # A socket's path must be short, which a test's own folder may not be.
    folder = tempfile.mkdtemp(prefix="rw-agent-")
    path = f"{folder}/agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        # It says where it listens once it does.
        assert agent.stdout is not None
        agent.stdout.readline()
        yield path
    finally:
        agent.terminate()
        agent.communicate(timeout=20)
        shutil.rmtree(folder)


def load_key(socket: str, key: Path, *options: str) -> None:
    """Give a key to a running agent."""
    subprocess.run(
        ["ssh-add", "-q", *options, key],
        check=True,
        capture_output=True,
        timeout=20,
        env={**os.environ, "SSH_AUTH_SOCK": socket},
    )


@asynccontextmanager
async def lying_agent(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[str]:
    """Serve whatever `answer` gives for a question; None keeps the line silent."""
    folder = tempfile.mkdtemp(prefix="rw-agent-")
    path = f"{folder}/agent"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(4), "big")
            found = answer(await reader.readexactly(length))
            if found is None:
                await reader.read()
            else:
                writer.write(found)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield path
    finally:
        server.close()
        await server.wait_closed()
        shutil.rmtree(folder)
