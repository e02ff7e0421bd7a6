"""Everything sealed anew under a new key while refunds go on, killed half-way.

`python -m tests.rekeying` (or `make rekeying`) does it over 100,000 sealed rows with 20
refunds a second; `tests/e2e/test_rekeying.py` over a few thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from refundwatch.api import models as m
from refundwatch.api.models_keys import KeysView, RotateKeysBody
from refundwatch.config import load_config, resolve_secret
from refundwatch.security.datakey import KeyState, KeyWrapper, WrappedKey
from refundwatch.security.keyfile import parse_key_file
from refundwatch.store.sqlite.sealed_columns import SEALED
from tests.driving import PatientReturns, reading
from tests.making import START
from tests.staging import THREE, free_of_errors, running, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refundwatch.api.client import ApiClient
    from tests.staging import Running

BULK = 2500
PLAIN = "Wilhelmina Q."
LONGEST_SECONDS = 1800.0


@dataclass(slots=True)
class Found:
    """What was seen; `problems` is empty when all is well."""

    rows: int
    filling_seconds: float = 0.0
    rotating_seconds: float = 0.0
    resealed: int = 0
    resealed_at_kill: int = 0
    refunds: int = 0
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what was found as text."""
        return [
            f"{self.rows} rows filled in {self.filling_seconds:.0f} s",
            f"killed after {self.resealed_at_kill} values, then resumed",
            f"{self.resealed} values sealed anew in {self.rotating_seconds:.1f} s",
            f"{self.refunds} refunds beside it",
            *(f"PROBLEM: {one}" for one in self.problems),
        ]


async def rekey(path: Path, rows: int, rate: float = 20.0) -> Found:
    """Fill, rotate, kill half-way, go on, and look at every sealed value."""
    found = Found(rows)
    async with running(path, settings("none", rate=rate)) as system:
        async with system.client() as client:
            begun = time.monotonic()
            await _fill(client, rows)
            found.filling_seconds = time.monotonic() - begun
        old_key = _current_key(system)
        stop = asyncio.Event()
        async with system.client(system.crew.returns) as client:
            returns = PatientReturns(
                client, system.sandbox, 5, system.stage.tally, THREE
            )
            asking = asyncio.create_task(returns.ask(1, stop))
            approving = asyncio.create_task(system.approve(stop))
            begun = time.monotonic()
            await _rotate_through_a_kill(system, found)
            found.rotating_seconds = time.monotonic() - begun
            stop.set()
            await asking
            await approving
            found.refunds = len(returns.taken)
        await system.approve_all()
        await system.sandbox.flush()
        balance = await system.stage.settle()
        found.problems += balance.failures[:5]
        found.problems += system.stage.tally.wrong_answers[:5]
        found.problems += free_of_errors(system.folder)[:5]
        _judge(system, old_key, found)
    return found


async def _fill(client: ApiClient, rows: int) -> None:
    """Store payments with a customer each: one row with three sealed values."""
    for first in range(0, rows, BULK):
        bodies = [
            m.PaymentBody(
                account="stripe-uk",
                gateway_reference=f"pi_rk{number}",
                captured_minor=1000,
                currency="GBP",
                customer=m.CustomerBody(
                    name=PLAIN, email=f"w{number}@example.com", account=f"C-{number}"
                ),
            )
            for number in range(first, min(first + BULK, rows))
        ]
        view = await client.call(
            "payments.bulk", m.BulkView, body=m.PaymentsBody(payments=bodies)
        )
        assert view.created == len(bodies), view.problems[:1]


async def _rotate_through_a_kill(system: Running, found: Found) -> None:
    async with system.client(system.crew.admin) as client:
        await client.call("keys.rotate", KeysView, body=RotateKeysBody(kind="data"))
    while found.resealed_at_kill < found.rows:
        found.resealed_at_kill = _resealed(system)
        await asyncio.sleep(0.005)
    system.daemon.kill()
    await system.daemon.wait()
    found.resealed_at_kill = _resealed(system)
    if _finished(system):
        found.problems.append("it was done before it could be killed")
    await system.restart()
    end = time.monotonic() + LONGEST_SECONDS
    while not _finished(system):
        if time.monotonic() > end:
            found.problems.append("the rotation did not end")
            return
        await asyncio.sleep(0.05)
    found.resealed = _resealed(system)


def _resealed(system: Running) -> int:
    with reading(system) as connection:
        row = connection.execute("SELECT sum(resealed) FROM key_rotation").fetchone()
    return int(row[0] or 0)


def _finished(system: Running) -> bool:
    with reading(system) as connection:
        row = connection.execute(
            "SELECT count(*) FROM key_rotation WHERE finished_at IS NULL"
        ).fetchone()
    return not row[0]


def _current_key(system: Running) -> tuple[int, bytes]:
    """Steal the data key that is current now, as somebody could who read memory."""
    config = load_config(system.folder.path / "config.toml")
    ring = parse_key_file(resolve_secret(config.vault.key).reveal_bytes())
    with reading(system) as connection:
        dek_id, kek_id, wrapped, uses = connection.execute(
            "SELECT dek_id, kek_id, wrapped, uses FROM data_key WHERE state = 'current'"
        ).fetchone()
    row = WrappedKey(dek_id, kek_id, wrapped, START, uses, KeyState.CURRENT)
    return dek_id, KeyWrapper(ring, lambda _: b"").unwrap(row)


def _judge(system: Running, old_key: tuple[int, bytes], found: Found) -> None:
    """Look at every sealed value, the old key's row, and the bytes of the files."""
    dek_id, key = old_key
    old, values = AESGCMSIV(key), 0
    for sealed in _sealed(system):
        values += 1
        if int.from_bytes(sealed[1:5], "big") == dek_id:
            found.problems.append("a value names the old key")
            break
        try:
            old.decrypt(sealed[5:17], sealed[17:], None)
        except InvalidTag:
            continue
        found.problems.append("the old key opens a value")
    if values < found.rows * 3:
        found.problems.append(f"only {values} sealed values stand")
    if found.resealed < found.rows * 3:
        found.problems.append(f"only {found.resealed} values were sealed anew")
    with reading(system) as connection:
        row = connection.execute(
            "SELECT state, wrapped FROM data_key WHERE dek_id = ?", (dek_id,)
        ).fetchone()
    if tuple(row) != ("destroyed", b""):
        found.problems.append("the old key still stands")
    for name in ("refundwatch.db", "refundwatch.db-wal"):
        file = system.folder.path / name
        if file.exists() and PLAIN.encode() in file.read_bytes():
            found.problems.append(f"plain text stands in {name}")


def _sealed(system: Running) -> Iterator[bytes]:
    path = system.folder.path / "refundwatch.db"
    uri = f"file:{path}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        for table in SEALED:
            for column in table.columns:
                rows = connection.execute(f"SELECT {column} FROM {table.name}")
                yield from (it for (it,) in rows if it)


def main() -> int:
    """Run it from the command line; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="tests.rekeying", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--refunds", type=float, default=20.0, help="a second")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="refundwatch-rekeying-") as folder:
        found = asyncio.run(rekey(Path(folder), wanted.rows, wanted.refunds))
    print("\n".join(found.lines()))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
