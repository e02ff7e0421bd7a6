"""Fills a database with a year of refunds, as fast as SQLite takes rows.

The schema is our own, brought by the production store; the rows are what intake and
dispatch would have left: states by age, accounts, currencies and reasons as they are
spread in a shop's year, each often enough to fill a page, with counters and rollups
that agree with the rows. Left out is what no list and no number reads: attempts, stored
requests, generations, audit entries. Sums by day and hour reach back `HOURS_DAYS` days,
by minute one day.

`filled(1_000_000)` gives the path of a cached file; write to a copy only.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.peers import HOME
from refundwatch.domain.histogram import bucket_of
from refundwatch.store import sql
from refundwatch.store.contract import AccountSpec, ConnectionSpec, OpenHouse
from refundwatch.store.sqlite.store import open_sqlite_store

if TYPE_CHECKING:
    from collections.abc import Iterator

AT: Final = datetime(2026, 11, 2, 9, 17, 30, tzinfo=UTC)
"""The moment at which the year ends."""

YEAR_US: Final = 365 * 86_400_000_000
HOURS_DAYS: Final = 40
_AT_US: Final = int(AT.timestamp()) * 1_000_000
_PACES: Final = 4096
_TABLES: Final = ("refund", "payment")

_ACCOUNTS: Final = {
    "stripe-eu": ("stripe", 450_000),
    "stripe-uk": ("stripe", 250_000),
    "adyen-eu": ("adyen", 180_000),
    "paypal-us": ("paypal", 119_800),
    "stripe-jp": ("stripe", 200),
}
_CURRENCIES: Final = {
    "EUR": 500_000,
    "GBP": 260_000,
    "USD": 190_000,
    "JPY": 30_000,
    "SEK": 18_000,
    "KWD": 1_990,
    "CLF": 10,
}
_REASONS: Final = {
    "returned": 700_000,
    "damaged": 150_000,
    "cancelled_order": 100_000,
    "goodwill": 48_000,
    "duplicate": 1_900,
    "fraud": 95,
    "court_order": 5,
}
# What became of refunds that are older than three days, and what stands of those newer.
_OLD_STATES: Final = {
    "settled": 780_000,
    "succeeded": 128_690,
    "declined": 50_000,
    "cancelled": 20_000,
    "refused": 9_000,
    "reversed": 8_000,
    "expired": 4_000,
    "review": 200,
    "held": 100,
    "unknown": 10,
}
_NEW_STATES: Final = {
    "succeeded": 550_000,
    "pending": 330_000,
    "awaiting_approval": 50_000,
    "declined": 40_000,
    "queued": 20_000,
    "cancelled": 5_000,
    "held": 2_500,
    "review": 1_500,
    "unknown": 800,
    "sending": 200,
}
_SENT: Final = (
    "'sending', 'unknown', 'pending', 'succeeded', 'settled', 'declined', "
    "'reversed', 'review'"
)


def filled(count: int) -> Path:
    """Give a database of so many refunds; made once for each form of the schema."""
    forms = [script for _, script in sql.migrations("sqlite")]
    forms.append(Path(__file__).read_text("utf-8"))
    mark = hashlib.sha256("".join(forms).encode()).hexdigest()[:12]
    folder = HOME / "filled"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{count}-{mark}.sqlite"
    if path.exists():
        return path
    for older in folder.glob(f"{count}-*.sqlite*"):
        if not older.name.startswith(path.name):
            older.unlink(missing_ok=True)
    begun = time.monotonic()
    # In a folder of its own: two that fill at once do not meet, and the first one wins.
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as scratch:
        making = Path(scratch) / path.name
        asyncio.run(_open_house(making))
        _fill(making, count)
        with suppress(FileExistsError):
            path.hardlink_to(making)
    spent = time.monotonic() - begun
    print(f"  filled {count:,} refunds in {spent:.0f} s", file=sys.stderr, flush=True)
    return path


async def _open_house(path: Path) -> None:
    """Let the production store make the schema, the accounts and the connections."""
    store = await open_sqlite_store(path, inline=True)
    connections = [
        ConnectionSpec(account, name, f"http://127.0.0.1:1/{name}")
        for account in _ACCOUNTS
        for name in ("main", "second")
    ]
    connections.append(ConnectionSpec("stripe-eu", "retired", "http://127.0.0.1:1/old"))
    try:
        await store.execute(
            OpenHouse(
                at=AT,
                instance="hub.bench",
                mode="sandbox",
                config_digest="d" * 64,
                version="0",
                accounts=tuple(
                    AccountSpec(name, gateway, "UTC")
                    for name, (gateway, _) in _ACCOUNTS.items()
                ),
                connections=tuple(connections),
            )
        )
    finally:
        await store.close()


def _fill(path: Path, count: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # A file that breaks while it is made is made anew.
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "temp_store = MEMORY",
            "threads = 2",
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute("PRAGMA cache_size = -3000000")
        indexes = _indexes(db)
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        db.execute("BEGIN")
        _paces(db)
        _refunds(db, count)
        db.execute(_PAYMENTS)
        for statement in _INVOICES:
            db.execute(statement)
        _rollups(db, count)
        for _, create in indexes:
            db.execute(create)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")


def _refunds(db: sqlite3.Connection, count: int) -> None:
    step = YEAR_US // count
    fresh = max(3 * _DAY_US, 2000 * step)
    sql = _REFUNDS.format(
        account=_pick(_chance(40503, "paid_by"), _floored(_SHARES, count)),
        currency=_pick(_chance(30011, "paid_by"), _floored(_CURRENCIES, count)),
        reason=_pick(_chance(91813), _floored(_REASONS, count)),
        old_state=_pick(_chance(67867), _floored(_OLD_STATES, count)),
        new_state=_pick(_chance(50021), _floored(_NEW_STATES, fresh // step)),
        lot=_chance(77711),
        pace=_PACE.format("i"),
        sent=_SENT,
    )
    values = {
        "count": count,
        "at": _AT_US,
        "step": step,
        "fresh": fresh,
        "large": min(5000, count // _AT_LEAST),
        "frozen": min(1009, count // _AT_LEAST),
        "retired": min(100, max(count // 100 // _AT_LEAST, 1)),
        "action": min(50, fresh // step // 10 // _AT_LEAST),
    }
    db.execute(sql, values)


def _indexes(db: sqlite3.Connection) -> list[tuple[str, str]]:
    marks = ", ".join("?" * len(_TABLES))
    rows = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        f"AND tbl_name IN ({marks})",
        _TABLES,
    )
    return [(name, create) for name, create in rows]


def _paces(db: sqlite3.Connection) -> None:
    """Draw amounts and durations once; each refund picks a row of them."""
    chance = random.Random(20261102)
    db.execute(
        "CREATE TEMP TABLE pace (n INTEGER PRIMARY KEY, amount INT, approval INT, "
        "sent INT, accepted INT, paid INT, approval_bucket INT, sent_bucket INT, "
        "accepted_bucket INT, paid_bucket INT)"
    )
    db.executemany(
        "INSERT INTO pace VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _drawn(chance)
    )


def _drawn(chance: random.Random) -> Iterator[tuple[int, ...]]:
    for number in range(_PACES):
        amount = 1 + int(chance.lognormvariate(8.2, 1.1))
        if chance.random() < 0.8:  # noqa: PLR2004 - most prices end in 99, 95 or 00
            amount = max(amount // 100, 1) * 100 + chance.choice([0, -1, -5])
        approval = int(chance.lognormvariate(15.0, 1.0))
        sent = int(chance.lognormvariate(6.0, 0.8))
        accepted = sent + int(chance.lognormvariate(6.3, 0.6))
        paid = accepted + int(chance.lognormvariate(16.5, 1.2))
        paid = min(paid, 60 * 3_600_000)
        durations = (approval, sent, accepted, paid)
        yield (number, amount, *durations, *(bucket_of(one) for one in durations))


def _floored(shares: dict[str, int], count: int) -> dict[str, int]:
    """Let what is rare fill a page at every size; the commonest gives way."""
    least = -(-_AT_LEAST * 1_000_000 // count)
    floored = {name: max(share, least) for name, share in shares.items()}
    commonest = max(shares, key=lambda name: shares[name])
    floored[commonest] -= sum(floored.values()) - 1_000_000
    return floored


def _pick(number: str, shares: dict[str, int]) -> str:
    """Write a choice by shares of a million."""
    cases, upto = [], 0
    for name, share in list(shares.items())[:-1]:
        upto += share
        cases.append(f"WHEN {number} < {upto} THEN '{name}'")
    return f"CASE {' '.join(cases)} ELSE '{list(shares)[-1]}' END"


def _chance(multiplier: int, of: str = "i") -> str:
    """Write a number below a million that looks drawn, another for each multiplier."""
    mixed = f"(({of} * 2654435761 + {multiplier}) % 4294967291)"
    return f"(({mixed} / 97 * {multiplier}) % 999983 * 1000000 / 999983)"


_SHARES: Final = {name: share for name, (_, share) in _ACCOUNTS.items()}
_AT_LEAST: Final = 90
"""So many refunds of each kind are there at every size, more than a page shows."""

_PACE: Final = f"(({{}} * 1103515245 + 12345) / 65536 % {_PACES})"

# LIMIT -1 below a WHERE keeps SQLite from computing each choice anew at each use.
_REFUNDS: Final = """
INSERT INTO refund (
    id, request_id, request_fingerprint, account, payment_id, payment_reference,
    amount_minor, currency, reason_code, invoice, merchant_reference, idempotency_key,
    created_at, created_by, policy_version, state, booking, revision, generation,
    required_approvals, approvals_expire_at, connection, fence, attempts, ambiguous,
    key_stuck, refused_code, refusal_may_be_echo, gateway_reference, last_status,
    requires_action, review_reason, hold_reason, first_sent_at, last_sent_at,
    unknown_since, accepted_at, succeeded_at, final_at, due_at, lookups, updated_at,
    seq, payment_frozen
)
WITH RECURSIVE
    n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count),
    paid (i, paid_by) AS (SELECT i, i - (i % 7 = 3) FROM n),
    drawn AS (
        SELECT
            i, paid_by,
            :at - (:count - i + 1) * :step + (i * 7919) % :step AS born,
            printf('%08x', (i * 2654435761) % 4294967296) AS mix,
            printf('%010x', i) AS tail, printf('%010x', paid_by) AS payment,
            {account} AS account, {currency} AS currency, {reason} AS reason,
            {old_state} AS old_state, {new_state} AS new_state,
            {lot} AS lot,
            {pace} AS pace
        FROM paid LIMIT -1
    ),
    stated AS (
        SELECT
            d.*, p.sent * 1000 AS sent, p.accepted * 1000 AS accepted,
            p.paid * 1000 AS paid, p.amount AS price,
            CASE
                WHEN born < :at - :fresh THEN old_state
                WHEN new_state IN ('sending', 'unknown') AND i % 7 IN (2, 3)
                THEN 'pending'
                WHEN new_state = 'succeeded' AND born + p.paid * 1000 > :at
                THEN 'pending'
                ELSE new_state
            END AS state
        FROM drawn AS d CROSS JOIN pace AS p ON p.n = d.pace
        WHERE i > 0 LIMIT -1
    ),
    made AS (
        SELECT
            s.*,
            CASE
                WHEN currency = 'JPY' THEN max(price / 100 * 150, 1)
                WHEN lot % :large = 17 THEN price * 40 ELSE price
            END AS amount,
            CASE WHEN state IN ({sent}) THEN account || CASE
                WHEN i * 20 < :count AND i % :retired = 0 AND account = 'stripe-eu'
                THEN '/retired' WHEN lot < 100000 THEN '/second' ELSE '/main' END
            END AS path
        FROM stated AS s WHERE i > 0 LIMIT -1
    )
SELECT
    'rf_' || mix || tail, 'RET-' || (100000000 + i), mix || mix,
    account, 'pay_' || substr(payment, 5) || 'b' || payment, 'pi_3R' || payment || 'Kx',
    amount, currency, reason, CASE WHEN lot % 10 = 1 THEN 'INV-' || paid_by END,
    'rw' || mix || tail,
    'key' || mix || tail, born, 'machine:shop', 'p1', state,
    CASE
        WHEN state IN ('succeeded', 'settled') THEN 'refunded'
        WHEN state IN ('declined', 'reversed', 'refused', 'expired', 'cancelled')
        THEN 'free' ELSE 'reserved'
    END,
    1, 0, state = 'awaiting_approval',
    CASE WHEN state = 'awaiting_approval' THEN born + 259200000000 END,
    path, path IS NOT NULL, path IS NOT NULL, 0, 0,
    CASE WHEN state = 'declined' THEN
        CASE lot % 4 WHEN 0 THEN 'card_lost' WHEN 1 THEN 'insufficient_funds'
        WHEN 2 THEN 'expired_or_canceled_card' ELSE 'declined' END END,
    0,
    CASE WHEN state IN ('pending', 'succeeded', 'settled', 'reversed')
        THEN 're_3R' || tail || mix END,
    CASE WHEN state IN ('pending', 'succeeded', 'settled', 'reversed')
        THEN CASE state WHEN 'settled' THEN 'succeeded' ELSE state END END,
    state = 'pending' AND lot % :action = 3 % :action,
    CASE state WHEN 'review' THEN 'absent_outside_window' END,
    CASE state WHEN 'held' THEN 'person' END,
    CASE WHEN path IS NOT NULL THEN born + sent END,
    CASE WHEN path IS NOT NULL THEN born + sent END,
    CASE state WHEN 'unknown' THEN born + accepted END,
    CASE WHEN state IN ('pending', 'succeeded', 'settled', 'reversed')
        THEN born + accepted END,
    CASE WHEN state IN ('succeeded', 'settled', 'reversed') THEN born + paid END,
    CASE WHEN state IN ('succeeded', 'settled', 'reversed') THEN born + paid
        WHEN state IN ('declined', 'refused', 'expired', 'cancelled')
        THEN born + accepted END,
    CASE WHEN state IN ('queued', 'unknown', 'pending')
        THEN :at + 60000000 + lot * 1000 END,
    0,
    CASE state WHEN 'settled' THEN min(born + paid + 172800000000, :at)
        WHEN 'succeeded' THEN born + paid WHEN 'reversed' THEN born + paid
        ELSE min(born + accepted, :at) END,
    i - 1, (paid_by * 7) % :frozen = 5
FROM made WHERE i > 0
"""

_PAYMENTS: Final = """
INSERT INTO payment (
    id, account, gateway_reference, currency, declared_minor, captured_minor,
    refunded_minor, reserved_minor, frozen, frozen_at, knowledge, read_at, captured_at,
    created_at, created_by, order_reference
)
SELECT
    r.payment_id, r.account, r.payment_reference, r.currency,
    r.amount_minor * 2 + coalesce(m.amount_minor, 0),
    r.amount_minor * 2 + coalesce(m.amount_minor, 0),
    (r.booking = 'refunded') * r.amount_minor
    + coalesce((m.booking = 'refunded') * m.amount_minor, 0),
    (r.booking = 'reserved') * r.amount_minor
    + coalesce((m.booking = 'reserved') * m.amount_minor, 0),
    CASE WHEN r.payment_frozen THEN 'dispute' END,
    CASE WHEN r.payment_frozen THEN r.created_at END, 'read', r.created_at,
    r.created_at - 864000000000, r.created_at - 864000000000, 'machine:shop',
    'ORD-' || r.rowid
FROM refund AS r LEFT JOIN refund AS m ON m.rowid = r.rowid + 1 AND m.rowid % 7 = 3
WHERE r.rowid % 7 <> 3
ORDER BY r.rowid
"""


_INVOICES: Final = (
    """
    INSERT INTO invoice (number, amount_minor, currency, implied, created_at)
    SELECT invoice, max(amount_minor), currency, 1, min(created_at) FROM refund
    WHERE invoice IS NOT NULL GROUP BY invoice
    """,
    """
    INSERT INTO payment_invoice (payment_id, invoice, amount_minor)
    SELECT payment_id, invoice, max(amount_minor) FROM refund
    WHERE invoice IS NOT NULL GROUP BY payment_id, invoice
    """,
)


# --- rollups ----------------------------------------------------------------------


def _rollups(db: sqlite3.Connection, count: int) -> None:
    db.execute(
        "INSERT INTO state_count SELECT account, coalesce(connection, ''), state, "
        "count(*) FROM refund GROUP BY 1, 2, 3"
    )
    db.execute(
        "INSERT INTO day_count SELECT created_at / 86400000000, account, count(*) "
        "FROM refund GROUP BY 1, 2"
    )
    first = count - count * (HOURS_DAYS + 3) // 365
    for grain, microseconds, since in _GRAINS:
        for measure, at, subject, code, bucket, condition in _MEASURES:
            db.execute(
                "INSERT INTO tally SELECT :grain, t / :us * :us, subject, currency, "
                ":measure, code, bucket, count(*) FROM ("
                f"SELECT {at} AS t, {subject} AS subject, r.currency, {code} AS code, "
                f"{bucket} AS bucket FROM refund AS r CROSS JOIN pace AS p "
                f"ON p.n = {_PACE.format('r.rowid')} WHERE r.rowid >= :first "
                f"AND {condition}) WHERE t >= :since GROUP BY 2, 3, 4, 6, 7",
                {
                    "grain": grain,
                    "us": microseconds,
                    "measure": measure,
                    "first": max(first, 1),
                    "since": (_AT_US - since) // microseconds * microseconds,
                },
            )
        _observed(db, grain, microseconds, since)


def _observed(
    db: sqlite3.Connection, grain: str, microseconds: int, since: int
) -> None:
    """Every configured connection was observed all the time, one of them with a gap."""
    connections = [row[0] for row in db.execute("SELECT id FROM connection")]
    start = (_AT_US - since) // microseconds * microseconds
    for begins in range(start, _AT_US, microseconds):
        passed = (min(begins + microseconds, _AT_US) - begins) // 1000
        rows = [(grain, begins, name, "", passed) for name in connections]
        db.executemany(
            "INSERT INTO tally VALUES (?, ?, ?, ?, 'observed_ms', '', 0, ?)", rows
        )


_DAY_US: Final = 86_400_000_000
_GRAINS: Final = (
    ("minute", 60_000_000, _DAY_US + 3_600_000_000),
    ("hour", 3_600_000_000, HOURS_DAYS * _DAY_US),
    ("day", _DAY_US, HOURS_DAYS * _DAY_US),
)
_WAS_ACCEPTED: Final = "r.accepted_at IS NOT NULL"
_MEASURES: Final = (
    ("requested", "r.created_at", "r.account", "''", "0", "TRUE"),
    (
        "succeeded",
        "r.succeeded_at",
        "r.connection",
        "''",
        "0",
        "r.succeeded_at IS NOT NULL",
    ),
    (
        "declined",
        "r.final_at",
        "r.connection",
        "r.refused_code",
        "0",
        "r.state = 'declined'",
    ),
    ("bounced", "r.final_at", "r.connection", "''", "0", "r.state = 'reversed'"),
    (
        "sent",
        "r.first_sent_at",
        "r.connection",
        "''",
        "p.sent_bucket",
        "r.first_sent_at IS NOT NULL AND r.state <> 'sending'",
    ),
    (
        "accepted",
        "r.accepted_at",
        "r.connection",
        "''",
        "p.accepted_bucket",
        _WAS_ACCEPTED,
    ),
    (
        "paid_out",
        "r.succeeded_at",
        "r.connection",
        "''",
        "p.paid_bucket",
        "r.succeeded_at IS NOT NULL",
    ),
)
