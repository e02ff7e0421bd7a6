"""Raw talk to a listener: what no honest client sends, and honest calls beside it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from tests.alone import signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.alone import Alone

PATH = b"/webhooks/stripe-uk"
MIB = 1024 * 1024
_RESET = struct.pack("ii", 1, 0)


def request(*headers: bytes, body: bytes = b"", line: bytes | None = None) -> bytes:
    """Return a request with exactly these headers after `Host`."""
    first = line or b"POST " + PATH + b" HTTP/1.1"
    return b"\r\n".join((first, b"Host: hub", *headers)) + b"\r\n\r\n" + body


def length(body: bytes) -> bytes:
    return b"Content-Length: %d" % len(body)


def genuine(event_id: str) -> bytes:
    """Return a whole request that the daemon would store, if it read it as one."""
    body, signature = signed(event_id)
    stamp = b"Stripe-Signature: " + signature.encode()
    return request(length(body), stamp, body=body)


def ambiguous(event_id: str) -> dict[str, bytes]:
    """Return requests that two readers could part differently.

    Each hides a genuine delivery in what its Content-Length calls the body.
    """
    hidden = b"0\r\n\r\n" + genuine(event_id)
    both = length(hidden)
    chunked = b"Transfer-Encoding: chunked"
    plain = b"POST " + PATH + b" HTTP/1.1\nHost: hub\n"
    return {
        "CL+TE": request(both, chunked, body=hidden),
        "TE+CL": request(chunked, both, body=hidden),
        "two CLs": request(b"Content-Length: 5", both, body=hidden),
        "CL list": request(b"Content-Length: 5, %d" % len(hidden), body=hidden),
        "CL with sign": request(b"Content-Length: +%d" % len(hidden), body=hidden),
        "negative CL": request(b"Content-Length: -1", body=hidden),
        "hex CL": request(b"Content-Length: 0x5", body=hidden),
        "huge CL": request(b"Content-Length: " + b"9" * 40, body=hidden),
        "TE: xchunked": request(both, b"Transfer-Encoding: xchunked", body=hidden),
        "TE: identity": request(both, b"Transfer-Encoding: identity", body=hidden),
        "TE: chunked, identity": request(
            both, b"Transfer-Encoding: chunked, identity", body=hidden
        ),
        "TE twice": request(both, chunked, chunked, body=hidden),
        "TE: gzip": request(both, b"Transfer-Encoding: gzip", body=hidden),
        "space before colon": request(
            both, b"Transfer-Encoding : chunked", body=hidden
        ),
        "tab in TE": request(both, b"Transfer-Encoding:\tchunked\x0b", body=hidden),
        "folded TE": request(both, b"Transfer-Encoding:\r\n chunked", body=hidden),
        "bare CR": request(both, b"X: a\rTransfer-Encoding: chunked", body=hidden),
        "NUL": request(both, b"X: a\0b", body=hidden),
        "bare LF": plain + chunked + b"\n" + both + b"\n\n" + hidden,
        "chunk size over 64 bits": request(chunked, body=b"1" + b"0" * 17 + hidden),
        "chunk size with sign": request(chunked, body=b"-1\r\n" + hidden),
        "bare LF in chunks": request(chunked, body=b"5\nhello\n" + hidden),
    }


def malformed() -> dict[str, bytes]:
    """Return what is no request, too large, or of another protocol."""
    flood = tuple(b"X-%d: y" % number for number in range(20_000))
    bomb = gzip.compress(b" " * (64 * MIB), 9)
    chunked = b"Transfer-Encoding: chunked"
    close = b"Connection: close"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    return {
        "no Host": b"POST " + PATH + b" HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "two Hosts": request(b"Host: other", b"Content-Length: 0"),
        "absolute URI": request(
            length(b"{}"),
            close,
            body=b"{}",
            line=b"POST http://x" + PATH + b" HTTP/1.1",
        ),
        "CONNECT": request(close, line=b"CONNECT hub:443 HTTP/1.1"),
        "HTTP/0.9": b"GET " + PATH + b"\r\n\r\n",
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "HTTP/9.9": request(line=b"POST " + PATH + b" HTTP/9.9"),
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "header flood by count": request(*flood),
        "header flood by size": request(b"X: " + b"x" * MIB),
        "long request line": request(line=b"POST /" + b"x" * MIB + b" HTTP/1.1"),
        "oversized by length": request(b"Content-Length: 1073741824", body=b"x" * 999),
        "oversized by chunks": request(chunked, close, body=chunk * 16 + b"0\r\n\r\n"),
        "chunk extensions": request(
            chunked, close, body=b"1;" + b"x" * MIB + b"\r\nx\r\n"
        ),
        "trailer flood": request(
            chunked, close, body=b"0\r\n" + b"\r\n".join(flood) + b"\r\n\r\n"
        ),
        "gzip bomb": request(length(bomb), close, b"Content-Encoding: gzip", body=bomb),
        "not gzip": request(
            length(b"xx"), close, b"Content-Encoding: gzip", body=b"xx"
        ),
        "binary noise": bytes(range(256)) * 64,
    }


async def talk(port: int, text: bytes, *, peer: str, seconds: float = 8) -> bytes:
    """Write bytes from an address of loopback; return all that came until the end."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, local_addr=(peer, 0)
    )
    got = b""

    async def listen() -> None:
        nonlocal got
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65_536):
                got += part

    listening = asyncio.create_task(listen())
    with contextlib.suppress(ConnectionError):
        for start in range(0, len(text), 65_536):
            writer.write(text[start : start + 65_536])
            await writer.drain()
    try:
        async with asyncio.timeout(seconds):
            await listening
    except TimeoutError:
        listening.cancel()
        raise
    finally:
        writer.close()
    return got


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer that stands in the bytes."""
    parts = answer.split(b"HTTP/1.")[1:]
    return [int(part[2:5]) for part in parts]


def reset(sock: socket.socket) -> None:
    """Close as a crash does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


def allow_sockets(wanted: int) -> None:
    """Let this process open so many sockets, beside what it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + 500
    if soft < need:
        assert hard == resource.RLIM_INFINITY or hard >= need, f"ulimit -Hn is {hard}"
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


@dataclass(slots=True)
class Crowd:
    """Connections from many addresses that stay open and say `word`, or nothing."""

    port: int
    word: bytes = b""
    sockets: list[socket.socket] = field(default_factory=list)

    async def gather(self, count: int, peers: list[str]) -> None:
        """Connect so many times, a hundred at once."""
        places = iter(range(count))

        async def join() -> None:
            for place in places:
                await self._connect(peers[place % len(peers)])

        await asyncio.gather(*(join() for _ in range(100)))

    async def _connect(self, peer: str) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        self.sockets.append(sock)
        sock.bind((peer, 0))
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            await loop.sock_connect(sock, ("127.0.0.1", self.port))
            if self.word:
                await loop.sock_sendall(sock, self.word)

    def standing(self) -> int:
        """Count those that the daemon has not cut."""
        return sum(_stands(sock) for sock in self.sockets)

    def leave(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()


def _stands(sock: socket.socket) -> bool:
    try:
        while sock.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@dataclass(slots=True)
class Honest:
    """A gateway that delivers, and a monitor that asks, while others misbehave."""

    system: Alone
    peer: str = "127.0.0.1"
    stored: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    async def once(self) -> None:
        """Deliver over a new line, and ask for the health."""
        begin = time.monotonic()
        body, signature = signed(f"evt_honest_{secrets.token_hex(8)}")
        ports = self.system.folder.ports
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(local_addr=(self.peer, 0)),
                    timeout=aiohttp.ClientTimeout(total=10),
                ) as session,
                session.post(
                    f"http://127.0.0.1:{ports.webhooks}/webhooks/stripe-uk",
                    data=body,
                    headers={"Stripe-Signature": signature},
                ) as answer,
                session.get(f"http://127.0.0.1:{ports.health}/readyz") as health,
            ):
                if (answer.status, health.status) == (200, 200):
                    self.stored += 1
                else:
                    self.failed.append(f"{answer.status} {health.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(repr(error))
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begin)

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.once()
            await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def meanwhile(self) -> AsyncIterator[None]:
        """Go on delivering as long as the block runs, and once more after it."""
        stop = asyncio.Event()
        running = asyncio.create_task(self._run(stop))
        try:
            yield
        finally:
            # Never in the middle: what was stored is to be counted.
            stop.set()
            await running
        await self.once()
