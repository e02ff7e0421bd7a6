"""Handing bytes to a program, or to an address: how anything leaves for other systems.

Invariant: a program whose turn was cut short is ended, and an address is never followed
to another one. How long either may take is the caller's to say.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Sequence

TROUBLE: Final = (OSError, TimeoutError, aiohttp.ClientError)
"""What keeps a thing from being handed over: it can be tried again."""

_OK_BELOW: Final = 300


async def run_program(command: Sequence[str], content: bytes) -> int:
    """Give content to a program on its standard input; return its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await process.communicate(content)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await process.wait()


async def post(
    url: str, content: bytes, content_type: str, timeout_seconds: float
) -> bool:
    """Post content to an address; tell whether it took it (2xx)."""
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_seconds)
        ) as session,
        session.post(
            url,
            data=content,
            headers={"Content-Type": content_type},
            allow_redirects=False,
        ) as response,
    ):
        return response.status < _OK_BELOW
