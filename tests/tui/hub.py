"""A small daemon for the dashboard's tests: the API's models over loopback."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from aiohttp import WSCloseCode, web

from refundwatch.api import models as m
from refundwatch.api.models_operators import HeadView
from refundwatch.domain.decision import request_sha256

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORDS = {
    "awaiting_approval": "needs approval",
    "queued": "not sent",
    "unknown": "sent, no answer",
    "pending": "accepted",
    "succeeded": "paid out",
    "declined": "declined by gateway",
    "review": "needs review",
    "refused": "refused",
    "held": "held",
}
PERMISSIONS = [
    "alarm:acknowledge",
    "refund:approve",
    "refund:refuse",
    "refund:edit",
    "refund:hold",
    "refund:read",
]


def amount(minor: int, currency: str = "GBP", exponent: int = 2) -> m.AmountView:
    return m.AmountView(minor=minor, currency=currency, exponent=exponent)


def refund(
    number: int, state: str = "awaiting_approval", **changes: Any
) -> m.RefundView:
    values: dict[str, Any] = {
        "id": f"rf_{number:08d}",
        "request_id": f"return-{number}",
        "account": "stripe-uk",
        "gateway": "stripe",
        "connection": "stripe-uk/primary",
        "payment_id": f"py_{number:08d}",
        "payment_reference": f"pi_{number:08d}",
        "amount": amount(1000 + number),
        "state": state,
        "state_word": WORDS.get(state, state),
        "revision": 1,
        "request_sha256": f"{number:064x}",
        "reason_code": "returned",
        "merchant_reference": f"RW{number}",
        "gateway_reference": None,
        "required_approvals": 1,
        "approvals": 0,
        "approvals_expire_at": None,
        "hold_reason": None,
        "review_reason": None,
        "refused_code": None,
        "requires_action": False,
        "last_status": None,
        "frozen": None,
        "attempts": 0,
        "lookups": 0,
        "generation": 0,
        "created_at": START - timedelta(minutes=1) + timedelta(milliseconds=number),
        "created_by": "machine:returns",
        "updated_at": START,
        "first_sent_at": None,
        "last_sent_at": None,
        "accepted_at": None,
        "succeeded_at": None,
        "final_at": None,
        "due_at": None,
        "seq": number,
    }
    return m.RefundView.model_validate({**values, **changes})


def honest(it: m.RefundView) -> m.RefundView:
    """A refund whose digest is that of what it shows."""
    digest = request_sha256(
        refund_id=it.id,
        revision=it.revision,
        account=it.account,
        payment_id=it.payment_id,
        amount_minor=it.amount.minor,
        currency=it.amount.currency,
        exponent=it.amount.exponent,
        reason_code=it.reason_code,
    )
    return it.model_copy(update={"request_sha256": digest})


def payment(it: m.RefundView) -> m.PaymentView:
    captured = it.amount.model_copy(update={"minor": 50_000})
    nothing = it.amount.model_copy(update={"minor": 0})
    return m.PaymentView(
        id=it.payment_id,
        account=it.account,
        gateway=it.gateway,
        gateway_reference=it.payment_reference,
        captured=captured,
        refunded=nothing,
        reserved=it.amount,
        external=nothing,
        refundable=captured.model_copy(update={"minor": 50_000 - it.amount.minor}),
        frozen=it.frozen,
        frozen_at=None if it.frozen is None else START,
        knowledge="read",
        captured_at=START - timedelta(days=3),
        created_at=START - timedelta(days=3),
        order_reference="order-1",
        invoices=[],
    )


def connection(name: str = "stripe-uk/primary", **changes: Any) -> m.ConnectionView:
    account, _, _ = name.partition("/")
    values: dict[str, Any] = {
        "id": name,
        "account": account,
        "gateway": account.partition("-")[0],
        "endpoint": "https://gateway.example",
        "health": "up",
        "paused": None,
        "consecutive_failures": 0,
        "last_ok_at": START,
        "last_failure_at": None,
        "last_failure": None,
        "down_since": None,
        "queued": 3,
        "sending": 1,
        "unknown": 0,
    }
    return m.ConnectionView.model_validate({**values, **changes})


def numbers(name: str = "*", succeeded: int = 1234) -> m.NumbersView:
    def spread(p50: float) -> m.PercentilesView:
        return m.PercentilesView(count=succeeded, p50=p50, p95=p50 * 4, p99=p50 * 9)

    return m.NumbersView(
        connection=name,
        currency=None,
        processing={
            "sent": spread(0.42),
            "accepted": spread(1.3),
            "paid_out": spread(4.2),
            "approval": spread(200.0),
        },
        requested=1300,
        succeeded=succeeded,
        declined=16,
        bounced=3,
        declined_by={"insufficient_funds": 9, "expired_card": 7},
        success_rate=succeeded / (succeeded + 16),
        uptime=0.99987,
        observed_seconds=86_000,
        down_seconds=11,
    )


def alarm(number: int = 1, **changes: Any) -> m.AlarmView:
    values: dict[str, Any] = {
        "id": number,
        "kind": "webhook_silence",
        "severity": "warning",
        "subject": "adyen-eu",
        "opened_at": START - timedelta(minutes=7),
        "detail": {},
        "acknowledged_at": None,
        "acknowledged_by": None,
        "closed_at": None,
    }
    return m.AlarmView.model_validate({**values, **changes})


@dataclass
class Hub:
    """Holds refunds newest first and answers the API about them."""

    refunds: list[m.RefundView] = field(default_factory=list)
    mode: str = "sandbox"
    recovery: str | None = None
    connections: list[m.ConnectionView] = field(
        default_factory=lambda: [
            connection(),
            connection(
                "adyen-eu/primary",
                health="down",
                down_since=START - timedelta(minutes=2),
                last_failure="connect timeout",
                last_failure_at=START - timedelta(seconds=20),
                unknown=2,
            ),
            connection("paypal-eu/primary", paused="month-end freeze"),
        ]
    )
    alarms: list[m.AlarmView] = field(default_factory=lambda: [alarm()])
    permissions: list[str] = field(default_factory=lambda: list(PERMISSIONS))
    # Who decides: a machine signs nothing; how persons sign is in test_signing.
    decider: str = "machine:desk"
    signs: bool = True
    head: HeadView = field(default_factory=lambda: HeadView(size=5, root="5a" * 32))
    actions: list[m.ActionView] | None = None
    refusal: m.Problem | None = None
    health_seconds: float = 1.0
    seq: int = 1000
    bodies: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    since: list[str | None] = field(default_factory=list)
    entries: list[m.EntryView] = field(default_factory=list)
    decisions: list[m.DecisionView] = field(default_factory=list)
    attempts: list[m.AttemptView] = field(default_factory=list)
    deliveries: list[m.DeliveryView] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None
    _sockets: set[web.WebSocketResponse] = field(default_factory=set)

    # --- life ----------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def open(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v1/status", self._status),
                web.get("/v1/me", self._me),
                web.get("/v1/audit/head", self._head),
                web.get("/v1/refunds", self._list),
                web.get("/v1/refunds/{refund}", self._show),
                web.post("/v1/refunds/{refund}/{action}", self._decide),
                web.get("/v1/payments/{payment}", self._payment),
                web.post("/v1/payments/{payment}/unfreeze", self._unfreeze),
                web.post(
                    "/v1/connections/{account}/{connection}/circuit", self._circuit
                ),
                web.get("/v1/metrics", self._metrics),
                web.post("/v1/alarms/{alarm}/acknowledge", self._acknowledge),
                web.get("/v1/events", self._events),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def close(self) -> None:
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- what happens ----------------------------------------------------------

    async def change(
        self, it: m.RefundView, kind: str = "refund:changed"
    ) -> m.RefundView:
        self.seq += 1
        it = it.model_copy(update={"seq": self.seq})
        at = [known.id for known in self.refunds]
        if it.id in at:
            self.refunds[at.index(it.id)] = it
        else:
            self.refunds.insert(0, it)
            kind = "refund:created"
        frame = m.ChangeFrame(
            seq=self.seq, at=START, kind=kind, actor="system", refund=it
        )
        await self.send(frame)
        return it

    async def send(self, frame: m.View) -> None:
        for socket in list(self._sockets):
            await socket.send_str(frame.model_dump_json())

    def counts(self) -> dict[Any, int]:
        found: dict[Any, int] = {}
        for it in self.refunds:
            found[it.state] = found.get(it.state, 0) + 1
        return found

    def metrics(self, seconds: int = 86_400) -> m.MetricsView:
        rows = [numbers(), *(numbers(it.id, 400) for it in self.connections)]
        return m.MetricsView(at=START, window_seconds=seconds, items=rows)

    def status(self) -> m.StatusView:
        return m.StatusView.model_validate(
            {
                "instance": "demo-hub",
                "mode": self.mode,
                "version": "0.1.0",
                "policy_version": "ab" * 32,
                "started_at": START,
                "now": START,
                "draining": False,
                "last_seq": self.seq,
                "recovery": self.recovery,
            }
        )

    def me(self) -> m.MeView:
        return m.MeView(
            principal="person:ann", roles=["approver"], permissions=self.permissions
        )

    def health(self) -> m.HealthFrame:
        return m.HealthFrame(
            now=START,
            counts=self.counts(),
            connections=self.connections,
            alarms=self.alarms,
            metrics=self.metrics(),
        )

    def detail(self, it: m.RefundView) -> m.RefundDetailView:
        waits = it.state == "awaiting_approval"
        why = None if waits else f"The refund is {it.state_word}."
        actions = self.actions or [
            m.ActionView(action="approve", allowed=waits, reason=why),
            m.ActionView(action="refuse", allowed=waits, reason=why),
            m.ActionView(action="edit", allowed=waits, reason=why),
            m.ActionView(action="cancel", allowed=False, reason="Not your role."),
            m.ActionView(action="hold", allowed=waits, reason=why),
            m.ActionView(
                action="release", allowed=it.state == "held", reason="It is not held."
            ),
            m.ActionView(
                action="resolve",
                allowed=it.state == "review",
                reason="It is not in review.",
            ),
            m.ActionView(
                action="lookup",
                allowed=it.state == "unknown",
                reason="It was answered.",
            ),
        ]
        return m.RefundDetailView(
            refund=it,
            payment=payment(it),
            idempotency_key=f"rw1-{it.id}",
            reason_text="The parcel came back.",
            invoice="INV-7",
            decisions=self.decisions,
            attempts=self.attempts,
            deliveries=self.deliveries,
            timeline=self.entries
            or [
                m.EntryView(
                    seq=it.seq,
                    at=it.created_at,
                    kind="refund:created",
                    actor=it.created_by,
                    refund_id=it.id,
                    data={"amount_minor": it.amount.minor},
                )
            ],
            actions=actions,
        )

    # --- routes ----------------------------------------------------------------------

    async def _status(self, request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        return answer(self.status().model_copy(update={"now": now}))

    async def _me(self, request: web.Request) -> web.Response:
        changes = {"principal": self.decider, "signs": self.signs}
        return answer(self.me().model_copy(update=changes))

    async def _head(self, request: web.Request) -> web.Response:
        return answer(self.head)

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        text = query.get("filter", "")
        rows = self.refunds
        for word in text.split():
            key, colon, value = word.partition(":")
            if key == "state" and value in WORDS:
                rows = [it for it in rows if it.state == value]
            elif colon:
                return problem(422, "value.filter_invalid", f"'{word}' means nothing.")
        if query.get("oldest_first") == "true":
            rows = rows[::-1]
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
        return answer(
            m.RefundPage(
                items=rows[offset : offset + limit], next_cursor=None, total=len(rows)
            )
        )

    def find(self, refund_id: str) -> m.RefundView | None:
        return next((it for it in self.refunds if it.id == refund_id), None)

    async def _show(self, request: web.Request) -> web.Response:
        it = self.find(request.match_info["refund"])
        if it is None:
            return problem(404, "refund.unknown", "There is no such refund.")
        return answer(self.detail(it))

    async def _payment(self, request: web.Request) -> web.Response:
        wanted = request.match_info["payment"]
        it = next(known for known in self.refunds if known.payment_id == wanted)
        return answer(payment(it))

    async def _unfreeze(self, request: web.Request) -> web.Response:
        wanted = request.match_info["payment"]
        self.bodies.append(("unfreeze", wanted, await request.json()))
        it = next(known for known in self.refunds if known.payment_id == wanted)
        return answer(payment(it).model_copy(update={"frozen": None}))

    async def _circuit(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['account']}/{request.match_info['connection']}"
        self.bodies.append(("circuit", name, await request.json()))
        return answer(next(it for it in self.connections if it.id == name))

    async def _decide(self, request: web.Request) -> web.Response:
        refund_id, action = request.match_info["refund"], request.match_info["action"]
        text = await request.text()
        self.bodies.append((action, refund_id, json.loads(text) if text else {}))
        if self.refusal is not None:
            return web.json_response(
                self.refusal.model_dump(), status=self.refusal.status
            )
        it = self.find(refund_id)
        assert it is not None
        if action == "lookup":
            return answer(await self.change(it))
        state = {"approve": "queued", "refuse": "refused", "hold": "held"}.get(
            action, it.state
        )
        changes = {"state": state, "state_word": WORDS[state]}
        after = await self.change(it.model_copy(update=changes))
        return answer(m.DecidedView(refund=after, waiting_for=0))

    async def _metrics(self, request: web.Request) -> web.Response:
        return answer(self.metrics(int(request.query["window"])))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        number = int(request.match_info["alarm"])
        for at, it in enumerate(self.alarms):
            if it.id == number:
                changes = {"acknowledged_at": START, "acknowledged_by": "person:ann"}
                self.alarms[at] = it.model_copy(update=changes)
                return answer(self.alarms[at])
        return problem(404, "alarm.unknown", "There is no such alarm.")

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        since = request.query.get("since")
        self.since.append(since)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if since is None:
            health = self.health()
            snapshot = m.SnapshotFrame(
                seq=self.seq,
                now=START,
                status=self.status(),
                me=self.me(),
                counts=health.counts,
                connections=health.connections,
                alarms=health.alarms,
                metrics=health.metrics,
            )
            await socket.send_str(snapshot.model_dump_json())
        else:
            await socket.send_str(self.health().model_dump_json())
        self._sockets.add(socket)
        beat = asyncio.create_task(self._beat(socket))
        try:
            async for _ in socket:
                pass
        finally:
            beat.cancel()
            self._sockets.discard(socket)
        return socket

    async def _beat(self, socket: web.WebSocketResponse) -> None:
        while True:
            await asyncio.sleep(self.health_seconds)
            await socket.send_str(self.health().model_dump_json())


def answer(view: m.View) -> web.Response:
    return web.Response(text=view.model_dump_json(), content_type="application/json")


def problem(status: int, code: str, detail: str) -> web.Response:
    it = m.Problem(
        type=f"urn:{code}", title=code, status=status, code=code, detail=detail
    )
    return web.json_response(it.model_dump(), status=status)
