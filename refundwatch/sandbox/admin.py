"""The admin API: what a test or a demo asks of a running sandbox, as JSON.

Invariant: it listens on loopback only and is thin; every word of it is a method of
``Sandbox``.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from aiohttp import web

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.books import Payment
from refundwatch.sandbox.controls import Sandbox
from refundwatch.sandbox.ledger import LedgerRow
from refundwatch.sandbox.money import AmountRefusedError
from refundwatch.sandbox.snapshot import encode

MAX_BODY_BYTES = 64 << 20

_PAYMENT_HINTS = get_type_hints(Payment)
_PAYMENT_FIELDS = {field.name: field for field in fields(Payment)}


class Admin:
    """Answer the admin API's calls."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Take the sandbox to act on."""
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """Return the table of routes."""
        return [
            web.get("/status", self.status),
            web.get("/ca", self.ca),
            web.get("/payments", self.payments),
            web.post("/payments", self.add_payment),
            web.post("/payments/bulk", self.add_payments),
            web.get("/ledger", self.ledger),
            web.get("/ledger/summary", self.summary),
            web.get("/faults", self.faults),
            web.put("/faults", self.set_faults),
            web.post("/disputes", self.dispute),
            web.post("/bounces", self.bounce),
            web.post("/external-refunds", self.external_refund),
            web.post("/planted-amounts", self.plant),
            web.post("/outages", self.outage),
            web.post("/webhooks/{action:pause|resume|drop|flush}", self.webhooks),
        ]

    async def status(self, _: web.Request) -> web.Response:
        """Tell where everything is and what has happened."""
        box = self._sandbox
        accounts = {
            name: {
                "gateway": model.gateway,
                "base_url": box.base_url(name),
                "webhook_url": model.webhook_url,
                "payments": len(model.books.payments),
                "refunds": len(model.books.refunds),
                "waiting_effects": len(model.effects),
                "waiting_webhooks": len(model.outbox),
                "delivered_webhooks": model.outbox.delivered,
                "exhausted_webhooks": model.outbox.exhausted,
                "dropped_webhooks": model.outbox.dropped,
                "webhooks_paused": model.outbox.paused,
            }
            for name, model in box.world.models.items()
        }
        return web.json_response(
            {
                "admin_url": box.admin_url,
                "profile": box.world.profile_name,
                "time_scale": box.world.config.time_scale,
                "accounts": accounts,
                "faults_fired": box.world.counters(),
            }
        )

    async def ca(self, _: web.Request) -> web.Response:
        """Serve the CA of PayPal's webhook certificate."""
        return web.Response(
            text=self._sandbox.ca_pem, content_type="application/x-pem-file"
        )

    async def payments(self, request: web.Request) -> web.Response:
        """List payments of one account or all."""
        account, reference = request.query.get("account"), request.query.get("payment")
        found = [
            {
                **encode(payment),
                "refunded_minor": model.books.refunded_minor(payment),
                "remaining_minor": model.books.remaining_minor(payment),
            }
            for model in self._sandbox.world.chosen(account)
            for payment in model.books.payments.values()
            if reference in (None, payment.reference)
        ]
        return _page(request, "payments", found)

    async def add_payment(self, request: web.Request) -> web.Response:
        """Take one payment."""
        payment = _payment(await _body(request), self._sandbox.clock.now())
        added = self._sandbox.world.add_payments([payment])
        return web.json_response(encode(added[0]), status=201)

    async def add_payments(self, request: web.Request) -> web.Response:
        """Take many payments, all or none."""
        rows = (await _body(request)).get("payments")
        if not isinstance(rows, list):
            message = "payments must be a list"
            raise ValueError(message)  # noqa: TRY004 - answered as a bad request
        now = self._sandbox.clock.now()
        added = self._sandbox.world.add_payments(_payment(row, now) for row in rows)
        return web.json_response({"added": len(added)}, status=201)

    async def ledger(self, request: web.Request) -> web.Response:
        """List what was truly executed, and what was taken and was not."""
        rows = self._sandbox.ledger.rows(
            request.query.get("account"), request.query.get("payment")
        )
        return _page(request, "rows", [ledger_row(row) for row in rows])

    async def summary(self, _: web.Request) -> web.Response:
        """Sum the ledger by payment and name double executions."""
        ledger = self._sandbox.ledger
        nets = [
            {"account": account, "payment": payment, "currency": currency, "net": net}
            for (account, payment, currency), net in ledger.net_by_payment().items()
        ]
        doubles = [[ledger_row(row) for row in rows] for rows in ledger.doubles()]
        return web.json_response({"payments": nets, "doubles": doubles})

    async def faults(self, _: web.Request) -> web.Response:
        """Show each account's profile and how often each fault fired."""
        models = self._sandbox.world.models
        return web.json_response(
            {
                "profile": self._sandbox.world.profile_name,
                "accounts": {
                    name: encode(model.dice.profile) for name, model in models.items()
                },
                "fired": self._sandbox.world.counters(),
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Change the profile of all accounts or one."""
        body = await _body(request)
        _check_keys(body, {"profile", "overrides", "account"})
        profile = self._sandbox.set_faults(
            body.get("profile"), body.get("overrides"), body.get("account")
        )
        return web.json_response(encode(profile))

    async def dispute(self, request: web.Request) -> web.Response:
        """Open a dispute."""
        body = await _body(request)
        _check_keys(body, {"account", "payment", "chargeback"})
        self._sandbox.dispute(
            _text(body, "account"),
            _text(body, "payment"),
            chargeback=body.get("chargeback", False) is True,
        )
        return web.json_response({}, status=201)

    async def bounce(self, request: web.Request) -> web.Response:
        """Let a paid refund come back."""
        body = await _body(request)
        _check_keys(body, {"account", "refund_id"})
        self._sandbox.bounce(_text(body, "account"), _text(body, "refund_id"))
        return web.json_response({}, status=201)

    async def external_refund(self, request: web.Request) -> web.Response:
        """Refund in the gateway's own dashboard."""
        body = await _body(request)
        _check_keys(body, {"account", "payment", "amount_minor", "note"})
        refund = self._sandbox.external_refund(
            _text(body, "account"),
            _text(body, "payment"),
            _integer(body, "amount_minor"),
            str(body.get("note", "")),
        )
        return web.json_response(encode(refund), status=201)

    async def plant(self, request: web.Request) -> web.Response:
        """Let the next refund of a payment truly execute another amount."""
        body = await _body(request)
        _check_keys(body, {"account", "payment", "amount_minor"})
        payment = self._sandbox.plant(
            _text(body, "account"),
            _text(body, "payment"),
            _integer(body, "amount_minor"),
        )
        return web.json_response(encode(payment), status=201)

    async def outage(self, request: web.Request) -> web.Response:
        """Refuse connections to an account's first port for some seconds."""
        body = await _body(request)
        _check_keys(body, {"account", "seconds"})
        seconds = body.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            message = "seconds must be a number"
            raise ValueError(message)  # noqa: TRY004 - answered as a bad request
        self._sandbox.outage(_text(body, "account"), float(seconds))
        return web.json_response({}, status=201)

    async def webhooks(self, request: web.Request) -> web.Response:
        """Pause, resume, drop or flush deliveries."""
        body = await _body(request)
        _check_keys(body, {"account", "hurry"})
        account = body.get("account")
        count = 0
        match request.match_info["action"]:
            case "pause":
                self._sandbox.pause_webhooks(account)
            case "resume":
                self._sandbox.resume_webhooks(account)
            case "drop":
                count = self._sandbox.drop_webhooks(account)
            case _:
                hurry = body.get("hurry", False) is True
                count = self._sandbox.flush_webhooks(account, hurry=hurry)
        return web.json_response({"webhooks": count})


def ledger_row(row: LedgerRow) -> dict[str, Any]:
    """Show a row with what follows from it."""
    return {**encode(row), "executed": row.executed, "net_minor": row.net_minor}


def _page(request: web.Request, name: str, rows: list[Any]) -> web.Response:
    # Without a limit the whole truth is served.
    offset = int(request.query.get("offset", "0"))
    limit = int(request.query.get("limit", str(len(rows) or 1)))
    if offset < 0 or limit < 1:
        message = "offset must be 0 or more, limit 1 or more"
        raise ValueError(message)
    end = offset + limit
    return web.json_response(
        {
            name: rows[offset:end],
            "total": len(rows),
            "next_offset": end if end < len(rows) else None,
        }
    )


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    found = json.loads(raw) if raw else {}
    if not isinstance(found, dict):
        message = "the body must be an object"
        raise ValueError(message)  # noqa: TRY004 - answered as a bad request
    return found


def _check_keys(body: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        message = f"{unknown[0]} is unknown here"
        raise ValueError(message)


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not found:
        message = f"{name} must be a text"
        raise ValueError(message)
    return found


def _integer(body: Mapping[str, Any], name: str) -> int:
    found = body.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        message = f"{name} must be an integer above 0"
        raise ValueError(message)
    return found


def _payment(row: Any, now: float) -> Payment:
    if not isinstance(row, dict):
        message = "a payment must be an object"
        raise ValueError(message)  # noqa: TRY004 - answered as a bad request
    _check_keys(row, set(_PAYMENT_FIELDS))
    values = {"created_at": now, **row}
    for name, field in _PAYMENT_FIELDS.items():
        if field.default is MISSING and name not in values:
            message = f"{name} is missing"
            raise ValueError(message)
        if name in values:
            values[name] = _typed(name, values[name])
    return Payment(**values)


def _typed(name: str, value: Any) -> Any:
    hint = _PAYMENT_HINTS[name]
    if hint is float and isinstance(value, int | float):
        return float(value)
    wanted = int if name == "planted_minor" else hint
    if type(value) is not wanted and not (name == "planted_minor" and value is None):
        message = f"{name} must be {wanted.__name__}"
        raise ValueError(message)
    return value


@web.middleware
async def _problems(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownSubjectError as error:
        return web.json_response({"error": str(error.args[0])}, status=404)
    except (AmountRefusedError, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)


async def start_admin(sandbox: Sandbox, host: str, port: int) -> web.AppRunner:
    """Listen for admin calls; port 0 lets the system pick one."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_problems])
    app.add_routes(Admin(sandbox).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    sandbox.admin_url = f"http://{host}:{runner.addresses[0][1]}"
    return runner
