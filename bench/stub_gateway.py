"""A gateway that answers every order after a fixed time, and counts what it did.

Invariant: one idempotency key is one refund, however often it is sent. It speaks as
little HTTP as the senders need and costs as little as it can: it is never measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from typing import Final
from urllib.parse import parse_qs

END: Final = b"\r\n\r\n"


class Books:
    """What was executed: keys in the order of their first arrival."""

    def __init__(self, seconds: float) -> None:
        """Answer after so many seconds."""
        self.seconds = seconds
        self.keys: dict[bytes, int] = {}
        self.requests = 0


class Exchange(asyncio.Protocol):
    """One connection."""

    def __init__(self, books: Books) -> None:
        """Begin with nothing read."""
        self._books = books
        self._read = b""
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        if isinstance(transport, asyncio.Transport):
            self._wire = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request after the gateway's time."""
        self._read += data
        while (at := self._read.find(END)) >= 0:
            head = self._read[:at]
            whole = at + len(END) + _length(head)
            if len(self._read) < whole:
                return
            body, self._read = self._read[at + len(END) : whole], self._read[whole:]
            self._take(head, body)

    def _take(self, head: bytes, body: bytes) -> None:
        books = self._books
        if head.startswith(b"GET /count"):
            told = {"refunds": len(books.keys), "requests": books.requests}
            self._answer(json.dumps(told).encode())
            return
        books.requests += 1
        answer = (
            _payment(head) if head.startswith(b"GET ") else _refund(books, head, body)
        )
        asyncio.get_running_loop().call_later(books.seconds, self._answer, answer)

    def _answer(self, body: bytes) -> None:
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )


def _length(head: bytes) -> int:
    return int(_header(head, b"content-length") or b"0")


def _header(head: bytes, name: bytes) -> bytes:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()


def _refund(books: Books, head: bytes, body: bytes) -> bytes:
    key = _header(head, b"idempotency-key")
    number = books.keys.setdefault(key, len(books.keys))
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    refund = {
        "id": f"re_{number:08}",
        "object": "refund",
        "amount": int(form.get("amount", "0")),
        "currency": "eur",
        "payment_intent": form.get("payment_intent"),
        "status": "succeeded",
        "metadata": {
            name.removeprefix("metadata[").removesuffix("]"): value
            for name, value in form.items()
            if name.startswith("metadata[")
        },
    }
    return json.dumps(refund).encode()


def _payment(head: bytes) -> bytes:
    reference = head.split(b" ", 2)[1].split(b"?")[0].rsplit(b"/", 1)[1].decode()
    charge = {
        "id": f"ch_{reference}",
        "object": "charge",
        "amount_captured": 5000,
        "amount_refunded": 0,
        "currency": "eur",
        "status": "succeeded",
        "captured": True,
        "disputed": False,
    }
    return json.dumps(
        {"id": reference, "object": "payment_intent", "latest_charge": charge}
    ).encode()


async def _serve(seconds: float) -> None:
    books = Books(seconds)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Exchange(books), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Print the port and serve until ended."""
    parser = argparse.ArgumentParser(prog="stub_gateway")
    parser.add_argument("--seconds", type=float, default=0.02)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    asyncio.run(_serve(chosen.seconds))


if __name__ == "__main__":
    main()
