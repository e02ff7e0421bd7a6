"""An ssh-agent with one throwaway key, so that the dashboard signs by a key press.

Invariant: it signs with that key alone, for whoever may open its socket: the owner of
the run's folder.

Source: draft-miller-ssh-agent (read 2026-11).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from refundwatch.security.sshsig import public_key_of
from refundwatch.security.sshsig.wire import Fields, WireBroken, string, uint32

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from refundwatch.demo.keys import KeySigner

LONGEST: Final = 64 * 1024
_FAILURE: Final = bytes([5])
_LIST, _KEYS, _SIGN, _SIGNED = 11, bytes([12]), 13, bytes([14])
_COMMENT: Final = b"throwaway key of refundwatch demo"


@asynccontextmanager
async def running_agent(path: Path, signer: KeySigner) -> AsyncIterator[None]:
    """Answer at a socket while the block runs."""
    lines: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                if length > LONGEST:
                    break
                answer = _answer(signer, await reader.readexactly(length))
                writer.write(string(answer))
                await writer.drain()
        lines.discard(writer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        for line in lines:
            line.close()
        await server.wait_closed()


def _answer(signer: KeySigner, question: bytes) -> bytes:
    blob = public_key_of(signer.key).blob
    if question == bytes([_LIST]):
        return _KEYS + uint32(1) + string(blob) + string(_COMMENT)
    fields = Fields(question)
    try:
        if fields.byte() != _SIGN or fields.string() != blob:
            return _FAILURE
        made = signer.key.sign(fields.string())
    except WireBroken:
        return _FAILURE
    return _SIGNED + string(string(b"ssh-ed25519") + string(made))
