"""The webhook listener's short way, over raw sockets, beside the long one."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from daemon.express import ExpressHandler
from daemon.guard import (
    Gatekeeper,
    GuardedRunner,
    GuardLimits,
    headers_of,
    read_body,
)
from refundwatch.flow.confirm import Reception

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from refundwatch.gateways.contract import RawDelivery

LIMIT_BYTES = 64
LIMITS = GuardLimits(0.3, 0.3, 50, 50)


class Desk:
    """Answers what was taken when told to, in any order; or refuses to take."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, RawDelivery]] = []
        self.answers: list[Callable[[Reception], None]] = []
        self.refuses = False
        self.at_once: Reception | None = None
        self.long_way: list[bytes] = []
        self.long_headers: list[dict[str, str]] = []

    def take(
        self, account: str, raw: RawDelivery, answer: Callable[[Reception], None]
    ) -> bool:
        if self.refuses:
            return False
        self.taken.append((account, raw))
        if self.at_once is not None:
            answer(self.at_once)
        else:
            self.answers.append(answer)
        return True

    def bodies(self) -> list[bytes]:
        return [raw.body for _, raw in self.taken]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[tuple[int, Gatekeeper]]:
    gate = Gatekeeper(LIMITS)

    async def handle(request: web.Request) -> web.Response:
        body = await read_body(request, gate, LIMIT_BYTES)
        desk.long_headers.append(headers_of(request.headers))
        desk.long_way.append(body)
        return web.Response(body=b"long:" + body)

    app = web.Application()
    app.router.add_route("*", "/webhooks/{account}", handle)
    handler = partial(ExpressHandler, desk.take, LIMIT_BYTES)
    runner = GuardedRunner(app, gate, handler, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], gate
    finally:
        await runner.cleanup()


def post(body: bytes, *headers: bytes, target: bytes = b"/webhooks/shop") -> bytes:
    lines = [b"POST %b HTTP/1.1" % target, b"Host: x", *headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Caller:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(3):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1]) if length else 0)
        assert b"Server: refundwatch\r\n" in head
        assert b"Date: " in head
        return int(head.split()[1]), body

    async def end(self) -> bytes:
        async with asyncio.timeout(3):
            return await self.reader.read()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # The connection's own loop must sleep before the short way can be taken.
    await asyncio.sleep(0.02)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def seen(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110 - what is under test has no event
            await asyncio.sleep(0.005)


async def test_plain_request_is_answered_when_the_desk_says_so(desk: Desk) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        for number, body in enumerate((b"one", b"", b"three"), start=1):
            caller.send(post(body, b"X-Signature: S"))
            await seen(lambda n=number: len(desk.taken) == n)
            desk.answers.pop()(Reception(200, b"[accepted]"))
            assert await caller.answer() == (200, b"[accepted]")
        assert desk.bodies() == [b"one", b"", b"three"]
        account, raw = desk.taken[0]
        assert account == "shop"
        assert raw.headers["x-signature"] == "S"
        assert not desk.long_way


async def test_body_that_comes_in_parts_goes_the_long_way(desk: Desk) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        whole = post(b"in two parts")
        caller.send(whole[:-5])
        await asyncio.sleep(0.05)
        caller.send(whole[-5:])
        assert await caller.answer() == (200, b"long:in two parts")
        assert not desk.taken


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(post(b"x").replace(b"POST", b"PUT"), id="method"),
        pytest.param(post(b"x", target=b"/webhooks/shop?a=1"), id="query"),
        pytest.param(post(b"x", target=b"/webhooks/%73hop"), id="quoted_path"),
        pytest.param(post(b"x").replace(b"1.1", b"1.0"), id="old_version"),
        pytest.param(post(b"x", b"Connection: close"), id="closing"),
        pytest.param(
            b"POST /webhooks/shop HTTP/1.1\r\nHost: x\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            id="chunked",
        ),
    ],
)
async def test_unusual_request_goes_the_long_way(desk: Desk, request_: bytes) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(request_)
        status, body = await caller.answer()
        assert (status, body) == (200, b"long:x")
        assert not desk.taken


async def test_large_body_is_refused_on_the_long_way(desk: Desk) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(post(b"x" * (LIMIT_BYTES + 1), b"Connection: close"))
        assert (await caller.end()).startswith(b"HTTP/1.1 413")
        assert not desk.taken


async def test_what_the_desk_cannot_take_is_read_by_the_long_way(desk: Desk) -> None:
    desk.refuses = True
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(post(b"asked"))
        assert await caller.answer() == (200, b"long:asked")
        desk.refuses = False
        desk.at_once = Reception(401)
        caller.send(post(b"forged"))
        assert await caller.answer() == (401, b"")
        assert (desk.long_way, desk.bodies()) == ([b"asked"], [b"forged"])


async def test_answers_keep_the_order_of_pipelined_requests(desk: Desk) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(post(b"first"))
        await seen(lambda: bool(desk.answers))
        caller.send(post(b"second") + post(b"third"))
        await asyncio.sleep(0.05)
        assert not desk.long_way

        desk.answers.pop()(Reception(200, b"short:first"))

        found = [await caller.answer() for _ in range(3)]
        assert [body for _, body in found] == [
            b"short:first",
            b"long:second",
            b"long:third",
        ]
        caller.send(post(b"fourth"))
        await seen(lambda: bool(desk.answers))


async def test_two_requests_in_one_packet_go_the_long_way(desk: Desk) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(post(b"a") + post(b"b"))
        assert [await caller.answer() for _ in range(2)] == [
            (200, b"long:a"),
            (200, b"long:b"),
        ]


async def test_caller_that_left_is_not_answered(desk: Desk) -> None:
    async with listening(desk) as (port, gate):
        async with calling(port) as caller:
            caller.send(post(b"gone"))
            await seen(lambda: bool(desk.answers))
        await seen(lambda: gate._total == 0)
        await asyncio.sleep(0.02)
        assert not serving()
        desk.answers.pop()(Reception(200))
        await asyncio.sleep(0.02)
        assert not serving()


def serving() -> list[asyncio.Task[Any]]:
    return [it for it in asyncio.all_tasks() if "start" in repr(it.get_coro())]


async def test_stopping_waits_for_an_answer_under_way(desk: Desk) -> None:
    async with asyncio.timeout(3):
        async with listening(desk) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.02)
            writer.write(post(b"last"))
            await seen(lambda: bool(desk.answers))
            asyncio.get_running_loop().call_later(
                0.2, desk.answers.pop(), Reception(200)
            )
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


async def test_slow_headers_are_cut_after_a_short_way(desk: Desk) -> None:
    desk.at_once = Reception(200)
    async with listening(desk) as (port, gate), calling(port) as caller:
        caller.send(post(b"quick"))
        assert await caller.answer() == (200, b"")
        caller.send(b"POST /webhooks/shop HT")
        assert await caller.end() == b""
        assert gate.cut == 1


async def test_idle_connection_lives_on_after_a_short_way(desk: Desk) -> None:
    desk.at_once = Reception(200)
    async with listening(desk) as (port, gate), calling(port) as caller:
        caller.send(post(b"one"))
        await caller.answer()
        await asyncio.sleep(0.5)
        caller.send(post(b"two"))
        assert await caller.answer() == (200, b"")
        assert gate.cut == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_one_that_was_answered_gives_its_place_to_a_newcomer(
    desk: Desk,
    at_once: bool,
) -> None:
    desk.at_once = Reception(401) if at_once else None
    async with listening(desk) as (port, gate), calling(port) as idle:
        gate.limits = GuardLimits(5.0, 5.0, 1, 1)
        idle.send(post(b"forged"))
        if not at_once:
            await seen(lambda: bool(desk.answers))
            desk.answers.pop()(Reception(401))
        assert await idle.answer() == (401, b"")

        desk.at_once = Reception(200)
        async with calling(port) as newcomer:
            newcomer.send(post(b"genuine"))
            assert await newcomer.answer() == (200, b"")
        assert (gate.refused, gate.cut) == (0, 1)


@pytest.mark.parametrize("target", [b"/webhooks/shop", b"/webhooks/%73hop"])
async def test_a_header_of_two_lines_is_joined(desk: Desk, target: bytes) -> None:
    async with listening(desk) as (port, _), calling(port) as caller:
        caller.send(post(b"x", b"X-Sig: one", b"x-sig: two", target=target))
        await seen(lambda: bool(desk.taken or desk.long_way))
        given = desk.taken[0][1].headers if desk.taken else desk.long_headers[0]
        assert given["x-sig"] == "one, two"
