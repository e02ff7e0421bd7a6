"""Watchers that misbehave: each is closed with a code, and the others see all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from refundwatch.api.client import ApiClient
from tests.alone import Alone, alone, hire
from tests.staging import free_of_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults import FaultTable

pytestmark = [
    pytest.mark.xdist_group("heavy"),
    pytest.mark.asyncio(loop_scope="module"),
]

NOWHERE = {"stripe-uk": "http://127.0.0.1:9"}
MIB = 1024 * 1024
GROWTH_MIB = 120
WATCHERS = 200
"""As many as the daemon serves at once."""

TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9


def frame(
    opcode: int, content: bytes = b"", *, masked: bool = True, first: int = 0x80
) -> bytes:
    """Return a frame as RFC 6455 has it, or as it forbids."""
    size, mask = len(content), 0x80 if masked else 0
    if size < 126:
        head = bytes([first | opcode, mask | size])
    elif size < 65_536:
        head = bytes([first | opcode, mask | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first | opcode, mask | 127]) + size.to_bytes(8, "big")
    # A mask of zeros leaves the content as it is.
    return head + (bytes(4) if masked else b"") + content


@dataclass(slots=True)
class Line:
    """A raw WebSocket over the Unix socket."""

    sock: socket.socket
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    async def write(self, content: bytes) -> None:
        await self.loop.sock_sendall(self.sock, content)

    async def end(self, seconds: float = 10) -> int | None:
        """Read to the end, or to the frame that says why; return its code."""
        content = b""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                while part := await self.loop.sock_recv(self.sock, 65_536):
                    content = (content + part)[-4096:]
                    code = closing_code(content)
                    if code is not None:
                        return code
        return None


def closing_code(content: bytes) -> int | None:
    """Return the code of the close frame that the content ends with, if it does."""
    for size in range(2, min(126, len(content) - 1)):
        if content[-size - 2 : -size] == bytes([0x80 | CLOSE, size]):
            return int.from_bytes(content[-size:][:2], "big")
    return None


@contextlib.asynccontextmanager
async def connected(
    system: Alone, token: str, query: str = "", buffer_bytes: int | None = None
) -> AsyncIterator[Line]:
    """Open a feed by hand."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        if buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        line = Line(sock)
        address = system.folder.server.removeprefix("unix:")
        await line.loop.sock_connect(sock, address)
        lines = (
            f"GET /v1/events{query} HTTP/1.1",
            "Host: daemon",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Authorization: Bearer {token}",
            "\r\n",
        )
        await line.write("\r\n".join(lines).encode())
        yield line


@dataclass(slots=True)
class Watcher:
    """An honest watcher; it must see every change, in order and soon."""

    system: Alone
    seen: list[int] = field(default_factory=list)
    frames: int = 0
    longest_silence_seconds: float = 0.0

    async def _run(self) -> None:
        last = time.monotonic()
        async with self.system.client() as client:
            async for one in client.events():
                now = time.monotonic()
                silence = now - last
                self.longest_silence_seconds = max(
                    self.longest_silence_seconds, silence
                )
                last = now
                self.frames += 1
                if isinstance(one, m.ChangeFrame):
                    self.seen.append(one.seq)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        await self.system.until(lambda: self.frames > 0, 10, "watching")
        try:
            yield
            last = self.system.select("SELECT max(seq) FROM audit_entry")[0][0]
            await self.system.until(
                lambda: bool(self.seen) and self.seen[-1] >= last, 10, "up to date"
            )
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert self.seen == list(range(self.seen[0], self.seen[-1] + 1))
        # Health comes every second, whatever the others do.
        assert self.longest_silence_seconds < 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Alone]:
    async with alone(tmp_path_factory.mktemp("hub"), NOWHERE) as found:
        yield found


async def change(system: Alone, count: int) -> None:
    """Make so many changes for the feed."""
    await system.take(
        {f"pi_{secrets.token_hex(6)}": "stripe-uk" for _ in range(count)}, 1000
    )


async def test_misbehaving_watchers_end_in_a_code_and_hold_up_nobody(
    system: Alone, faults: FaultTable
) -> None:
    """How much is kept for one that never reads does not grow; then it is closed."""
    before = system.memory_mib()
    watcher = Watcher(system)
    async with watcher.watching(), contextlib.AsyncExitStack() as stack:
        await change(system, 3000)
        slow = [
            await stack.enter_async_context(
                connected(system, system.returns, "?since=0", buffer_bytes=4096)
            )
            for _ in range(20)
        ]
        flooding = [
            await stack.enter_async_context(connected(system, system.returns))
            for _ in range(5)
        ]
        pings = await asyncio.gather(*(_flood(line, 2) for line in flooding))
        faults.add("F19", "ping flood", sum(pings))
        await _utter_frames(system, faults)
        await _end_a_token(system, faults)
        await system.until(lambda: _slow_readers(system) >= len(slow), 20, "slow")
        codes = {await line.end() for line in slow}
        assert codes == {1013}
        faults.add("F19", "slow reader", len(slow))
        await change(system, 5)
    grown = system.memory_mib() - before
    assert grown < GROWTH_MIB, f"{grown:.0f} MiB more"
    assert free_of_errors(system.folder) == []


async def _utter_frames(system: Alone, faults: FaultTable) -> None:
    """Send what no watcher sends: each ends in its code."""
    noise = {
        "text": (frame(TEXT, b"hello"), {1008}),
        "binary garbage": (frame(BINARY, os.urandom(5000)), {1003, 1008}),
        "frame of 1 MiB": (frame(TEXT, b"x" * MIB), {1009}),
        "message of many parts": (
            frame(TEXT, b"x", first=0) + frame(0, b"x" * 999, first=0) * 1000,
            {1009},
        ),
        "claimed length of 2^62": (
            bytes([0x82, 0xFF]) + (2**62).to_bytes(8, "big") + b"x" * 99,
            {1009},
        ),
        "unknown opcode": (frame(0x7, b"x"), {1002}),
        "reserved bits": (frame(TEXT, b"x", first=0xF0), {1002}),
        "long control frame": (frame(PING, b"x" * 4000), {1002}),
        "not UTF-8": (frame(TEXT, b"\xff\xfe"), {1007, 1008}),
        "unmasked text": (frame(TEXT, b"hello", masked=False), {1002, 1008}),
        "close without a code": (frame(CLOSE), {1000, 1005, None}),
        "random bytes": (bytes([0xFF]) + os.urandom(4096), {1002}),
    }
    for what, (content, codes) in noise.items():
        async with connected(system, system.returns) as line:
            with contextlib.suppress(ConnectionError):
                await line.write(content)
            code = await line.end()
        assert code in codes, (what, code)
        faults.add("F19", what, 1)


async def _flood(line: Line, seconds: float) -> int:
    """Send pings and never read what comes back."""
    many, sent = frame(PING, b"x" * 125) * 500, 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                await line.write(many)
                sent += 500
    return sent


def _slow_readers(system: Alone) -> float:
    return system.metric("refundwatch_feed_slow_readers_total")


async def _end_a_token(system: Alone, faults: FaultTable) -> None:
    """Revoke a token while it watches: within two seconds nothing more is told."""
    times = 5
    async with (
        ApiClient(system.folder.server, system.admin) as admin,
        contextlib.AsyncExitStack() as stack,
    ):
        made = await hire(system.folder.server, system.admin, "person:vic", "viewer")
        lines = [
            await stack.enter_async_context(connected(system, made.secret))
            for _ in range(times)
        ]
        await asyncio.sleep(0.5)
        begin = time.monotonic()
        await admin.call("tokens.revoke", mt.TokenView, parts={"token": made.token.id})
        codes = await asyncio.gather(*(line.end(5) for line in lines))
        assert set(codes) == {1008}
        assert time.monotonic() - begin < 3
        faults.add("F19", "token revoked while open", times)
        async with connected(system, made.secret) as late:
            content = await late.loop.sock_recv(late.sock, 4096)
            assert content.startswith(b"HTTP/1.1 401")


async def test_storm_of_watchers_passes(system: Alone, faults: FaultTable) -> None:
    before = system.memory_mib()
    watcher = Watcher(system)
    async with watcher.watching():
        for _ in range(10):
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(20):
                    await stack.enter_async_context(
                        connected(system, system.returns, "?since=0")
                    )
        faults.add("F19", "reconnect", 200)
        await asyncio.sleep(0.5)
        async with contextlib.AsyncExitStack() as stack:
            lines = [
                await stack.enter_async_context(connected(system, system.returns))
                for _ in range(WATCHERS + 20)
            ]
            told = await asyncio.gather(*map(_told_to_come_again, lines))
            turned_away = sum(told)
            # The honest watcher has a place as well.
            assert turned_away == 21
            faults.add("F19", "watchers above the limit", turned_away)
        await asyncio.sleep(0.5)
        await change(system, 5)
    async with Watcher(system).watching():
        await change(system, 1)
    assert system.memory_mib() - before < GROWTH_MIB
    assert free_of_errors(system.folder) == []


async def _told_to_come_again(line: Line) -> bool:
    """Tell whether a watcher was closed by 1013 instead of served."""
    with contextlib.suppress(TimeoutError):
        return await line.end(1) == 1013
    return False


async def test_stranger_is_not_let_in(system: Alone, faults: FaultTable) -> None:
    async with connected(system, "rw_wrong") as line:
        assert (await line.loop.sock_recv(line.sock, 99)).startswith(b"HTTP/1.1 401")
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{system.api_port}/v1/events"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
    faults.add("F19", "watcher without a token", 2)
