"""A real daemon in this process: every part that production has, but signals."""

from __future__ import annotations

import asyncio
import inspect
import json
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp

from daemon.clock import SystemClock
from daemon.service import Service
from daemon.wiring import wired
from refundwatch.config import load_config
from refundwatch.demo.ports import free_ports
from refundwatch.domain.policy import Role
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import (
    AdyenSettings,
    PaypalSettings,
    StripeSettings,
)
from refundwatch.security import tokens
from refundwatch.store.contract import CreateToken
from tests.daemon.furnishing import SECRETS, config_text, furnish
from tests.daemon.promised import check_answer

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from daemon.hub import Hub
    from daemon.wiring import Wired
    from refundwatch.config import Config
    from refundwatch.flow.ports import Clock, Log
    from refundwatch.sandbox.controls import Sandbox

MAKE_SIGNER = WebhookSigner.made
PEOPLE: Mapping[str, tuple[str, frozenset[Role]]] = {
    "viewer": ("person:vic", frozenset({Role.VIEWER})),
    "requester": ("machine:shop", frozenset({Role.REQUESTER})),
    "operator": ("person:ola", frozenset({Role.OPERATOR})),
    "operator2": ("person:pia", frozenset({Role.OPERATOR})),
    "approver": ("person:ann", frozenset({Role.APPROVER})),
    "approver2": ("person:ben", frozenset({Role.APPROVER})),
    "approver3": ("person:cat", frozenset({Role.APPROVER})),
    "admin": ("person:root", frozenset({Role.ADMIN})),
    "both": ("person:max", frozenset({Role.OPERATOR, Role.APPROVER})),
    "machine": ("machine:bot", frozenset({Role.OPERATOR})),
}
# What a probe, a failing send or a refused caller may change at any moment.
RESTLESS = frozenset(
    {
        "gateway_call",
        "connection",
        "circuit",
        "outage",
        "alarm",
        "calendar_job",
        "webhook_rhythm",
        "tally",
        "data_key",
        "audit_entry",
        "token_use",
    }
)


class ShiftedClock(SystemClock):
    """The machine's clock, some seconds ahead; monotonic time goes with it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class ListLog:
    """Keeps what the daemon would have written."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, str | float | None]]] = []

    def event(self, name: str, **fields: str | float | None) -> None:
        self.lines.append((name, fields))

    def problem(self, name: str, **fields: str | float | None) -> None:
        self.lines.append((name, fields))

    def of(self, name: str) -> list[dict[str, str | float | None]]:
        return [fields for found, fields in self.lines if found == name]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, already held against the document."""

    status: int
    headers: Mapping[str, str]
    body: Any
    content: bytes = field(repr=False, default=b"")

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass(slots=True)
class Living:
    """A running daemon and who may call it."""

    folder: Path
    config: Config
    parts: Wired
    service: Service
    log: Any
    http: aiohttp.ClientSession
    tcp_http: aiohttp.ClientSession
    secrets: dict[str, str] = field(repr=False)
    sandbox: Sandbox | None = None

    @property
    def hub(self) -> Hub:
        return self.parts.hub

    @property
    def tcp(self) -> str:
        return "http://" + self.service.addresses["api_tcp"]

    @property
    def webhooks(self) -> str:
        return "http://" + self.service.addresses["webhooks"]

    @property
    def health(self) -> str:
        return "http://" + self.service.addresses["health"]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str | None = "operator",
        token: str | None = None,
        raw: bytes | io.BytesIO | None = None,
        headers: Mapping[str, str] | None = None,
        base: str = "http://daemon",
        http: aiohttp.ClientSession | None = None,
    ) -> Answered:
        """Call the API over the Unix socket and check what comes back."""
        sent = dict(headers or {})
        secret = token if token is not None else self.secrets[by] if by else None
        if secret is not None:
            sent.setdefault("Authorization", f"Bearer {secret}")
        content: bytes | io.BytesIO | None = raw
        if content is None and body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        async with (http or self.http).request(
            method, base + path, data=content, headers=sent
        ) as response:
            found = await response.read()
            check_answer(method, path, response.status, response.content_type, found)
            return Answered(response.status, response.headers, json.loads(found), found)

    async def renew_tokens(self) -> None:
        """Give everybody a token that counts now."""
        for name, (principal, roles) in PEOPLE.items():
            self.secrets[name] = await give_token(self.hub, principal, roles)

    async def payment(self, captured_minor: int = 100_000, **fields: Any) -> str:
        body = {
            "account": "stripe-uk",
            "gateway_reference": f"pi_{len(self.rows('payment'))}",
            "captured_minor": captured_minor,
            "currency": "GBP",
            **fields,
        }
        made = await self.call("POST", "/v1/payments", body)
        assert made.status == 201, made
        return str(made.body["id"])

    async def refund(
        self, amount_minor: int = 10_000, *, by: str = "requester", **fields: Any
    ) -> dict[str, Any]:
        """Request a refund; 100.00 waits for one approval, 500.00 for two."""
        payment = fields.pop("payment", None) or await self.payment()
        body = refund_body(payment, amount_minor, **fields)
        made = await self.call("POST", "/v1/refunds", body, by=by)
        assert made.status == 201, made
        shown: dict[str, Any] = made.body["refund"]
        return shown

    async def decide(
        self, refund: dict[str, Any], word: str, *, by: str, **fields: Any
    ) -> Answered:
        """Decide about the refund as it was shown."""
        body = {
            "revision": refund["revision"],
            "request_sha256": refund["request_sha256"],
            "reason_code": "seen",
            **fields,
        }
        body = {key: value for key, value in body.items() if value is not ...}
        return await self.call(
            "POST", f"/v1/refunds/{refund['id']}/{word}", body, by=by
        )

    async def shown(self, refund: dict[str, Any]) -> dict[str, Any]:
        answer = await self.call("GET", f"/v1/refunds/{refund['id']}", by="viewer")
        found: dict[str, Any] = answer.body["refund"]
        return found

    async def audit(self) -> list[dict[str, Any]]:
        """Every audit entry, in order."""
        rows = self.query("SELECT entry FROM audit_entry ORDER BY seq")
        return [json.loads(row[0]) for row in rows]

    async def becomes(
        self, refund: dict[str, Any], state: str, seconds: float = 10.0
    ) -> dict[str, Any]:
        """Wait until the refund is in a state; give it as it is then."""

        async def found() -> dict[str, Any] | None:
            now = await self.shown(refund)
            return now if now["state"] == state else None

        shown: dict[str, Any] = await until(found, seconds)
        return shown

    async def is_in(self, refund: dict[str, Any], state: str) -> bool:
        return bool((await self.shown(refund))["state"] == state)

    async def tamper(self, text: str) -> None:
        """Change the database behind the daemon's back."""
        with closing(sqlite3.connect(self.config.store.path)) as connection:
            connection.execute(text)
            connection.commit()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.query(f"SELECT * FROM {table}")

    def query(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look into the database from outside."""
        uri = f"file:{self.config.store.path}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(text, values).fetchall()

    def kinds(self) -> list[str]:
        """The kinds of all audit entries, in order."""
        rows = self.query("SELECT entry FROM audit_entry ORDER BY seq")
        return [json.loads(row[0])["kind"] for row in rows]

    def state(self) -> dict[str, object]:
        """Everything that a refused request must leave as it was."""
        tables = self.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = {name for (name,) in tables if not name.startswith("sqlite_")}
        found: dict[str, object] = {
            name: self.rows(name) for name in sorted(names - RESTLESS)
        }
        found["audit_entry"] = [
            kind
            for kind in self.kinds()
            if not kind.endswith(":denied") and kind != "audit:read"
        ]
        return found


def refund_body(of: str, amount_minor: Any = 10_000, **fields: Any) -> Any:
    body = {
        "request_id": "r-1",
        "payment": of,
        "amount_minor": amount_minor,
        "currency": "GBP",
        "reason_code": "returned",
        **fields,
    }
    return {key: value for key, value in body.items() if value is not ...}


# --- life -------------------------------------------------------------------------


@asynccontextmanager
async def living(
    folder: Path,
    *,
    text: str | None = None,
    people: bool = True,
    sandbox: Sandbox | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    log: Log | None = None,
) -> AsyncIterator[Living]:
    """Start a daemon in a folder, and stop it as a signal would."""
    ca_pem = "none" if sandbox is None else sandbox.ca_pem
    config = load_config(furnish(folder, text or config_text(), secrets, ca_pem))
    kept: Log = log or ListLog()
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(
            wired(config, clock or SystemClock(), kept)
        )
        service = Service(parts)
        stack.push_async_callback(service.stop)
        await service.start()
        connector = aiohttp.UnixConnector(path=str(config.api.socket), limit=0)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector)
        )
        tcp_http = await stack.enter_async_context(aiohttp.ClientSession())
        found = Living(
            folder, config, parts, service, kept, http, tcp_http, {}, sandbox
        )
        if people:
            await found.renew_tokens()
        yield found


async def until(
    found: Callable[[], Awaitable[object]] | Callable[[], object],
    seconds: float = 10.0,
) -> Any:
    """Ask until the answer says yes, and give it; fail when that takes too long."""
    async with asyncio.timeout(seconds):
        while True:
            answer = found()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.02)


async def give_token(
    hub: Hub, principal: str, roles: frozenset[Role], days: float = 1
) -> str:
    """Put a token into the store, as if an admin had made it."""
    minted = tokens.mint()
    now = hub.clock.now()
    await hub.store.execute(
        CreateToken(
            at=now,
            actor="person:root",
            token_id=minted.id,
            secret_sha256=minted.secret_sha256,
            principal=principal,
            roles=roles,
            expires_at=now + timedelta(days=days),
        )
    )
    return minted.text


@asynccontextmanager
async def living_with_gateways(
    folder: Path,
    *,
    secrets: Mapping[str, str] | None = None,
    log: Log | None = None,
    **how: Any,
) -> AsyncIterator[Living]:
    """A daemon with look-alikes of the three gateways, webhooks included."""
    async with (
        gateways(secrets, **how) as (box, text),
        living(folder, text=text, sandbox=box, secrets=secrets, log=log) as found,
    ):
        yield found


@asynccontextmanager
async def gateways(
    secrets: Mapping[str, str] | None = None, **how: Any
) -> AsyncIterator[tuple[Sandbox, str]]:
    """The look-alikes, and the configuration of a daemon that uses them."""
    port = free_port()
    hook = f"http://127.0.0.1:{port}/webhooks"
    private = {**SECRETS, **(secrets or {})}
    wanted = SandboxConfig(
        accounts=(
            StripeSettings(
                name="stripe-uk",
                webhook_url=f"{hook}/stripe-uk",
                secret_key=private["stripe.key"],
                webhook_secrets=(private["stripe.webhook"],),
            ),
            AdyenSettings(
                name="adyen-eu",
                webhook_url=f"{hook}/adyen-eu",
                api_key=private["adyen.key"],
                hmac_keys=(private["adyen.hmac"],),
            ),
            PaypalSettings(
                name="paypal-us",
                webhook_url=f"{hook}/paypal-us",
                client_id=private["paypal.id"],
                client_secret=private["paypal.secret"],
            ),
        ),
        time_scale=0.01,
    )
    async with _sandbox(wanted) as box:
        yield (
            box,
            config_text(
                stripe=box.base_url("stripe-uk"),
                adyen=box.base_url("adyen-eu"),
                paypal=box.base_url("paypal-us"),
                webhook_port=port,
                **how,
            ),
        )


@asynccontextmanager
async def _sandbox(wanted: SandboxConfig) -> AsyncIterator[Sandbox]:
    """A sandbox whose keys were made once for all tests: that takes half a second."""
    with mock.patch.object(WebhookSigner, "made", return_value=_signer()):
        running = running_sandbox(wanted)
        box = await running.__aenter__()
    try:
        yield box
    finally:
        await running.__aexit__(None, None, None)


@lru_cache(maxsize=1)
def _signer() -> WebhookSigner:
    return MAKE_SIGNER(SystemClock().now().timestamp())


def free_port() -> int:
    return free_ports(1)[0]
