"""A listener that strangers cannot hold: deadlines and caps on every connection.

Invariant: a connection that has not brought whole request headers within the deadline
is cut, whether it is new, dripping, or idle with half a second request; and no more
connections stand than the caps allow, in all and from one address.

aiohttp as shipped keeps such connections open without limit (measured on 3.14), so its
request handler is extended here. That leans on the insides of one minor version, which
is pinned; `tests/daemon/test_guard.py` fails when they change.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from daemon.problems import render

SERVER: Final = "refundwatch"
KEEPALIVE_SECONDS: Final = 15.0
LINGER_SECONDS: Final = 1.0


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

    def admit(self, peer: str) -> bool:
        """Count a connection in, unless a cap is reached."""
        full = self._total >= self.limits.connections
        if full or self._by_peer[peer] >= self.limits.connections_per_peer:
            self.refused += 1
            return False
        self._total += 1
        self._by_peer[peer] += 1
        self.peak = max(self.peak, self._total)
        return True

    def leave(self, peer: str) -> None:
        """Count a connection out."""
        self._total -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]


class GuardedHandler(web.RequestHandler):
    """One connection under a deadline until its request headers are whole."""

    __slots__ = ("_admitted", "_deadline", "_gate", "_peer")

    def __init__(self, gate: Gatekeeper, server: web.Server, **kwargs: Any) -> None:
        """Prepare a connection for the listener that `gate` guards."""
        super().__init__(server, **kwargs)
        self._gate = gate
        self._peer = ""
        self._admitted = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or cut it at once; the clock starts here."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self._peer = address[0] if isinstance(address, tuple) else "local"
        self._admitted = self._gate.admit(self._peer)
        if not self._admitted:
            _abort(transport)
            return
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection out."""
        self._disarm()
        if self._admitted:
            self._admitted = False
            self._gate.leave(self._peer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether whole headers have come."""
        super().data_received(data)
        if self._messages or self._request_in_progress or self._upgraded:
            self._disarm()
        elif self._deadline is None and self.transport is not None:
            self._arm()

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
        if self.transport is not None:
            self._gate.cut += 1
            _abort(self.transport)


class _GuardedServer(web.Server):
    """Makes guarded connections; otherwise the server that aiohttp made."""

    def __init__(self, gate: Gatekeeper, made: web.Server) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - see the module docstring
        )
        self._gate = gate

    def __call__(self) -> GuardedHandler:
        return GuardedHandler(self._gate, self, loop=self._loop, **self._kwargs)


class GuardedRunner(web.AppRunner):
    """Runs an application behind a gatekeeper."""

    __slots__ = ("gate",)

    def __init__(self, app: web.Application, gate: Gatekeeper, **kwargs: Any) -> None:
        """Prepare the runner; connections idle longer than 15 s are closed."""
        super().__init__(
            app,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,
            **kwargs,
        )
        self.gate = gate
        app.on_response_prepare.append(_name_no_version)

    async def _make_server(self) -> web.Server:
        return _GuardedServer(self.gate, await super()._make_server())


async def read_body(request: web.Request, gate: Gatekeeper, limit_bytes: int) -> bytes:
    """Read a whole body within the deadline, or cut the connection.

    Raises:
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
            return bytes(content)
    except TimeoutError as error:
        gate.cut += 1
        if request.transport is not None:
            _abort(request.transport)
        raise web.HTTPRequestTimeout from error


async def _name_no_version(request: web.Request, response: web.StreamResponse) -> None:
    """Tell nobody which library of which version answers."""
    del request
    response.headers["Server"] = SERVER


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()
    else:
        transport.close()
