"""A hub with a million refunds that nobody stored, and changes that never end.

It answers what the dashboard asks in the API's own models: any page of a list that is
computed when it is asked for, and a feed with so many changes a second.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import ClientConnectionResetError, web

from bench.looping import loop_factory
from refundwatch.api import models as m

if TYPE_CHECKING:
    from refundwatch.api.models import StateName

REFUNDS: Final = 1_000_000
SEEN: Final = 40
"""Changes fall on the newest refunds: those that a list shows."""

_STATES: Final[tuple[tuple[StateName, str], ...]] = (
    ("queued", "not sent"),
    ("sending", "sending"),
    ("pending", "accepted"),
    ("succeeded", "paid out"),
    ("declined", "declined by gateway"),
)
_COUNTS: Final[dict[StateName, int]] = {
    "awaiting_approval": 40,
    "queued": 900,
    "pending": 12_000,
    "succeeded": 980_000,
    "declined": 7060,
}
_BEGUN: Final = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def refund(number: int, turn: int) -> m.RefundView:
    """Make the refund of a line of the list, counted from the newest, as of a turn."""
    state, word = _STATES[(number + turn) % len(_STATES)]
    at = _BEGUN - timedelta(seconds=number)
    return m.RefundView(
        id=f"rf_{REFUNDS - number:08d}",
        request_id=f"return-{REFUNDS - number}",
        account="stripe-uk",
        gateway="stripe",
        connection="stripe-uk/main",
        payment_id=f"py_{number:08d}",
        payment_reference=f"pi_{number:08d}",
        amount=m.AmountView(minor=1000 + number % 9000, currency="GBP", exponent=2),
        state=state,
        state_word=word,
        revision=1,
        request_sha256=f"{number:064x}",
        reason_code="returned",
        merchant_reference=f"RW{number}",
        gateway_reference=None,
        required_approvals=0,
        approvals=0,
        approvals_expire_at=None,
        hold_reason=None,
        review_reason=None,
        refused_code=None,
        requires_action=False,
        last_status=None,
        frozen=None,
        attempts=1,
        lookups=0,
        generation=0,
        created_at=at,
        created_by="machine:returns",
        updated_at=at,
        first_sent_at=at,
        last_sent_at=at,
        accepted_at=None,
        succeeded_at=None,
        final_at=None,
        due_at=None,
        seq=turn + 1,
    )


class Hub:
    """Answers, and tells of changes."""

    def __init__(self, changes: int) -> None:
        """Tell of so many changes a second."""
        self._changes = changes
        self._turn = 0

    def app(self) -> web.Application:
        """Give its routes."""
        app = web.Application()
        app.router.add_get("/v1/status", self._status)
        app.router.add_get("/v1/me", self._me)
        app.router.add_get("/v1/refunds", self._list)
        app.router.add_get("/v1/metrics", self._metrics)
        app.router.add_get("/v1/events", self._events)
        return app

    async def _status(self, _request: web.Request) -> web.Response:
        return _answer(self._state())

    async def _me(self, _request: web.Request) -> web.Response:
        return _answer(_me())

    async def _metrics(self, _request: web.Request) -> web.Response:
        return _answer(_metrics())

    async def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("offset", 0))
        end = min(start + int(request.query.get("limit", 50)), REFUNDS)
        items = [refund(number, self._turn) for number in range(start, end)]
        return _answer(m.RefundPage(items=items, next_cursor=None, total=REFUNDS))

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        # A dashboard that leaves takes its line along.
        with suppress(ClientConnectionResetError):
            await self._tell(line)
        return line

    async def _tell(self, line: web.WebSocketResponse) -> None:
        health = _health()
        await line.send_str(
            m.SnapshotFrame(
                seq=self._turn,
                now=_now(),
                status=self._state(),
                me=_me(),
                counts=health.counts,
                connections=health.connections,
                alarms=[],
                metrics=health.metrics,
            ).model_dump_json()
        )
        while not line.closed:
            await asyncio.sleep(1 / self._changes)
            self._turn += 1
            await line.send_str(self._change().model_dump_json())
            if self._turn % self._changes == 0:
                await line.send_str(_health().model_dump_json())

    def _change(self) -> m.ChangeFrame:
        return m.ChangeFrame(
            seq=self._turn,
            at=_now(),
            kind="refund:gateway:succeeded",
            actor="system",
            refund=refund(self._turn % SEEN, self._turn),
            counts=_COUNTS,
        )

    def _state(self) -> m.StatusView:
        return m.StatusView(
            instance="bench.refundwatch.example",
            mode="sandbox",
            version="0",
            policy_version="ab" * 32,
            started_at=_BEGUN,
            now=_now(),
            draining=False,
            last_seq=self._turn,
        )


def _me() -> m.MeView:
    return m.MeView(principal="person:ann", roles=["viewer"], permissions=[])


def _metrics() -> m.MetricsView:
    spread = m.PercentilesView(count=20_000, p50=0.4, p95=1.7, p99=4.0)
    names = ("*", "stripe-uk/main", "stripe-eu/main", "adyen-eu/main")
    return m.MetricsView(
        at=_now(),
        window_seconds=86_400,
        items=[
            m.NumbersView(
                connection=name,
                currency=None,
                processing={"sent": spread, "accepted": spread, "paid_out": spread},
                requested=20_100,
                succeeded=20_000,
                declined=60,
                bounced=3,
                declined_by={"insufficient_funds": 60},
                success_rate=0.997,
                uptime=0.9999,
                observed_seconds=86_000,
                down_seconds=8,
            )
            for name in names
        ],
    )


def _health() -> m.HealthFrame:
    now, metrics = _now(), _metrics()
    connections = [
        m.ConnectionView(
            id=numbers.connection,
            account=numbers.connection.partition("/")[0],
            gateway="stripe",
            endpoint="https://gateway.example",
            health="up",
            paused=None,
            consecutive_failures=0,
            last_ok_at=now,
            last_failure_at=None,
            last_failure=None,
            down_since=None,
            queued=300,
            sending=20,
            unknown=0,
        )
        for numbers in metrics.items[1:]
    ]
    return m.HealthFrame(
        now=now, counts=_COUNTS, connections=connections, alarms=[], metrics=metrics
    )


def _answer(view: m.View) -> web.Response:
    return web.Response(text=view.model_dump_json(), content_type="application/json")


def _now() -> datetime:
    return datetime.now(UTC)


async def _serve(socket: Path, changes: int) -> None:
    runner = web.AppRunner(Hub(changes).app(), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve on a socket until ended."""
    parser = argparse.ArgumentParser(prog="million")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--changes", type=int, default=50)
    chosen = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as serving:
        serving.run(_serve(chosen.socket, chosen.changes))


if __name__ == "__main__":
    main()
