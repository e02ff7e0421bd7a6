"""What a provable log costs: appending beside plain hashing, verifying beside reading.

Three comparisons, each within its round:

- growing the tree: leaf hash, link to the neighbour, RFC 6962 tree in portions of a
  commit, beside SHA-256 of the same bytes and nothing else;
- a whole append as the writer makes it (checked fields, canonical bytes, leaf hash,
  row) beside a plain log's: `json.dumps`, SHA-256 of its bytes, the same row;
- `verify_log`, which `refundwatch audit verify` runs, over rows from the database
  beside fetching the same rows.

All of it is work of one core, so its CPU time is taken, which neighbours cannot take.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from binascii import hexlify
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bench.peers import HOME
from bench.ratio import Row, at_most, interleaved
from refundwatch.domain.audit import FIRST_PREV, Verified, verify_log
from refundwatch.domain.merkle import Forest, leaf_hash
from refundwatch.store import sql
from refundwatch.store.sqlite.journal import Journal
from refundwatch.store.sqlite.store import open_sqlite_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from refundwatch.domain.canonical import JsonValue

ENTRIES: Final = 1_000_000
FEW: Final = 20_000
APPENDED: Final = 50_000
COMMIT: Final = 64
AT: Final = datetime(2026, 11, 2, 9, tzinfo=UTC)
_APPEND: Final = sql.named_queries("sqlite", "journal")["append"]
_ROWS: Final = "SELECT seq, entry, leaf_hash FROM audit_entry ORDER BY seq"


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Measure appending, then verifying."""
    entries, appended, rounds = (FEW, 5000, 2) if short else (ENTRIES, APPENDED, 5)
    path = _log(entries)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        some = [row[1] for row in db.execute(f"{_ROWS} LIMIT ?", (appended,))]
        took = interleaved(
            {
                "plain": lambda: _timed(lambda: _hash(some)),
                "tree": lambda: _timed(lambda: _grow(some)),
                "log": lambda: _written(_plain_log, appended),
                "journal": lambda: _written(_journal, appended),
            },
            rounds,
        )
        verified = interleaved(
            {
                "read": lambda: _timed(lambda: _read(db)),
                "verify": lambda: _timed(lambda: _verify(db, entries)),
            },
            rounds,
        )
    return [
        at_most(
            "audit: leaf, link and tree",
            ("µs an entry", _each(took["tree"], appended)),
            ("SHA-256 of the same bytes, µs", _each(took["plain"], appended)),
            3,
        ),
        at_most(
            "audit: a whole append",
            ("µs an entry", _each(took["journal"], appended)),
            (
                "json.dumps, SHA-256 and the same row, µs",
                _each(took["log"], appended),
            ),
            3,
        ),
        at_most(
            f"audit: verify {entries:,} entries",
            ("µs an entry", _each(verified["verify"], entries)),
            ("fetching the rows, µs", _each(verified["read"], entries)),
            6,
        ),
    ]


def _each(seconds: list[float], count: int) -> list[float]:
    return [one / count * 1_000_000 for one in seconds]


def _timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


# --- appending --------------------------------------------------------------------


def _hash(entries: list[bytes]) -> None:
    for entry in entries:
        sha256(entry).digest()


def _grow(entries: list[bytes]) -> bytes:
    """Do all the hashing of a log with a tree, a commit at a time."""
    forest, prev = Forest(), FIRST_PREV
    for start in range(0, len(entries), COMMIT):
        leaves = []
        for entry in entries[start : start + COMMIT]:
            hexlify(prev)
            prev = leaf_hash(entry)
            leaves.append(prev)
        forest.extend(leaves)
    return forest.head().root()


def _written(write: Callable[[sqlite3.Connection, int], None], count: int) -> float:
    with _empty() as db:
        db.execute("BEGIN")
        return _timed(lambda: write(db, count))


def _journal(db: sqlite3.Connection, count: int) -> None:
    journal = Journal(db)
    for number in range(count):
        journal.append(*_facts(number))


def _plain_log(db: sqlite3.Connection, count: int) -> None:
    prev = FIRST_PREV
    for seq in range(count):
        at, kind, actor, refund_id, data = _facts(seq)
        stated = {
            "v": 1,
            "seq": seq,
            "at": at.isoformat(),
            "kind": kind,
            "actor": actor,
            "refund_id": refund_id,
            "data": data,
            "prev": prev.hex(),
        }
        entry = json.dumps(stated).encode()
        prev = sha256(entry).digest()
        at_us = int(at.timestamp()) * 1_000_000
        db.execute(_APPEND, (seq, entry, prev, at_us, kind, actor, refund_id))


# --- verifying --------------------------------------------------------------------


def _read(db: sqlite3.Connection) -> None:
    for _ in db.execute(_ROWS):
        pass


def _verify(db: sqlite3.Connection, entries: int) -> None:
    found = verify_log(db.execute(_ROWS), entries)
    if not isinstance(found, Verified):
        raise SystemExit(found.sentence)


# --- a log ------------------------------------------------------------------------


def _facts(
    number: int,
) -> tuple[datetime, str, str, str, dict[str, JsonValue]]:
    """Give what one entry of a refund's way states."""
    refund = f"rf_{number // 3:018x}"
    at = AT + timedelta(milliseconds=number)
    match number % 3:
        case 0:
            return (
                at,
                "refund:created",
                "machine:shop",
                refund,
                {
                    "before": None,
                    "after": "queued",
                    "request_id": f"RET-{number}",
                    "account": "stripe-eu",
                    "payment_id": f"pay_{number:018x}",
                    "amount_minor": 4999,
                    "currency": "EUR",
                    "reason": "returned",
                    "reason_commitment": None,
                    "required_approvals": 0,
                    "merchant_reference": f"rw{number:018x}",
                    "policy_version": "d" * 64,
                },
            )
        case 1:
            return (
                at,
                "refund:attempt:opened",
                "system",
                refund,
                {
                    "before": "queued",
                    "after": "sending",
                    "connection": "stripe-eu/main",
                    "fence": 1,
                    "body_sha256": "ab" * 32,
                },
            )
        case _:
            return (
                at,
                "refund:gateway:succeeded",
                "system",
                refund,
                {
                    "before": "sending",
                    "after": "succeeded",
                    "path": ["pending", "succeeded"],
                    "booking": "refunded",
                    "gateway_reference": f"re_{number:024x}",
                    "last_status": "succeeded",
                    "source": "answer",
                    "response_sha256": "cd" * 32,
                },
            )


@contextmanager
def _empty() -> Iterator[sqlite3.Connection]:
    """Give a database in memory: its disk is measured elsewhere."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        for _, script in sql.migrations("sqlite"):
            db.executescript(script)
        yield db


def _log(entries: int) -> Path:
    """Give a database with so many entries that the production journal wrote."""
    forms = [script for _, script in sql.migrations("sqlite")]
    mark = hashlib.sha256("".join(forms).encode()).hexdigest()[:12]
    folder = HOME / "filled"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"log-{entries}-{mark}.sqlite"
    if path.exists():
        return path
    for older in folder.glob(f"log-{entries}-*"):
        older.unlink()
    making = path.with_suffix(".making")
    for half in folder.glob(f"{making.name}*"):
        half.unlink()
    asyncio.run(_make_house(making))
    with closing(sqlite3.connect(making, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        _journal(db, entries)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    making.rename(path)
    return path


async def _make_house(path: Path) -> None:
    store = await open_sqlite_store(path, inline=True)
    await store.close()
