"""A real daemon with refunds that were paid out, for events to speak about.

The sandbox plays Stripe; the daemon is started as a service manager starts it, with
the production wiring, and everything is done through its API.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.cores import LOAD_CORE, SERVER_CORE, ended, start
from refundwatch.api import models as m
from refundwatch.api.client import ApiClient, wait_until_ready
from refundwatch.demo.folder import Folder, prepare
from refundwatch.demo.people import hire
from refundwatch.demo.processes import command
from refundwatch.demo.sandbox_admin import SandboxAdmin, TakenPayment
from refundwatch.demo.settings import DemoSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT: Final = "stripe-uk"
REFUNDS: Final = 100
_AMOUNT_MINOR: Final = 1250
_START_SECONDS: Final = 30.0
_DRAIN_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Hub:
    """A running daemon; `subjects` are Stripe's refund objects that it knows."""

    folder: Folder
    pid: int
    subjects: list[dict[str, Any]]

    @property
    def port(self) -> int:
        """Give the port of the webhook listener."""
        return self.folder.ports.webhooks

    @property
    def secret(self) -> str:
        """Give the account's webhook secret."""
        return (self.folder.path / "stripe.webhook").read_text("ascii")

    def count(self, where: str = "1") -> int:
        """Count the stored deliveries."""
        return self._ask(f"SELECT count(*) FROM delivery WHERE {where}")

    def waiting(self) -> int:
        """Count the deliveries that the inbox has not applied yet."""
        return self.count("state = 'waiting'")

    def come_to_rest(self) -> float:
        """Wait until the inbox is empty; return how long that took (seconds)."""
        begun = time.monotonic()
        while self.waiting():
            if time.monotonic() - begun > _DRAIN_SECONDS:
                raise TimeoutError("The inbox did not come to rest.")
            time.sleep(0.1)
        return time.monotonic() - begun

    def _ask(self, sql: str) -> int:
        uri = f"{(self.folder.path / 'refundwatch.db').as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return int(connection.execute(sql).fetchone()[0])


@contextmanager
def running_hub(environment: dict[str, str]) -> Iterator[Hub]:
    """Run sandbox and daemon with refunds paid out; the daemon owns core 0."""
    wanted = DemoSettings(
        headless=True,
        seconds=None,
        rate=1.0,
        seed=7,
        faults="none",
        time_scale=0.02,
        keep=None,
    )
    with tempfile.TemporaryDirectory(prefix="refundwatch-bench-") as name:
        folder = prepare(Path(name), wanted)
        with (
            _child(folder, "sandbox", "--faults", "none", config="sandbox.toml"),
            # The daemon reads every file that its configuration names as it starts.
            _written(folder.path / "paypal-ca.pem"),
            _child(folder, "daemon", config="config.toml", env=environment) as daemon,
        ):
            if not asyncio.run(wait_until_ready(folder.server, None, _START_SECONDS)):
                log = (folder.path / "daemon.log").read_text("utf-8", "replace")
                raise RuntimeError(f"The daemon did not start:\n{log[-2000:]}")
            subjects = asyncio.run(_pay_out(folder))
            hub = Hub(folder, daemon.pid, subjects)
            hub.come_to_rest()
            yield hub


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Wait until the sandbox has written a file."""
    begun = time.monotonic()
    while not path.exists():
        if time.monotonic() - begun > _START_SECONDS:
            raise TimeoutError(f"The sandbox did not write {path.name}.")
        time.sleep(0.05)
    yield


@contextmanager
def _child(
    folder: Folder, front_end: str, *flags: str, config: str, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    line = command(front_end, "--config", str(folder.path / config), *flags)
    options.setdefault("env", dict(os.environ))
    with (folder.path / f"{front_end}.log").open("wb") as log:
        core = SERVER_CORE if front_end == "daemon" else LOAD_CORE
        process = start(line, core, stdout=subprocess.DEVNULL, stderr=log, **options)
    with ended(process):
        yield process


async def _pay_out(folder: Folder) -> list[dict[str, Any]]:
    """Request refunds, wait until all are paid out, and describe them as Stripe."""
    crew = await hire(folder)
    payments = [
        TakenPayment(ACCOUNT, f"pi_3MmlLrLkdIwHu7ix{number:08d}", _AMOUNT_MINOR, "GBP")
        for number in range(REFUNDS)
    ]
    async with (
        SandboxAdmin(folder.admin_url) as sandbox,
        ApiClient(folder.server, crew.returns) as client,
    ):
        await sandbox.take(payments)
        imported = m.PaymentsBody(
            payments=[
                m.PaymentBody(
                    account=one.account,
                    gateway_reference=one.reference,
                    captured_minor=one.amount_minor,
                    currency=one.currency,
                )
                for one in payments
            ]
        )
        await client.call("payments.bulk", m.BulkView, body=imported)
        for one in payments:
            asked = m.RefundBody(
                request_id=f"RMA-{one.reference}",
                payment=one.reference,
                account=one.account,
                amount_minor=one.amount_minor,
                currency=one.currency,
                reason_code="returned",
            )
            await client.call("refunds.create", m.CreatedRefundView, body=asked)
        return [_subject(it) for it in await _all_paid_out(client)]


async def _all_paid_out(client: ApiClient) -> list[m.RefundView]:
    query: dict[str, str | int | bool | None] = {
        "filter": "state:succeeded",
        "limit": 200,
    }
    until = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < until:
        page = await client.call("refunds.list", m.RefundPage, query=query)
        if len(page.items) == REFUNDS:
            return page.items
        await asyncio.sleep(0.2)
    raise TimeoutError("The refunds were not paid out.")


def _subject(refund: m.RefundView) -> dict[str, Any]:
    """Restate a refund as the object that Stripe's event would hold."""
    return {
        "id": refund.gateway_reference,
        "object": "refund",
        "amount": _AMOUNT_MINOR,
        "balance_transaction": "txn_3MmlLrLkdIwHu7ix0oWmwDqy",
        "charge": None,
        "created": int(refund.created_at.timestamp()),
        "currency": "gbp",
        "destination_details": {
            "card": {
                "reference": "123456789012",
                "reference_status": "available",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": {"rw_id": refund.merchant_reference},
        "payment_intent": refund.payment_reference,
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
