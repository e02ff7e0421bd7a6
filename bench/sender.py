"""Our sending path on a database of queued refunds: the production parts, no listener.

`--fill N FOLDER` writes the database; `FOLDER --gateway PORT` sends what is queued in
it and prints how many a second, from the first look until the last outcome is durable.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import secrets
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.looping import loop_factory
from daemon.clock import SystemClock
from daemon.logs import open_log
from daemon.wiring import recover, wired
from refundwatch.config import load_config
from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from daemon.wiring import Wired

CONCURRENCY: Final = 100
_CHUNK: Final = 500
_LOOK_SECONDS: Final = 0.02
_REQUESTER: Final = Principal("machine:shop", frozenset({Role.REQUESTER}))
_FINAL: Final = {RefundState.SUCCEEDED, RefundState.SETTLED}


def write_config(folder: Path, port: int) -> Path:
    """Write a configuration with one account, and its secrets, into a folder."""
    private = {
        "vault.key": f"bench {base64.b64encode(secrets.token_bytes(32)).decode()}\n",
        "stripe.key": "sk_test_" + secrets.token_hex(12),
        "stripe.webhook": "whsec_" + secrets.token_hex(16),
    }
    for name, text in private.items():
        file = folder / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(text, "ascii")
    config = folder / "config.toml"
    config.write_text(_config(port), "utf-8")
    return config


def _config(port: int) -> str:
    return f"""\
instance = "bench.refundwatch.example"
mode = "sandbox"
[store]
path = "refundwatch.db"
[vault]
key = "file:vault.key"
[api]
socket = "daemon.sock"
[webhooks]
listen = "127.0.0.1:8443"
[dispatch]
concurrency = {CONCURRENCY}
[[bands]]
currency = "EUR"
auto_below = "80.00"
one_approval_below = "400.00"
[accounts.stripe-eu]
gateway = "stripe"
timezone = "Europe/Berlin"
webhook_secrets = ["file:stripe.webhook"]
[accounts.stripe-eu.connections.main]
endpoint = "http://127.0.0.1:{port}"
credentials = {{ api_key = "file:stripe.key" }}
concurrency = {CONCURRENCY}
"""


@asynccontextmanager
async def opened(folder: Path, port: int) -> AsyncIterator[Wired]:
    """Open the production parts on the folder's database."""
    config = load_config(write_config(folder, port))
    log = open_log("warning", "json")
    async with wired(config, SystemClock(), log) as parts:
        await recover(parts)
        yield parts


async def fill(folder: Path, refunds: int, *, read: bool) -> None:
    """Queue so many refunds, each of a payment of its own.

    With `read` the gateway was asked about every payment before, as it is for all but
    a payment's first refund.
    """
    async with opened(folder, 1) as parts:
        store, policy, now = parts.store, parts.hub.policy, parts.hub.clock.now
        for start in range(0, refunds, _CHUNK):
            numbers = range(start, min(start + _CHUNK, refunds))
            payments = tuple(
                c.NewPayment("stripe-eu", f"pi_{number:08}", 5000, "EUR")
                for number in numbers
            )
            report = await store.execute(c.PutPayments(now(), _REQUESTER.id, payments))
            if read:
                await asyncio.gather(
                    *(
                        store.execute(
                            c.RecordPaymentRead(
                                now(), one, 5000, 0, "EUR", disputed=False
                            )
                        )
                        for one in report.ids
                    )
                )
            orders = tuple(
                c.NewRefund(f"order-{number}", payment, 1999, "EUR", "returned")
                for number, payment in zip(numbers, report.ids, strict=True)
            )
            made = await store.execute(
                c.CreateRefunds(now(), _REQUESTER, orders, policy)
            )
            if made.problems:
                raise SystemExit(made.problems[0].message)


async def send(folder: Path, port: int) -> float:
    """Send everything that is queued; return refunds per second."""
    async with opened(folder, port) as parts:
        waiting = await _count(parts, RefundState.QUEUED)
        stop = asyncio.Event()
        begun = time.perf_counter()
        rooms = [asyncio.create_task(room.run(stop)) for room in parts.house.rooms]
        while await _count(parts, *_FINAL) < waiting:
            await asyncio.sleep(_LOOK_SECONDS)
            if any(room.done() for room in rooms):
                break
        seconds = time.perf_counter() - begun
        stop.set()
        await asyncio.gather(*rooms)
        return waiting / seconds


async def _count(parts: Wired, *states: RefundState) -> int:
    counts = await parts.store.read(c.CountStates())
    return sum(counts.get(state, 0) for state in states)


def main() -> None:
    """Fill or send; what was measured is one line of JSON."""
    parser = argparse.ArgumentParser(prog="sender")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fill", type=int)
    parser.add_argument("--unread", action="store_true")
    parser.add_argument("--gateway", type=int, default=1)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    if chosen.fill:
        asyncio.run(fill(chosen.folder, chosen.fill, read=not chosen.unread))
        return
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        rate = runner.run(send(chosen.folder, chosen.gateway))
    print(json.dumps({"rate": rate}))


if __name__ == "__main__":
    main()
