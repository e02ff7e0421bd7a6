"""The listener's guard against connections that hold it, over raw sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.web import HTTPBadRequest

from daemon.guard import Gatekeeper, GuardedRunner, GuardLimits, read_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMITS = GuardLimits(0.2, 0.2, 5, 3)
PARTIAL = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
WHOLE = PARTIAL + b"\r\nbody"
CLOSING = WHOLE.replace(b"Host", b"Connection: close\r\nHost")
SEEN: list[type[Exception]] = []


@asynccontextmanager
async def listening(
    limits: GuardLimits = LIMITS,
    body_limit: int = 1024,
    go: asyncio.Event | None = None,
) -> AsyncIterator[tuple[int, Gatekeeper]]:
    """Echo bodies, once `go` is set; note in SEEN why one was not read."""
    gate = Gatekeeper(limits)
    SEEN.clear()

    async def echo(request: web.Request) -> web.Response:
        try:
            body = await read_body(request, gate, body_limit)
        except Exception as error:
            SEEN.append(type(error))
            raise
        if go is not None:
            await go.wait()
        return web.Response(body=body)

    app = web.Application()
    app.router.add_post("/", echo)
    runner = GuardedRunner(app, gate)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], gate
    finally:
        await runner.cleanup()


async def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 3)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_whole_request_is_answered() -> None:
    async with listening() as (port, gate):
        assert (await talk(port, CLOSING)).startswith(b"HTTP/1.1 200")
        assert gate.cut == 0


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="silent"),
        pytest.param((PARTIAL,), id="partial_headers"),
        pytest.param(tuple(b"%c" % byte for byte in PARTIAL), id="dripped_headers"),
        pytest.param((WHOLE, PARTIAL), id="half_a_second_request"),
    ],
)
async def test_connection_without_whole_headers_is_cut(
    parts: tuple[bytes, ...],
) -> None:
    async with listening() as (port, gate):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await talk(port, *parts, pause=0.02)
        assert gate.cut == 1
        assert loop.time() - begin < 2


async def test_slow_body_is_cut() -> None:
    async with listening() as (port, gate):
        await talk(port, PARTIAL + b"\r\n", b"b")
        assert gate.cut == 1


@pytest.mark.parametrize("chunked", [True, False])
async def test_oversized_body_is_refused(*, chunked: bool) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if chunked:
        body = (
            b"Transfer-Encoding: chunked\r\n\r\n1000\r\n"
            + b"x" * 4096
            + b"\r\n0\r\n\r\n"
        )
    else:
        body = b"Content-Length: 4096\r\n\r\n" + b"x" * 4096
    async with listening() as (port, _):
        assert (await talk(port, head + body)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "request_",
    [
        PARTIAL + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        PARTIAL + b"Content-Length: 5\r\n\r\nbody",
        b"POST / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
    ],
)
async def test_smuggling_and_header_floods_are_refused(request_: bytes) -> None:
    async with listening() as (port, _):
        assert b" 400 Bad Request" in (await talk(port, request_))[:32]


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(b"", id="silent"),
        pytest.param(PARTIAL, id="half_headers"),
        pytest.param(PARTIAL + b"\r\nb", id="half_body"),
        pytest.param(WHOLE, id="served_and_idle"),
    ],
)
@pytest.mark.parametrize("limits", [GuardLimits(5, 5, 3, 9), GuardLimits(5, 5, 9, 3)])
async def test_who_waits_longest_gives_way_to_a_whole_request(
    limits: GuardLimits, word: bytes
) -> None:
    async with listening(limits) as (port, gate):
        standing = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in standing:
            writer.write(word)
        await asyncio.sleep(0.05)

        assert (await talk(port, CLOSING)).startswith(b"HTTP/1.1 200")

        assert (gate.cut, gate.refused) == (1, 0)
        ended = [await _is_cut(reader) for reader, _ in standing]
        assert ended == [True, False, False]
        for _, writer in standing:
            writer.close()


async def _is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await reader.read()
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("limits", [GuardLimits(5, 5, 3, 9), GuardLimits(5, 5, 9, 3)])
async def test_request_being_served_gives_way_to_nobody(limits: GuardLimits) -> None:
    go = asyncio.Event()
    async with listening(limits, go=go) as (port, gate):
        served = [asyncio.create_task(talk(port, CLOSING)) for _ in range(3)]
        await asyncio.sleep(0.05)

        assert await talk(port, CLOSING) == b""
        assert (gate.cut, gate.refused) == (0, 1)

        go.set()
        for answer in await asyncio.gather(*served):
            assert answer.startswith(b"HTTP/1.1 200")
        assert (await talk(port, CLOSING)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_",
    [
        PARTIAL + b"Content-Encoding: gzip\r\n\r\nbody",
        PARTIAL + b"Content-Encoding: deflate\r\n\r\nbody",
        (
            b"POST / HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nz"
        ),
    ],
)
async def test_body_that_is_not_what_it_says_is_no_crash(request_: bytes) -> None:
    async with listening() as (port, _):
        assert b" 400 Bad Request" in (await talk(port, request_))[:32]


async def test_sender_that_leaves_is_no_crash() -> None:
    async with listening() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PARTIAL + b"\r\nb")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        assert await reader.read() == b""
        assert [HTTPBadRequest] == SEEN


async def test_many_held_connections_do_not_stop_a_request() -> None:
    async with listening(GuardLimits(0.3, 0.3, 60, 50)) as (port, gate):
        held = [asyncio.create_task(talk(port, PARTIAL)) for _ in range(49)]
        await asyncio.sleep(0.05)
        assert (await talk(port, CLOSING)).startswith(b"HTTP/1.1 200")
        await asyncio.gather(*held)
        assert gate.cut == 49
