"""One real daemon by itself, before gateways that a test plays.

Everything is small and quick: an answer within a second, and then a look.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from refundwatch.api.client import ApiClient
from refundwatch.demo import processes
from refundwatch.demo.folder import Folder, Ports
from refundwatch.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

ENDED = frozenset({"succeeded", "declined", "review", "settled"})
SECRET = "whsec_alone"
KEY = "sk_test_alone"
TIMEOUT_SECONDS = 1

_CONFIG = """\
instance = "alone.test"
mode = "sandbox"
[store]
path = "refundwatch.db"
[vault]
key = "file:vault.key"
[api]
socket = "daemon.sock"
tcp = "127.0.0.1:{api}"
[webhooks]
listen = "127.0.0.1:{webhooks}"
{limits}
[health]
listen = "127.0.0.1:{health}"
[log]
format = "json"
[dispatch]
lease_seconds = {lease}
shutdown_seconds = 5
[resolve]
backoff_seconds = [1, 1, 1, 2]
settle_delay_seconds = 1
in_flight_seconds = 1
poll_first_seconds = 1
poll_repeat_seconds = 1
[probe]
interval_seconds = 1
timeout_seconds = 1
[[bands]]
currency = "GBP"
auto_below = "1000000.00"
one_approval_below = "1000000.00"
"""
_ACCOUNT = """\
[accounts.{name}]
gateway = "stripe"
timezone = "Europe/London"
webhook_secrets = ["file:stripe.webhook"]
[accounts.{name}.connections.main]
endpoint = "{endpoint}"
credentials = {{ api_key = "file:stripe.key" }}
timeout_seconds = {timeout}
connect_timeout_seconds = 1
concurrency = 64
"""


@dataclass(slots=True)
class Alone:
    """The daemon's process, its folder, and who may call it."""

    folder: Folder
    api_port: int
    daemon: asyncio.subprocess.Process
    admin: str = field(repr=False)
    returns: str = field(repr=False)

    @property
    def path(self) -> Path:
        return self.folder.path

    def client(self) -> ApiClient:
        return self.client_of(self.folder.server)

    def client_of(self, server: str) -> ApiClient:
        return ApiClient(server, self.returns)

    async def take(self, payments: Mapping[str, str], captured_minor: int) -> None:
        """Store payments, by reference the name of their account."""
        body = m.PaymentsBody(
            payments=[
                m.PaymentBody(
                    account=account,
                    gateway_reference=reference,
                    captured_minor=captured_minor,
                    currency="GBP",
                )
                for reference, account in payments.items()
            ]
        )
        async with self.client() as client:
            made = await client.call("payments.bulk", m.BulkView, body=body)
        assert not made.problems

    async def ask(
        self, payments: Mapping[str, str], amount_minor: int
    ) -> dict[str, str]:
        """Request a refund of each payment; return the refunds' ids by payment."""
        body = m.RefundsBody(
            refunds=[
                m.RefundBody(
                    request_id=f"R-{secrets.token_hex(8)}",
                    payment=reference,
                    account=account,
                    amount_minor=amount_minor,
                    currency="GBP",
                    reason_code="returned",
                )
                for reference, account in payments.items()
            ]
        )
        async with self.client() as client:
            made = await client.call("refunds.bulk", m.BulkView, body=body)
        assert not made.problems
        return dict(zip(payments, made.ids, strict=True))

    async def show(self, refund_id: str) -> m.RefundDetailView:
        async with self.client() as client:
            return await client.call(
                "refunds.show", m.RefundDetailView, parts={"refund": refund_id}
            )

    def select(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the database itself."""
        address = f"file:{self.path / 'refundwatch.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as reading:
            return reading.execute(sql, values).fetchall()

    def states(self, refunds: Iterable[str]) -> dict[str, str]:
        found = dict(self.select("SELECT id, state FROM refund"))
        return {refund: found[refund] for refund in refunds}

    async def until(
        self, met: Callable[[], bool], seconds: float, what: str = "met"
    ) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not met():
            assert self.daemon.returncode is None, "the daemon ended"
            assert time.monotonic() < end, f"not {what} after {seconds} s"
            await asyncio.sleep(0.1)

    def memory_mib(self, what: str = "VmHWM") -> float:
        """Return the daemon's peak memory (VmHWM) or its present one (VmRSS)."""
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no file of ours
            lines = dict(line.split(":", 1) for line in status)
        return int(lines[what].split()[0]) / 1024

    def metric(self, name: str) -> float:
        """Read one number without labels off the health listener."""
        address = f"http://127.0.0.1:{self.folder.ports.health}/metrics"
        with urlopen(address, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(it.split()[1]) for it in lines if it.startswith(name + " "))

    async def stop(self) -> None:
        await processes.end(self.daemon)

    async def start(self) -> None:
        self.daemon = await processes.start_daemon(self.folder)


def signed(event_id: str, *, refund_id: str = "re_stranger") -> tuple[bytes, str]:
    """Return a genuine delivery: its body and its `Stripe-Signature`."""
    event = {
        "id": event_id,
        "object": "event",
        "type": "refund.updated",
        "livemode": False,
        "data": {
            "object": {"id": refund_id, "object": "refund", "status": "succeeded"}
        },
    }
    body = json.dumps(event).encode()
    stamp = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256)
    return body, f"t={stamp},v1={digest.hexdigest()}"


def write_config(
    folder: Folder, api_port: int, endpoints: Mapping[str, str], limits: str
) -> None:
    """Write the configuration; the accounts' endpoints are by account."""
    text = _CONFIG.format(
        api=api_port,
        webhooks=folder.ports.webhooks,
        health=folder.ports.health,
        lease=2 * TIMEOUT_SECONDS + 2,
        limits=limits,
    )
    for name, endpoint in endpoints.items():
        text += _ACCOUNT.format(name=name, endpoint=endpoint, timeout=TIMEOUT_SECONDS)
    (folder.path / "config.toml").write_text(text, "utf-8")


@contextlib.asynccontextmanager
async def alone(
    path: Path, endpoints: Mapping[str, str], limits: str = ""
) -> AsyncIterator[Alone]:
    """Run a daemon with one Stripe account for each endpoint."""
    webhooks, health, api_port = free_ports(3)
    folder = Folder(path, Ports(0, webhooks, health, {}, {}))
    private = {
        "vault.key": f"alone {base64.b64encode(secrets.token_bytes(32)).decode()}\n",
        "stripe.key": KEY,
        "stripe.webhook": SECRET,
    }
    for name, text in private.items():
        (path / name).touch(mode=0o600)
        (path / name).write_text(text, "ascii")
    write_config(folder, api_port, endpoints, limits)
    daemon = await processes.start_daemon(folder)
    found = Alone(folder, api_port, daemon, "", "")
    try:
        found.admin = (await hire(folder.server, "", "person:root", "admin")).secret
        roles: tuple[m.RoleName, ...] = ("requester", "operator")
        made = await hire(folder.server, found.admin, "machine:returns", *roles)
        found.returns = made.secret
        yield found
    finally:
        await found.stop()


async def hire(
    server: str, admin: str, principal: str, *roles: m.RoleName
) -> mt.NewTokenView:
    """Make a token; the first one is the daemon's own user's to make."""
    body = mt.TokenBody(principal=principal, roles=list(roles), expires_in_days=1)
    async with ApiClient(server, admin or None) as client:
        return await client.call("tokens.create", mt.NewTokenView, body=body)
