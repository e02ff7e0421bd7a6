"""The load generator: signed Stripe events over keep-alive connections.

Runs as a process of its own: an `Order` comes as JSON on standard input, a `Taken`
goes as JSON to standard output. Every request is built before the first is sent, no
event is sent twice, and only answers of status 200 count.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from bench.looping import loop_factory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BODY_BYTES: Final = 2048
_ID: Final = "evt_%024d"
_OK: Final = b"HTTP/1.1 200 "
_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: events about `subjects` in turn, numbered from `first`.

    With a `rate` the timetable is fixed (events a second); without one each
    connection sends again as soon as it was answered. What is answered within
    `warm_up_seconds` does not count.
    """

    port: int
    path: str
    secret: str
    subjects: list[dict[str, Any]]
    first: int
    most: int
    connections: int = 64
    seconds: float = 2.0
    warm_up_seconds: float = 0.5
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an order; latencies (ms) run from the planned moment.

    `sent` counts every request of the run, `ok` the answers of status 200 to them,
    `per_second` those of the counted time alone.
    """

    sent: int
    ok: int
    other: int
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    trouble: str = ""


def build(order: Order) -> list[bytes]:
    """Write and sign every request, head and body in one piece."""
    halves = [_halves(subject) for subject in order.subjects]
    now = str(int(time.time()))
    key, stamp = order.secret.encode(), f"{now}.".encode()
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        "Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {BODY_BYTES}\r\nStripe-Signature: t={now},v1="
    ).encode()
    requests = []
    for number in range(order.first, order.first + order.most):
        before, after = halves[number % len(halves)]
        body = before + (_ID % number).encode() + after
        digest = hmac.digest(key, stamp + body, "sha256").hex().encode()
        requests.append(b"%b%b\r\n\r\n%b" % (head, digest, body))
    return requests


def _halves(subject: dict[str, Any]) -> tuple[bytes, bytes]:
    """Write an event as Stripe does, indented, and cut it where its id stands."""
    metadata = dict(subject["metadata"], order_note="")
    event = {
        "id": _ID % 0,
        "object": "event",
        "account": "acct_1NirD82eZvKYlo2C",
        "api_version": "2026-09-30.endive",
        "created": int(time.time()),
        "data": {
            "object": dict(subject, metadata=metadata),
            "previous_attributes": {
                "destination_details": {"card": {"type": "pending"}}
            },
        },
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_0000000000000a", "idempotency_key": "bench"},
        "type": "refund.updated",
    }
    short = BODY_BYTES - len(json.dumps(event, indent=2))
    metadata["order_note"] = "x" * short
    event["data"]["object"]["metadata"] = metadata  # type: ignore[index]
    before, after = json.dumps(event, indent=2).split(_ID % 0)
    return before.encode(), after.encode()


class _Run:
    """Everything the connections of one run share."""

    def __init__(self, order: Order, requests: Sequence[bytes]) -> None:
        self.requests: Iterator[bytes] = iter(requests)
        self.order = order
        self.clock = time.perf_counter
        self.begun = self.clock()
        self.sent = self.ok = self.other = self.counted = 0
        self.latencies: list[float] = []
        self.trouble = ""

    @property
    def counts_from(self) -> float:
        return self.begun + self.order.warm_up_seconds

    @property
    def ends_at(self) -> float:
        return self.counts_from + self.order.seconds

    def answered(self, planned: float, head: bytes) -> None:
        now = self.clock()
        if not head.startswith(_OK):
            self.other += 1
            self.trouble = head[:40].decode("ascii", "replace")
            return
        self.ok += 1
        if self.counts_from <= (planned if self.order.rate else now) < self.ends_at:
            self.counted += 1
            self.latencies.append(now - planned)

    def taken(self) -> Taken:
        sorted_ms = sorted(1000 * latency for latency in self.latencies) or [0.0]
        at = [int(len(sorted_ms) * part) for part in (0.5, 0.99)]
        return Taken(
            sent=self.sent,
            ok=self.ok,
            other=self.other,
            per_second=self.counted / self.order.seconds,
            p50_ms=sorted_ms[at[0]],
            p99_ms=sorted_ms[at[1]],
            worst_ms=sorted_ms[-1],
            trouble=self.trouble,
        )


class _Connection(asyncio.Protocol):
    """Sends one request at a time; who is busy gives the next to a free one."""

    def __init__(self, run: _Run, idle: list[_Connection]) -> None:
        self._run = run
        self._idle = idle
        self._answer = b""
        self._planned = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the base class.
        self.transport = cast("asyncio.Transport", transport)

    def send(self, planned: float) -> None:
        request = next(self._run.requests, None)
        if request is not None and self.transport is not None:
            self._planned = planned
            self._run.sent += 1
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or not _is_whole(head.lower(), body):
            return
        self._answer = b""
        self._run.answered(self._planned, head)
        self.next()

    def next(self) -> None:
        if self._run.order.rate is not None:
            self._idle.append(self)
        elif (now := self._run.clock()) < self._run.ends_at:
            self.send(now)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None


def _is_whole(head: bytes, body: bytes) -> bool:
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, found, rest = head.partition(b"content-length:")
    return not found or len(body) >= int(rest.split(b"\r\n", 1)[0])


async def send(order: Order, requests: Sequence[bytes]) -> Taken:
    """Send the requests; return when every answer came or the grace is over."""
    loop = asyncio.get_running_loop()
    run, idle = _Run(order, requests), list[_Connection]()
    for _ in range(order.connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(run, idle), "127.0.0.1", order.port
        )
        idle.append(connection)
    run.begun = run.clock()
    if order.rate is None:
        opened, idle = idle, []
        for connection in opened:
            connection.next()
    else:
        await _by_timetable(run, idle, order.rate)
    await _last_answers(run)
    return run.taken()


async def _last_answers(run: _Run) -> None:
    until = run.ends_at + _GRACE_SECONDS
    while run.ok + run.other < run.sent and run.clock() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _by_timetable(run: _Run, idle: list[_Connection], rate: float) -> None:
    """Send each request at its moment, or as soon after as a connection is free."""
    planned, step = run.begun, 1 / rate
    while planned < run.ends_at:
        while planned <= run.clock() and idle:
            idle.pop().send(planned)
            planned += step
        # A timer would be late by up to a millisecond; this core is ours alone.
        await asyncio.sleep(0)


if __name__ == "__main__":
    given = Order(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        result = runner.run(send(given, build(given)))
    json.dump(asdict(result), sys.stdout)
