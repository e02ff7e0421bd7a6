"""A listener that strangers cannot hold: deadlines and caps on every connection.

Invariant: a connection that has not brought whole request headers within the deadline
is cut, whether it is new, dripping, or idle with half a second request; and no more
connections stand than the caps allow, in all and from one address. Where a cap is
reached, the one that has kept us waiting longest gives its place to the newcomer: a
request that comes whole is served however many dawdle.

aiohttp as shipped keeps such connections open without limit (measured on 3.14), so its
request handler is extended here. That leans on the insides of one minor version, which
is pinned; `tests/daemon/test_guard.py` fails when they change.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from daemon.problems import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SERVER: Final = "refundwatch"
KEEPALIVE_SECONDS: Final = 15.0
LINGER_SECONDS: Final = 1.0
SECURITY_HEADERS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
"""What keeps a browser from making anything of an answer. There is no CORS."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How long a request may take to arrive (seconds), and how many may stand."""

    header_deadline_seconds: float
    body_deadline_seconds: float
    connections: int
    connections_per_peer: int


class Gatekeeper:
    """Counts the connections of one listener."""

    def __init__(self, limits: GuardLimits) -> None:
        """Start with an empty room."""
        self.limits = limits
        self.refused = 0
        self.cut = 0
        self.broken = 0
        self.peak = 0
        self._total = 0
        self._by_peer: Counter[str] = Counter()
        # By peer, too, and each in the order in which they began to keep us waiting.
        self._waiting: dict[GuardedHandler, None] = {}
        self._waiting_by_peer: dict[str, dict[GuardedHandler, None]] = {}

    def admit(self, peer: str) -> bool:
        """Count a connection in, unless a cap is reached and everybody is served."""
        if self._by_peer[peer] >= self.limits.connections_per_peer:
            waiting = self._waiting_by_peer.get(peer, {})
        elif self._total >= self.limits.connections:
            waiting = self._waiting
        else:
            waiting = None
        if waiting is not None:
            longest = next(iter(waiting), None)
            if longest is None:
                self.refused += 1
                return False
            longest.cut()
        self._total += 1
        self._by_peer[peer] += 1
        self.peak = max(self.peak, self._total)
        return True

    def wait_for(self, line: GuardedHandler) -> None:
        """Note that from now on a connection has no whole request with us."""
        self.attend(line)
        self._waiting[line] = None
        self._waiting_by_peer.setdefault(line.peer, {})[line] = None

    def attend(self, line: GuardedHandler) -> None:
        """Note that a connection keeps us waiting no more: whole, or gone."""
        if line not in self._waiting:
            return
        del self._waiting[line]
        of_peer = self._waiting_by_peer[line.peer]
        del of_peer[line]
        if not of_peer:
            del self._waiting_by_peer[line.peer]

    def leave(self, peer: str) -> None:
        """Count a connection out."""
        self._total -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]


class GuardedHandler(web.RequestHandler):
    """One connection under a deadline until its request headers are whole."""

    __slots__ = ("_admitted", "_deadline", "_gate", "peer")

    def __init__(self, gate: Gatekeeper, server: web.Server, **kwargs: Any) -> None:
        """Prepare a connection for the listener that `gate` guards."""
        super().__init__(server, **kwargs)
        self._gate = gate
        self.peer = ""
        self._admitted = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or cut it at once; the clock starts here."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.peer = address[0] if isinstance(address, tuple) else "local"
        self._admitted = self._gate.admit(self.peer)
        if not self._admitted:
            _abort(transport)
            return
        self._gate.wait_for(self)
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection out."""
        self._disarm()
        if self._admitted:
            self._admitted = False
            self._gate.attend(self)
            self._gate.leave(self.peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether whole headers have come."""
        super().data_received(data)
        if self._messages or self._request_in_progress or self._upgraded:
            self._disarm()
        elif self._deadline is None and self.transport is not None:
            self._arm()

    def cut(self) -> None:
        """End the connection, whatever it was about to say."""
        self._gate.attend(self)
        if self.transport is not None:
            self._gate.cut += 1
            _abort(self.transport)

    def attend(self, request: web.BaseRequest) -> None:
        """Keep the connection while its request is served, once it is whole."""
        if request.content.is_eof():
            self._gate.attend(self)

    def wait(self) -> None:
        """Wait for the next request of a connection that still stands."""
        if self._admitted:
            self._gate.wait_for(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request, without repeating or logging a byte of it."""
        del exc, message
        self._gate.broken += 1
        if request.writer.output_size > 0:
            raise ConnectionError("Half an answer was sent already.")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            response = render(status, "request.malformed", "This is no HTTP request.")
        else:
            response = render(status, "internal", "The daemon failed.")
        response.headers["Server"] = SERVER
        response.force_close()
        return response

    def _arm(self) -> None:
        seconds = self._gate.limits.header_deadline_seconds
        self._deadline = self._loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        self.cut()


class _GuardedServer(web.Server):
    """Makes guarded connections; otherwise the server that aiohttp made."""

    def __init__(
        self, gate: Gatekeeper, made: web.Server, handler: Callable[..., GuardedHandler]
    ) -> None:
        super().__init__(
            _attending(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - see the module docstring
        )
        self._gate = gate
        self._handler = handler

    def __call__(self) -> GuardedHandler:
        return self._handler(self._gate, self, loop=self._loop, **self._kwargs)


def _attending(
    serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Let no connection give way while its whole request is served."""

    async def attending(request: web.BaseRequest) -> web.StreamResponse:
        line = request.protocol
        if not isinstance(line, GuardedHandler):
            return await serve(request)
        line.attend(request)
        try:
            return await serve(request)
        finally:
            line.wait()

    return attending


class GuardedRunner(web.AppRunner):
    """Runs an application behind a gatekeeper."""

    __slots__ = ("_handler", "gate")

    def __init__(
        self,
        app: web.Application,
        gate: Gatekeeper,
        handler: Callable[..., GuardedHandler] = GuardedHandler,
        **kwargs: Any,
    ) -> None:
        """Prepare the runner; connections idle longer than 15 s are closed.

        `handler` makes a connection of a gatekeeper, a server, and keywords.
        """
        super().__init__(
            app,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,
            **kwargs,
        )
        self.gate = gate
        self._handler = handler
        app.on_response_prepare.append(_name_no_version)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _GuardedServer(self.gate, made, self._handler)


def headers_of(given: Mapping[str, str]) -> dict[str, str]:
    """Give headers by lower-case name; what came in several lines is joined.

    A mapping of aiohttp's gives a name as often as it came.
    While a gateway changes its secret it may sign twice, each in a line of its own.
    """
    headers: dict[str, str] = {}
    for name, value in given.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


async def read_body(request: web.Request, gate: Gatekeeper, limit_bytes: int) -> bytes:
    """Read a whole body within the deadline, or cut the connection.

    Raises:
        HTTPBadRequest: the sender left before it was whole, or it is not coded as its
            headers say.
        HTTPRequestEntityTooLarge: the body is larger than the limit; what is above it
            was never kept.
        HTTPRequestTimeout: it did not arrive in time; the connection is gone.
    """
    if (request.content_length or 0) > limit_bytes:
        raise web.HTTPRequestEntityTooLarge(limit_bytes, request.content_length or 0)
    content = bytearray()
    try:
        async with asyncio.timeout(gate.limits.body_deadline_seconds):
            async for part in request.content.iter_any():
                content += part
                if len(content) > limit_bytes:
                    raise web.HTTPRequestEntityTooLarge(limit_bytes, len(content))
            if isinstance(request.protocol, GuardedHandler):
                request.protocol.attend(request)
            return bytes(content)
    except (ConnectionError, web.RequestPayloadError) as error:
        raise web.HTTPBadRequest from error
    except TimeoutError as error:
        gate.cut += 1
        if request.transport is not None:
            _abort(request.transport)
        raise web.HTTPRequestTimeout from error


async def _name_no_version(request: web.Request, response: web.StreamResponse) -> None:
    """Tell nobody which library of which version answers, and browsers nothing."""
    response.headers["Server"] = SERVER
    for name, value in SECURITY_HEADERS:
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    if request.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def _abort(transport: asyncio.BaseTransport) -> None:
    # Asked for by name: uvloop's transports have another base class.
    getattr(transport, "abort", transport.close)()
