"""The wire to the gateways: one exchange, one connection, no second try.

Invariant: `NeverSentError` is raised only when aiohttp's headers signal did not fire,
which proves that no byte of the request was written; whatever fails after it is
`NoAnswerError`. No redirect is followed, TLS is always verified, no proxy is taken
from the environment, and the host is one that `daemon.outward` allows.

Source: aiohttp 3.14 tracing, https://docs.aiohttp.org/en/stable/tracing_reference.html
(read 2026-11).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from daemon.outward import (
    NotPublicError,
    PublicResolver,
    address_of,
    check_literal,
)
from refundwatch.errors import InvariantBroken
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import HttpResponse

if TYPE_CHECKING:
    import ssl

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractResolver
    from aiohttp.http import RawResponseMessage

    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpRequest

ANSWER_LIMIT_BYTES: Final = 1024 * 1024
MESSAGES_LIMIT: Final = 16
"""Interim answers (1xx) that may come before the answer, and the answer itself."""

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class _Progress:
    sent: bool = False


class AiohttpTransport:
    """Exchanges with gateways over one client session per process."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        public_only: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Prepare; `tls` replaces the system's roots (a private authority).

        With `public_only`, as a live hub has it, nothing goes to an address that is
        not public.
        """
        self._public_only = public_only
        self._resolver = resolver
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session; to be closed by `close`."""
        tracing = aiohttp.TraceConfig(trace_config_ctx_factory=_Context)
        tracing.on_request_headers_sent.append(_note_headers_sent)
        self._session = aiohttp.ClientSession(
            # A kept connection that died makes every failure ambiguous.
            connector=_BoundedConnector(
                force_close=True,
                limit=0,
                ssl=self._tls,
                ttl_dns_cache=60,
                resolver=self._resolving(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing],
            auto_decompress=False,
            requote_redirect_url=False,
        )

    def _resolving(self) -> AbstractResolver | None:
        if self._public_only:
            return PublicResolver(self._resolver)
        return self._resolver

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        """Send an authorized request and return the whole answer.

        Raises:
            NeverSentError: no byte of the request was written.
            NoAnswerError: no whole answer came after that.
        """
        progress = _Progress()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._exchange(path, request, progress)
        except aiohttp.InvalidURL as error:
            raise NeverSentError("bad_address") from error
        except NotPublicError as error:
            raise NeverSentError("address_not_public") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = _reason(error)
            if progress.sent:
                raise NoAnswerError(reason) from error
            raise NeverSentError(reason) from error

    async def _exchange(
        self, path: ConnectionPath, request: HttpRequest, progress: _Progress
    ) -> HttpResponse:
        if self._session is None:
            raise InvariantBroken("The transport is not open.")
        address = address_of(path, request)
        if self._public_only:
            check_literal(address)
        async with self._session.request(
            request.method,
            address,
            data=request.body or None,
            headers={"Accept-Encoding": "identity", **dict(request.headers)},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=path.connect_timeout_seconds
            ),
            trace_request_ctx=progress,
        ) as response:
            body = await _read(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status, headers, body)


class _TooLargeError(aiohttp.ClientPayloadError):
    """The answer is larger than any honest one."""


class _BoundedLine(ResponseHandler):
    """A connection that is cut once it brought more messages than any honest one.

    aiohttp bounds a head and leaves the body to us, but reads interim answers for as
    long as they come, and a flood of them keeps the whole loop busy.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._messages = 0

    def feed_data(
        self, data: tuple[RawResponseMessage, StreamReader], size: int = 0
    ) -> None:
        """Count a message, and keep it unless there were too many."""
        self._messages += 1
        if self._messages <= MESSAGES_LIMIT:
            super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether it was too much."""
        super().data_received(data)
        if self._messages > MESSAGES_LIMIT and self.transport is not None:
            self.set_exception(_TooLargeError())
            self.transport.abort()


class _BoundedConnector(aiohttp.TCPConnector):
    """Makes bounded connections; leans on the pinned minor version's insides."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factory = partial(_BoundedLine, loop=self._loop)  # type: ignore[assignment]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(part)
        if size > ANSWER_LIMIT_BYTES:
            raise _TooLargeError
        parts.append(part)
    return b"".join(parts)


def _reason(error: Exception) -> str:
    match error:
        case _TooLargeError():
            return "answer_too_large"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "tls_failed"
        case aiohttp.ClientConnectorDNSError(os_error=behind):
            private = isinstance(behind, NotPublicError)
            return "address_not_public" if private else "dns_failed"
        case aiohttp.ConnectionTimeoutError():
            return "connect_timeout"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorError():
            return "connect_failed"
        case aiohttp.ServerDisconnectedError():
            return "disconnected"
        case aiohttp.ClientPayloadError():
            return "answer_truncated"
        case aiohttp.ClientResponseError() | ValueError():
            return "answer_malformed"
        case _:
            return "connection_lost"


class _Context(SimpleNamespace):
    """Carries one exchange's progress into the signals."""

    def __init__(self, trace_request_ctx: object = None) -> None:
        super().__init__(progress=trace_request_ctx)


async def _note_headers_sent(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    """Mark the moment just before the first byte; it never fires for a lost host."""
    del session, params
    if isinstance(context.progress, _Progress):
        context.progress.sent = True
