"""The short way of a webhook: whole, plain, small requests skip aiohttp's machinery.

Invariant: only a request that could not be answered otherwise takes the short way, and
a connection's answers keep the order of its requests. Whatever is unusual about a
request (its method, its path, its framing, its size, one more behind it) goes through
aiohttp as it always did.

A task, a request, a response and a stream writer for each event cost more than to
verify and store it. Like the guard this leans on the insides of one minor version of
aiohttp, which is pinned; `tests/daemon/test_express.py` fails when they change.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.streams import EMPTY_PAYLOAD

from daemon.guard import SERVER, Gatekeeper, GuardedHandler, headers_of
from refundwatch.gateways.contract import RawDelivery

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp import StreamReader, web

    from refundwatch.flow.confirm import Reception

    Desk = Callable[[str, RawDelivery, Callable[[Reception], None]], bool]
    """Takes a delivery for an account in, answers later; False where it cannot."""

_PATH: Final = re.compile(r"/webhooks/([A-Za-z0-9_-]+)")


class ExpressHandler(GuardedHandler):
    """A guarded connection whose plain requests are answered on the short way."""

    __slots__ = ("_desk", "_limit_bytes", "_sleeper")

    def __init__(
        self,
        desk: Desk,
        limit_bytes: int,
        gate: Gatekeeper,
        server: web.Server,
        **kwargs: Any,
    ) -> None:
        """Prepare a connection whose plain deliveries go to `desk`."""
        super().__init__(gate, server, **kwargs)
        self._desk = desk
        self._limit_bytes = limit_bytes
        self._sleeper: asyncio.Future[None] | None = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let aiohttp's loop end, whether an answer is under way or not."""
        super().connection_lost(exc)
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Parse, and take the short way with what is whole, plain and alone."""
        if self._sleeper is not None or self._waiter is None or self._waiter.done():
            # A request is under way: what comes now waits its turn.
            super().data_received(data)
            return
        # aiohttp's loop for this connection sleeps until its waiter has a result; it
        # sleeps on while the waiter is not to be found.
        self._sleeper, self._waiter = self._waiter, None
        super().data_received(data)
        if not self._take_short_way():
            self._wake()

    def _take_short_way(self) -> bool:
        delivery = self._plain_delivery()
        if delivery is None or self._paused:
            return False
        message = self._messages.popleft()
        self._request_in_progress = True
        self._gate.attend(self)
        # It may answer at once, and then this connection waits for its next request.
        if self._desk(*delivery, self._answer):
            if self._parser is not None:
                self._parser.message_consumed()
            return True
        self._request_in_progress = False
        self.wait()
        self._messages.appendleft(message)
        return False

    def _plain_delivery(self) -> tuple[str, RawDelivery] | None:
        """Give account and delivery of the one request that has come, if it is plain.

        Its body is looked at, not read: aiohttp may still have to.
        """
        if len(self._messages) != 1 or self._upgraded or self._close:
            return None
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or not _is_plain(message):
            return None
        account = _PATH.fullmatch(message.path)
        if account is None or not payload.is_eof() or payload.exception() is not None:
            return None
        body = _whole(payload)
        if len(body) > self._limit_bytes:
            return None
        return account[1], RawDelivery(headers_of(message.headers), body)

    def _answer(self, reception: Reception) -> None:
        if self.transport is not None:
            self.transport.write(_response(reception))
        self._request_in_progress = False
        self.wait()
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        self._stay_alive()
        self._wake()

    def _stay_alive(self) -> None:
        """Let the connection be idle for as long as after any other answer."""
        until = self._loop.time() + self._keepalive_timeout
        self._next_keepalive_close_time = until
        if self._keepalive_handle is None and self.transport is not None:
            self._keepalive_handle = self._loop.call_at(until, self._process_keepalive)

    def _wake(self) -> None:
        """Let aiohttp's loop find its waiter again, with whatever has come since."""
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is None or sleeper.done():
            return
        if self._close or self._force_close:
            sleeper.cancel()
            return
        self._waiter = sleeper
        if self._messages:
            sleeper.set_result(None)


def _is_plain(message: RawRequestMessage) -> bool:
    unusual = message.should_close or message.upgrade or message.chunked
    return (
        message.method == "POST"
        and message.version == HttpVersion11
        and not unusual
        and message.compression is None
        and "Expect" not in message.headers
    )


def _whole(payload: StreamReader) -> bytes:
    if payload is EMPTY_PAYLOAD:
        return b""
    parts = payload._buffer  # noqa: SLF001 - see the module docstring
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _response(reception: Reception) -> bytes:
    status = HTTPStatus(reception.status)
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/octet-stream\r\n"
        f"Content-Length: {len(reception.body)}\r\n"
        f"Date: {rfc822_formatted_time()}\r\n"
        f"Server: {SERVER}\r\n\r\n"
    ).encode("ascii") + reception.body
