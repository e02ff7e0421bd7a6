"""HTTP for one account: reads the request whole, lets the model decide, plays the fate.

Invariant: a request that was read is handed to the model at once and entirely, so what
the model executes never depends on whether the client still waits.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from refundwatch.sandbox.clock import SteadyClock
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.model import Fate, Reply, Request

MAX_BODY_BYTES = 1 << 20

_CUT = (Fate.ANSWERED, Fate.TRUNCATED)


class AccountServer:
    """Listen for one account, on one port or on a second one too."""

    def __init__(
        self, model: GatewayModel, clock: SteadyClock, changed: Callable[[], None]
    ) -> None:
        """Take the model; ``changed`` is called after each request."""
        self.model = model
        self._clock = clock
        self._changed = changed
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._address = ("", 0)
        self._outage: asyncio.Task[None] | None = None

    @property
    def base_url(self) -> str:
        """Return the URL that stands for the gateway's host."""
        host, port = self._address
        return f"http://{host}:{port}"

    async def start(self, host: str, port: int, second_port: int = 0) -> None:
        """Listen; port 0 lets the system pick one, second port 0 is none."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self._address = (host, port)
        await self._listen()
        if second_port:
            site = web.TCPSite(self._runner, host, second_port, reuse_address=True)
            await site.start()

    async def _listen(self) -> None:
        if self._runner is None:
            return
        host, port = self._address
        self._site = web.TCPSite(self._runner, host, port, reuse_address=True)
        await self._site.start()
        chosen = self._runner.addresses[-1][1]
        self._address = (host, chosen)

    async def stop(self) -> None:
        """Stop listening and end what is open."""
        if self._outage is not None:
            self._outage.cancel()
            await asyncio.gather(self._outage, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def go_down(self, seconds: float) -> None:
        """Refuse connections for a while, as a host that is down does.

        The second port is another host and goes on.
        """
        if self._outage is None or self._outage.done():
            self._outage = asyncio.create_task(self._down(seconds))

    async def _down(self, seconds: float) -> None:
        if self._site is not None:
            await self._site.stop()
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._listen()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = Request(
            method=request.method,
            path=request.path,
            query=tuple(request.query.items()),
            headers=tuple((k.lower(), v) for k, v in request.headers.items()),
            body=await request.read(),
        )
        reply = self.model.handle(received, self._clock.now())
        self._changed()
        if reply.latency_seconds:
            await asyncio.sleep(reply.latency_seconds)
        if reply.fate in _CUT:
            return await _answer(request, reply)
        _abort(request, reset=reply.fate in (Fate.RESET, Fate.REFUSED))
        # Nobody reads this: the connection is gone.
        return web.Response(status=499)


async def _answer(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status)
    for name, value in reply.headers:
        response.headers.add(name, value)
    response.content_length = len(reply.body)
    await response.prepare(request)
    if reply.fate is Fate.TRUNCATED:
        await response.write(reply.body[: len(reply.body) // 2])
        # The half must be on its way before the connection is torn down.
        await asyncio.sleep(0)
        _abort(request, reset=False)
        return response
    await response.write(reply.body)
    await response.write_eof()
    return response


def _abort(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    handle: socket.socket | None = transport.get_extra_info("socket")
    if reset and handle is not None:
        # Lingering for no time makes the kernel send a reset.
        with contextlib.suppress(OSError):
            handle.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
    transport.close() if not reset else transport.abort()
