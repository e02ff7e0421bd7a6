"""Was a byte sent? The transport's answer to each row, over raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.abc import AbstractResolver

from daemon import outward
from daemon.tls import server_context
from daemon.transport import ANSWER_LIMIT_BYTES, AiohttpTransport
from refundwatch.errors import InvariantBroken
from refundwatch.flow.ports import ConnectionPath, NeverSentError, NoAnswerError
from refundwatch.gateways.contract import AccountView, HttpRequest, HttpResponse
from refundwatch.gateways.registry import NAMES, gateway
from tests.daemon.certifying import certify

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

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


# --- where to ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/v1/notifications/certs/a",
        "http://api.paypal.com/v1/notifications/certs/a",
        "https://api.paypal.com:8443/v1/notifications/certs/a",
        "https://api.paypal.com@evil.example/v1/notifications/certs/a",
        "https://evil@api.paypal.com/v1/notifications/certs/a",
        "https://api.paypal.com.evil.example/v1/notifications/certs/a",
        "//evil.example/a",
        "ftp://api.paypal.com/a",
        "a",
    ],
)
async def test_host_that_nobody_declared_is_never_asked(target: str) -> None:
    view = AccountView("paypal-us", "live", "https://api-m.paypal.com")
    path = ConnectionPath(
        "paypal-us/main", view, gateway("paypal"), view.endpoint, 1, 0.3, 4
    )
    request = HttpRequest("certificate", "GET", target)
    if target.startswith("//"):
        assert outward.address_of(path, request) == view.endpoint + target
        return
    with pytest.raises(InvariantBroken):
        outward.address_of(path, request)


def test_declared_hosts_are_these_and_for_money_none() -> None:
    declared = {
        (name, origin)
        for name in NAMES
        for mode, endpoint in (
            ("live", "https://api.checkout.com"),
            ("sandbox", "https://abc.api.sandbox.checkout.com"),
        )
        for origin in gateway(name).origins(AccountView("a", mode, endpoint))
    }
    assert declared == {
        ("checkout", "https://abc.access.sandbox.checkout.com"),
        ("checkout", "https://access.checkout.com"),
        ("paypal", "https://api.paypal.com"),
        ("paypal", "https://api-m.paypal.com"),
        ("paypal", "https://api.sandbox.paypal.com"),
        ("paypal", "https://api-m.sandbox.paypal.com"),
    }


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("nonsense", False),
    ],
)
def test_address_is_of_the_internet_or_not(address: str, public: bool) -> None:
    assert outward.is_public(address) is public


class Naming(AbstractResolver):
    """Gives each name's next addresses, as a name server with a short life does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        return [
            {
                "hostname": host,
                "host": one,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for one in self.answers.pop(0)
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "endpoint",
    ["https://127.0.0.1:1", "https://[::1]:1", "https://169.254.169.254", "https://x"],
)
async def test_live_endpoint_on_no_public_address_was_never_sent(
    endpoint: str,
) -> None:
    naming = Naming(["127.0.0.1", "10.1.1.1"])
    transport = AiohttpTransport(public_only=True, resolver=naming)
    await transport.open()
    try:
        with pytest.raises(NeverSentError, match="address_not_public"):
            await transport.exchange(path_to(endpoint), MONEY, 1)
    finally:
        await transport.close()


async def test_name_that_changes_to_a_private_address_is_left_out() -> None:
    resolver = outward.PublicResolver(Naming(["8.8.8.8", "127.0.0.1"], ["127.0.0.1"]))
    assert [one["host"] for one in await resolver.resolve("x", 443)] == ["8.8.8.8"]
    with pytest.raises(outward.NotPublicError):
        await resolver.resolve("x", 443)


async def test_certificate_of_nobody_we_trust_was_never_sent(tmp_path: Path) -> None:
    certify(tmp_path)
    own = server_context(tmp_path / "api.pem", tmp_path / "api.key")
    async with serving(answering(b""), own) as port, transporting() as transport:
        path = path_to(f"https://127.0.0.1:{port}")
        with pytest.raises(NeverSentError, match="tls_failed"):
            await transport.exchange(path, MONEY, 1)
