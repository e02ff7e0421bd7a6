"""Was a byte sent? The transport's answer to each row, over raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from daemon.transport import ANSWER_LIMIT_BYTES, AiohttpTransport
from refundwatch.errors import InvariantBroken
from refundwatch.flow.ports import ConnectionPath, NeverSentError, NoAnswerError
from refundwatch.gateways.contract import AccountView, HttpRequest, HttpResponse
from refundwatch.gateways.registry import gateway

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MONEY = HttpRequest("refund", "POST", "/v1/refunds", body=b"amount=1", moves_money=True)


def path_to(endpoint: str) -> ConnectionPath:
    view = AccountView("stripe-uk", "sandbox", endpoint)
    return ConnectionPath(
        "stripe-uk/main", view, gateway("stripe"), endpoint, 1, 0.3, 4
    )


@asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def transporting() -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport()
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


def answering(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return talk


async def exchange(
    talk: Talk, request: HttpRequest = MONEY, scheme: str = "http"
) -> HttpResponse:
    async with serving(talk) as port, transporting() as transport:
        path = path_to(f"{scheme}://127.0.0.1:{port}")
        return await transport.exchange(path, request, 0.5)


async def test_whole_answer_is_returned_with_lower_case_headers() -> None:
    answer = b"HTTP/1.1 402 No\r\nRequest-Id: r1\r\nContent-Length: 2\r\n\r\n{}"

    response = await exchange(answering(answer))

    assert (response.status, response.body) == (402, b"{}")
    assert response.headers["request-id"] == "r1"


async def test_redirect_is_an_answer_not_followed() -> None:
    head = b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/x\r\n"
    answer = head + b"Content-Length: 0\r\n\r\n"
    assert (await exchange(answering(answer))).status == 307


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "answer_truncated"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "answer_truncated",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "answer_malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "answer_malformed"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
            "answer_too_large",
        ),
    ],
)
async def test_broken_answer_after_the_send_is_no_answer(
    answer: bytes, reason: str
) -> None:
    with pytest.raises(NoAnswerError, match=reason):
        await exchange(answering(answer))


async def test_answer_of_the_limit_is_taken_whole() -> None:
    size = ANSWER_LIMIT_BYTES
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    assert len((await exchange(answering(answer))).body) == size


async def test_answers_without_end_before_the_answer_are_cut() -> None:
    """Interim answers cost nobody's attention until the timeout."""
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        flood = b"HTTP/1.1 102 Wait\r\n\r\n" * 1000
        with contextlib.suppress(ConnectionError):
            while sent < 100 * ANSWER_LIMIT_BYTES:
                writer.write(flood)
                await writer.drain()
                sent += len(flood)
                await asyncio.sleep(0)

    with pytest.raises(NoAnswerError, match="answer_too_large"):
        await exchange(talk)
    assert sent < 10 * ANSWER_LIMIT_BYTES


async def test_timeout_after_the_send_is_no_answer() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(1)

    with pytest.raises(NoAnswerError, match="timeout"):
        await exchange(talk)


async def test_reset_after_the_send_is_no_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    with pytest.raises(NoAnswerError):
        await exchange(talk)


async def test_refused_connection_was_never_sent() -> None:
    async with serving(answering(b"")) as port:
        pass
    async with transporting() as transport:
        with pytest.raises(NeverSentError, match="connect_failed"):
            await transport.exchange(path_to(f"http://127.0.0.1:{port}"), MONEY, 1)


async def test_unknown_host_was_never_sent() -> None:
    async with transporting() as transport:
        with pytest.raises(NeverSentError, match=r"dns_failed|connect_failed"):
            await transport.exchange(path_to("https://nobody.invalid"), MONEY, 2)


async def test_tls_failure_was_never_sent() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()

    with pytest.raises(NeverSentError, match=r"tls_failed|connect_failed|lost"):
        await exchange(talk, scheme="https")


async def test_hanging_handshake_was_never_sent() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await asyncio.sleep(1)

    with pytest.raises(NeverSentError, match="timeout"):
        await exchange(talk, scheme="https")


async def test_money_never_goes_to_a_host_of_the_adapters_choice() -> None:
    request = HttpRequest("refund", "POST", "https://evil.example/x", moves_money=True)
    async with transporting() as transport:
        with pytest.raises(InvariantBroken):
            await transport.exchange(path_to("https://api.stripe.com"), request, 1)


async def test_credentials_and_bodies_stand_in_no_error() -> None:
    request = HttpRequest(
        "refund",
        "POST",
        "/x",
        headers=(("Authorization", "Bearer sk_test_canary"),),
        body=b"canary-body",
    )
    with pytest.raises(NoAnswerError) as caught:
        await exchange(
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), request
        )
    shown = repr(caught.value) + repr(caught.value.__cause__)
    assert "canary" not in shown
