"""A gateway over raw sockets that keeps the truth and lies about it on order.

It speaks as much of Stripe's API as a refund needs: an order is executed once for each
idempotency key, whatever is answered, and a new key would be executed again. So the
ledger can tell what was lost and what was paid twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Lie = Callable[["Asked"], Awaitable[None]]

CAPTURED_MINOR = 10_000
_RESET = struct.pack("ii", 1, 0)
ENDS = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, OSError)
"""How a connection may end while somebody still writes into it."""


@dataclass(frozen=True, slots=True)
class Executed:
    """Money that moved: one execution."""

    refund_id: str
    key: str
    payment: str
    reference: str
    amount_minor: int

    def shown(self) -> dict[str, object]:
        """Return it as the gateway shows it."""
        return {
            "id": self.refund_id,
            "object": "refund",
            "amount": self.amount_minor,
            "currency": "gbp",
            "payment_intent": self.payment,
            "metadata": {"rw_id": self.reference},
            "status": "succeeded",
        }


@dataclass(slots=True)
class Truth:
    """What was really executed."""

    executed: list[Executed] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    altered: int = 0

    def order(self, key: str, body: bytes) -> Executed:
        """Execute an order, once for each key."""
        if self.bodies.setdefault(key, body) != body:
            self.altered += 1
        known = next((it for it in self.executed if it.key == key), None)
        if known is not None:
            return known
        made = read_order(key, body, f"re_{len(self.executed)}")
        self.executed.append(made)
        return made

    def of(self, payment: str) -> list[Executed]:
        return [it for it in self.executed if it.payment == payment]

    def lost(self, payments: Iterable[str]) -> int:
        """Count payments of which a refund was asked and none was executed."""
        return sum(not self.of(payment) for payment in payments)

    def paid_twice(self, payments: Iterable[str], each: int = 1) -> int:
        """Count executions beyond those that were asked of each payment."""
        return sum(max(len(self.of(payment)) - each, 0) for payment in payments)


def read_order(key: str, body: bytes, refund_id: str) -> Executed:
    form = parse_qs(body.decode())
    return Executed(
        refund_id,
        key,
        form["payment_intent"][0],
        form["metadata[rw_id]"][0],
        int(form["amount"][0]),
    )


@dataclass(slots=True)
class Asked:
    """One request, the true answer to it, and the line it came over."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    truth: Truth
    honest: dict[str, object] = field(default_factory=dict)
    status: int = 200

    @property
    def payment(self) -> str | None:
        """Name the payment that an order or a look-up is about."""
        if self.method == "POST":
            return parse_qs(self.body.decode())["payment_intent"][0]
        url = urlsplit(self.target)
        if url.path == "/v1/refunds":
            return parse_qs(url.query)["payment_intent"][0]
        return None

    async def write(self, *parts: bytes, pause: float = 0.0) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            # To a line that is gone `drain` returns at once, and nobody would learn it.
            await asyncio.sleep(pause)

    async def answer(self, body: bytes, *more: bytes, status: int = 200) -> None:
        """Write a whole answer with these headers."""
        await self.write(head(len(body), *more, status=status) + body)

    async def tell_truth(self) -> None:
        await self.answer(json.dumps(self.honest).encode(), status=self.status)

    def reset(self) -> None:
        """End the line as a crash does."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


def head(length: int | None, *more: bytes, status: int = 200) -> bytes:
    """Return the head of an answer; without a length it ends with the line."""
    lines = [b"HTTP/1.1 %d It" % status, b"Content-Type: application/json", *more]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


@dataclass(slots=True)
class Gateway:
    """One port; `lies` tells by payment how orders and look-ups are answered.

    `executes` names the payments whose orders are executed although a lie is told.
    """

    port: int = 0
    lies: dict[str, Lie] = field(default_factory=dict)
    executes: set[str] = field(default_factory=set)
    truth: Truth = field(default_factory=Truth)
    told: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    instead: Lie | None = None
    _server: asyncio.Server | None = None
    _lines: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(
        self, tls: ssl.SSLContext | None = None, instead: bytes | None = None
    ) -> None:
        """Listen, the second time on the same port; `tls` None speaks plain text.

        With `instead` it says these bytes to whoever comes, and never more.
        """
        await self.close()

        async def greet(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            self.connections += 1
            with contextlib.suppress(*ENDS):
                writer.write(instead or b"")
                while await reader.read(65_536):
                    pass
            writer.close()

        line = self._line if instead is None else greet
        self._server = await asyncio.start_server(
            line, "127.0.0.1", self.port, ssl=tls, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and end those that stand."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _line(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            with contextlib.suppress(*ENDS):
                await self._answer(await _read(reader, writer, self.truth))
        finally:
            self._lines.discard(task)
            writer.close()

    async def _answer(self, asked: Asked) -> None:
        payment = asked.payment
        lie = self.instead or (self.lies.get(payment) if payment else None)
        if asked.method == "POST":
            key = asked.headers["idempotency-key"]
            executes = lie is None or payment in self.executes
            # The money moves before a word is written, and whatever becomes of it.
            it = (
                self.truth.order(key, asked.body)
                if executes
                else read_order(key, asked.body, "re_never")
            )
            asked.honest = it.shown()
        else:
            asked.status, asked.honest = self._read(asked, payment)
        if lie is None:
            await asked.tell_truth()
            return
        self.told[payment or ""] += 1
        await lie(asked)

    def _read(self, asked: Asked, payment: str | None) -> tuple[int, dict[str, object]]:
        path = urlsplit(asked.target).path
        if path == "/v1/balance":
            return 200, {"object": "balance", "livemode": False, "available": []}
        if path == "/v1/refunds":
            found = [it.shown() for it in self.truth.of(payment or "")]
            return 200, {"object": "list", "has_more": False, "data": found}
        if path.startswith("/v1/refunds/"):
            ids = {it.refund_id: it for it in self.truth.executed}
            it = ids.get(path.rpartition("/")[2])
            return (200, it.shown()) if it else (404, {"error": {"type": "x"}})
        return 200, self._intent(path.rpartition("/")[2])

    def _intent(self, payment: str) -> dict[str, object]:
        refunded = sum(it.amount_minor for it in self.truth.of(payment))
        charge = {
            "id": f"ch_{payment}",
            "object": "charge",
            "captured": True,
            "amount": CAPTURED_MINOR,
            "amount_captured": CAPTURED_MINOR,
            "amount_refunded": refunded,
            "currency": "gbp",
            "disputed": False,
            "livemode": False,
        }
        return {
            "id": payment,
            "object": "payment_intent",
            "amount": CAPTURED_MINOR,
            "amount_received": CAPTURED_MINOR,
            "currency": "gbp",
            "status": "succeeded",
            "latest_charge": charge,
            "livemode": False,
        }


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, truth: Truth
) -> Asked:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body, writer, truth)
