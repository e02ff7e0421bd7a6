"""The operator API of a real daemon, fuzzed from the document it serves.

`python -m tests.fuzz.api_run --examples 500` draws anew each time and prints its seed;
`tests/e2e/test_api_fuzz.py` runs a few examples that are always the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

import aiohttp

from refundwatch.api import models as m
from refundwatch.api import models_tokens as mt
from refundwatch.api.client import ApiClient
from refundwatch.demo import processes
from refundwatch.demo.balance import OPEN, PAID
from refundwatch.demo.folder import prepare
from refundwatch.demo.ports import free_ports
from refundwatch.demo.run import all_refunds
from refundwatch.demo.sandbox_admin import SandboxAdmin, TakenPayment
from tests.staging import free_of_errors, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from refundwatch.demo.folder import Folder

ROOT = Path(__file__).resolve().parents[2]
ROLES: list[m.RoleName] = ["admin", "operator", "approver", "requester"]
ACCOUNTS = {"stripe-uk": "GBP", "adyen-eu": "EUR", "paypal-us": "USD"}
PAYMENTS = 4
CAPTURED = 100_000
# Few, so that a drawn hash often is the drawn refund's own.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon with payments and refunds of every early state, and who may do all."""

    folder: Folder
    port: int
    token: str = field(repr=False)
    token_id: str
    payments: tuple[str, ...]
    references: tuple[str, ...]
    refunds: tuple[str, ...]
    shown: tuple[str, ...]
    sandbox: SandboxAdmin
    daemon: asyncio.subprocess.Process


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to; `lost` and `paid_twice` are counted in both books."""

    code: int
    text: str
    cases: int
    alive: bool
    crashes: list[str]
    lost: int
    paid_twice: int

    @property
    def well(self) -> bool:
        bad = self.code or self.crashes or self.lost or self.paid_twice
        return self.alive and not bad


@asynccontextmanager
async def target(path: Path) -> AsyncIterator[Target]:
    """Stage sandbox and daemon, with the API on TCP: schemathesis speaks no socket."""
    wanted = settings(faults="none")
    folder = prepare(path, wanted)
    (port,) = free_ports(1)
    config = path / "config.toml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("[api]\n", f'[api]\ntcp = "127.0.0.1:{port}"\n'))
    async with (
        processes.sandbox(folder, wanted),
        SandboxAdmin(folder.admin_url) as sandbox,
        processes.daemon(folder) as daemon,
    ):
        async with ApiClient(folder.server) as owner:
            admin = await made(owner, "person:boss", ["admin"])
        async with ApiClient(folder.server, admin.secret) as boss:
            token = await made(boss, "person:fuzz", ROLES)
            shop = await made(boss, "machine:shop", ["requester", "operator"])
        async with ApiClient(folder.server, shop.secret) as client:
            payments, references = await take(client, sandbox)
            refunds = (await ask(client, payments))[:SHOWN]
            shown = [
                await client.call(
                    "refunds.show", m.RefundDetailView, parts={"refund": refund}
                )
                for refund in refunds
            ]
        yield Target(
            folder,
            port,
            token.secret,
            token.token.id,
            payments,
            references,
            refunds,
            tuple(one.refund.request_sha256 for one in shown),
            sandbox,
            daemon,
        )


async def made(
    client: ApiClient, principal: str, roles: list[m.RoleName]
) -> mt.NewTokenView:
    body = mt.TokenBody(principal=principal, roles=roles, expires_in_days=1)
    return await client.call("tokens.create", mt.NewTokenView, body=body)


async def take(
    client: ApiClient, sandbox: SandboxAdmin
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Let the gateways take payments; give our ids and their references."""
    taken = [
        TakenPayment(account, f"{account[:2]}fuzz{number}", CAPTURED, currency)
        for account, currency in ACCOUNTS.items()
        for number in range(PAYMENTS)
    ]
    await sandbox.take(taken)
    rows = [
        m.PaymentBody(
            account=one.account,
            gateway_reference=one.reference,
            captured_minor=one.amount_minor,
            currency=one.currency,
            invoices=[m.InvoiceShareBody(number=f"INV-{one.reference}", amount_minor=5)]
            if one.account == "stripe-uk"
            else [],
        )
        for one in taken
    ]
    await client.call(
        "invoices.bulk",
        m.BulkView,
        body=m.InvoicesBody(
            invoices=[
                m.InvoiceBody(
                    number=share.number, amount_minor=CAPTURED, currency=row.currency
                )
                for row in rows
                for share in row.invoices
            ]
        ),
    )
    report = await client.call(
        "payments.bulk", m.BulkView, body=m.PaymentsBody(payments=rows)
    )
    return tuple(report.ids), tuple(one.reference for one in taken)


async def ask(client: ApiClient, payments: tuple[str, ...]) -> tuple[str, ...]:
    """Ask for refunds: some go out at once, most wait for one or two people."""
    rows = [
        m.RefundBody(
            request_id=f"fuzz-{number}-{amount_minor}",
            payment=payment,
            amount_minor=amount_minor,
            currency=list(ACCOUNTS.values())[number // PAYMENTS],
            reason_code="returned",
        )
        for number, payment in enumerate(payments)
        for amount_minor in (1_000, 9_000, 50_000)
    ]
    report = await client.call(
        "refunds.bulk", m.BulkView, body=m.RefundsBody(refunds=rows)
    )
    return tuple(report.ids)


# --- the run ----------------------------------------------------------------------


def configuration(target: Target, examples: int) -> str:
    """What schemathesis is told: words that lead past the first lookup."""
    words = {
        "accounts": list(ACCOUNTS),
        "account": ["stripe-uk"],
        "currency": ["GBP"],
        "payments": list(target.payments + target.references),
        "pounds": list(target.payments[:PAYMENTS]),
        "refunds": list(target.refunds),
        "invoices": ["INV-stfuzz0", "INV-stfuzz1"],
        "ids": [f"fuzz-new-{number}" for number in range(500)],
        "connections": ["main"],
        "amounts": [1, 100, 9_000, 60_000],
        "revisions": [1],
        "shown": list(target.shown),
        "zero": [0],
        "filters": ["state:queued", "gateway:stripe amount>10", "!x", "age>2h"],
    }
    bound = {
        "path.payment": ("payments", 0.7),
        "path.refund": ("refunds", 0.8),
        "path.number": ("invoices", 0.5),
        "path.account": ("accounts", 0.7),
        "path.connection": ("connections", 0.7),
        "query.account": ("accounts", 0.5),
        "query.filter": ("filters", 0.3),
        "query.offset": ("zero", 0.7),
        "body.account": ("account", 0.8),
        "body.currency": ("currency", 0.8),
        "body.payment": ("pounds", 0.8),
        "body.amount_minor": ("amounts", 0.6),
        "body.request_id": ("ids", 0.6),
        "body.invoice": ("invoices", 0.5),
        "body.revision": ("revisions", 0.8),
        "body.request_sha256": ("shown", 0.8),
        "body.payments[*].account": ("account", 0.9),
        "body.payments[*].currency": ("currency", 0.9),
        "body.invoices[*].currency": ("currency", 0.9),
        "body.refunds[*].payment": ("pounds", 0.9),
        "body.refunds[*].currency": ("currency", 0.9),
        "body.refunds[*].amount_minor": ("amounts", 0.9),
    }
    lines = ["[dictionaries]"]
    lines += [f"{name} = {{ values = {values!r} }}" for name, values in words.items()]
    lines += ["[parameters]"]
    lines += [
        f'"{name}" = {{ dictionary = "{words}", probability = {often} }}'
        for name, (words, often) in bound.items()
    ]
    lines += ["[generation]", f"max-examples = {examples}"]
    # Links lead from state to state; most of what is worth seeing is behind three.
    lines += ["[phases.stateful.generation]", f"max-examples = {12 * examples}"]
    # A GET without an upgrade is answered 426, which is all that plain HTTP can see
    # of the feed: its frames are held against the document in tests/daemon. Many wrong
    # tokens from one place are told 429 there as everywhere.
    lines += [
        "[[operations]]",
        'include-operation-id = "events"',
        "checks.positive_data_acceptance.expected-statuses = [401, 426, 429]",
    ]
    return "\n".join(lines) + "\n"


async def run(
    target: Target, examples: int, seed: int | None, *, known: bool = True
) -> Found:
    """Run every check and phase; without a seed the same cases are drawn each time.

    Unless `known`, nobody says who calls: then every answer is a refusal, and must
    still be one that the document promises.
    """
    file = target.folder.path / "schemathesis.toml"
    file.write_text(configuration(target, examples), "utf-8")
    described = target.folder.path / "openapi.json"
    described.write_text(await document(target), "utf-8")
    drawing = (
        ["--generation-deterministic"]
        if seed is None
        else ["--seed", str(seed), "--generation-database", "none"]
    )
    header = ("--header", f"Authorization: Bearer {target.token}") if known else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
        *("--config-file", str(file), "run", str(described)),
        *("--url", f"http://127.0.0.1:{target.port}/", *header),
        *(() if known else ("--phases", "fuzzing")),
        *("--checks", "all", "--continue-on-failure", "--warnings", "off", *drawing),
        cwd=target.folder.path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.api_hooks",
            "FUZZ_OWN_TOKEN": target.token_id,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode("utf-8", "replace")
    return await judged(target, process.returncode or 0, text)


async def document(target: Target) -> str:
    """The document as the daemon serves it to those it knows."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{target.port}/v1/openapi.json",
            headers={"Authorization": f"Bearer {target.token}"},
        ) as response,
    ):
        assert response.status == 200
        return await response.text()


async def judged(target: Target, code: int, text: str) -> Found:
    """Hold the daemon's books against what the gateways executed."""
    async with ApiClient(target.folder.server, target.token) as client:
        for _ in range(60):
            counts = (await client.call("refunds.states", m.StatesView)).counts
            moving = sum(n for state, n in counts.items() if state in OPEN - {"review"})
            if not moving and await target.sandbox.is_quiet():
                break
            await asyncio.sleep(0.5)
        executions = [one for one in await target.sandbox.executions() if one.executed]
        refunds = await all_refunds(client)
    times = Counter(one.merchant_reference for one in executions)
    ours = {one.merchant_reference: one for one in refunds}
    known = PAID | OPEN
    lost = sum(name not in ours or ours[name].state not in known for name in times)
    lost += sum(
        one.state in PAID and one.merchant_reference not in times for one in refunds
    )
    return Found(
        code=code,
        text=text,
        cases=generated(text),
        alive=target.daemon.returncode is None,
        crashes=free_of_errors(target.folder),
        lost=lost,
        paid_twice=sum(count > 1 for count in times.values()),
    )


def generated(text: str) -> int:
    """How many cases were sent, as schemathesis itself counts."""
    words = text.partition("Test cases:")[2].split()
    return int(words[0].replace(",", "")) if words else 0


def report(found: Found, what: str) -> bool:
    """Print what a run came to; tell whether all is well."""
    print(found.text)
    print(
        f"{what}: {found.cases} cases, daemon "
        f"{'stands' if found.alive else 'died'}, {len(found.crashes)} crashes, "
        f"lost {found.lost}, paid twice {found.paid_twice}"
    )
    print("\n".join(found.crashes[:10]))
    return found.well


async def main(examples: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as path:
        async with target(Path(path)) as staged:
            stranger = report(
                await run(staged, examples, seed, known=False),
                f"unknown caller, seed {seed}",
            )
            known = report(await run(staged, examples, seed), f"seed {seed}")
    return 0 if stranger and known else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    chosen = parser.parse_args()
    drawn = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    sys.exit(asyncio.run(main(chosen.examples, drawn)))
