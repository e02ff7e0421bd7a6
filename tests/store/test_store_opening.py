from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.errors import (
    InvariantBroken,
    StoreLocked,
    StoreUnusable,
)
from refundwatch.store import sql
from refundwatch.store.sqlite.connection import InstanceLock, open_writer
from refundwatch.store.sqlite.migrations import migrate
from refundwatch.store.sqlite.store import InlineStore, open_sqlite_store
from tests.making import ANN, HOUSE, after, decide, make_payment, make_refund
from tests.sealer import OpenSealer
from tests.store.driving import claimed, drive

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def memory() -> Iterator[sqlite3.Connection]:
    connection = open_writer(None)
    try:
        yield connection
    finally:
        connection.close()


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master ORDER BY name")
    return [row[0] for row in found]


# --- migrations -------------------------------------------------------------------


def test_an_empty_database_gets_every_migration(memory: sqlite3.Connection) -> None:
    assert migrate(memory) == len(sql.migrations("sqlite"))

    assert "refund" in tables(memory)
    before = tables(memory)
    migrate(memory)
    assert tables(memory) == before


def test_only_what_is_missing_is_applied(memory: sqlite3.Connection) -> None:
    one = ((1, "CREATE TABLE a (x INTEGER) STRICT;"),)
    two = (*one, (2, "ALTER TABLE a ADD COLUMN y INTEGER;"))

    migrate(memory, one)
    memory.execute("INSERT INTO a (x) VALUES (1)")
    migrate(memory, two)

    assert [tuple(row) for row in memory.execute("SELECT * FROM a")] == [(1, None)]
    assert memory.execute("PRAGMA user_version").fetchone()[0] == 2


def test_a_migration_that_fails_leaves_nothing(memory: sqlite3.Connection) -> None:
    bad = ((1, "CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE a (x);"),)

    with pytest.raises(sqlite3.OperationalError):
        migrate(memory, bad)

    assert tables(memory) == []
    assert memory.execute("PRAGMA user_version").fetchone()[0] == 0
    assert not memory.in_transaction


def test_a_newer_database_is_refused(memory: sqlite3.Connection) -> None:
    migrate(memory)
    memory.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreUnusable, match="newer"):
        migrate(memory)


def test_a_strangers_database_is_refused(memory: sqlite3.Connection) -> None:
    memory.execute("CREATE TABLE theirs (x)")

    with pytest.raises(StoreUnusable, match="not one of"):
        migrate(memory)

    assert tables(memory) == ["theirs"]


def test_every_query_has_one_name_and_compiles(memory: sqlite3.Connection) -> None:
    migrate(memory)
    folder = Path(sql.__file__).parent / "sqlite"
    topics = sorted(file.stem for file in folder.glob("*.sql"))
    assert topics

    for topic in topics:
        for name, text in sql.named_queries("sqlite", topic).items():
            try:
                memory.execute(f"EXPLAIN {text}", _nothing(text))
            except sqlite3.Error as error:
                pytest.fail(f"{topic}/{name}: {error}")


def _nothing(text: str) -> dict[str, None] | list[None]:
    """Bind null to every parameter that a query has."""
    names = re.findall(r":([a-z_][a-z0-9_]*)", text)
    if names:
        return dict.fromkeys(names)
    numbered = re.findall(r"\?(\d+)", text)
    return [None] * (max(map(int, numbered)) if numbered else text.count("?"))


def test_a_name_that_stands_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "t.sql").write_text("-- name: a\nSELECT 1\n-- name: a\nSELECT 2")
    (tmp_path / "d" / "u.sql").write_text("SELECT 0\n-- name: a\nSELECT 1")
    monkeypatch.setattr(sql, "files", lambda _package: tmp_path)

    for topic in ("t", "u"):
        with pytest.raises(InvariantBroken):
            sql.named_queries("d", topic)


# --- files, locks, damage ---------------------------------------------------------


async def test_files_are_for_our_eyes_only(tmp_path: Path) -> None:
    old = os.umask(0)
    path = tmp_path / "house" / "store.sqlite"
    try:
        store = await open_sqlite_store(path, OpenSealer())
        try:
            await store.execute(HOUSE)
            names = {file.name for file in path.parent.iterdir()}
            modes = {
                stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()
            }
        finally:
            await store.close()
    finally:
        os.umask(old)
    assert names == {
        "store.sqlite",
        "store.sqlite-wal",
        "store.sqlite-shm",
        "store.sqlite.lock",
    }
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_second_process_is_told_who_has_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    script = (
        "import sys; from pathlib import Path; "
        "from refundwatch.store.sqlite.connection import InstanceLock; "
        "lock = InstanceLock(Path(sys.argv[1])); print('held', flush=True); "
        "sys.stdin.read()"
    )
    other = subprocess.Popen(  # noqa: ASYNC220 - it answers at once
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreLocked, match=f"process {other.pid}"):
            await open_sqlite_store(path, OpenSealer())
    finally:
        other.communicate(timeout=10)
    store = await open_sqlite_store(path, OpenSealer())
    await store.close()


def test_a_lock_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    first = InstanceLock(path)
    with pytest.raises(StoreLocked, match=str(os.getpid())):
        InstanceLock(path)
    first.release()
    first.release()

    InstanceLock(path).release()


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = await open_sqlite_store(path, OpenSealer())
    await store.execute(HOUSE)
    for number in range(50):
        await make_payment(store, reference=f"pi_{number}")
    await store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 30 : 4096 * 60] = b"\x5a" * 4096 * 30
    path.write_bytes(content)

    with pytest.raises(StoreUnusable):
        await open_sqlite_store(path, OpenSealer())
    InstanceLock(path).release()


async def test_rows_that_break_a_rule_are_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = await open_sqlite_store(path, OpenSealer())
    await store.execute(HOUSE)
    await make_payment(store)
    store._connection.execute("PRAGMA ignore_check_constraints = ON")
    store._connection.execute("UPDATE payment SET reserved_minor = -1")
    await store.close()

    with pytest.raises(StoreUnusable, match="damaged"):
        await open_sqlite_store(path, OpenSealer())


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.touch(mode=0o644)

    store = await open_sqlite_store(path, OpenSealer())
    await store.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database at all" * 1000)

    with pytest.raises(StoreUnusable):
        await open_sqlite_store(path, OpenSealer())


async def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "store.sqlite"

    with pytest.raises(StoreUnusable, match=r"store\.sqlite.* cannot be opened"):
        await open_sqlite_store(path, OpenSealer())
    with pytest.raises(StoreUnusable, match=r"store\.sqlite cannot be opened"):
        await open_sqlite_store(path, OpenSealer(), inline=True)


async def test_only_inline_is_there_a_store_in_memory() -> None:
    with pytest.raises(InvariantBroken):
        await open_sqlite_store(None)


async def test_before_the_vault_is_attached_nothing_personal_is_stored(
    tmp_path: Path,
) -> None:
    store = await open_sqlite_store(tmp_path / "store.sqlite")
    try:
        await store.execute(HOUSE)
        for customer in ({}, {"name": "Ada"}):
            with pytest.raises(InvariantBroken, match="vault"):
                await make_payment(store, customer=customer)
        store.attach_sealer(OpenSealer())
        await make_payment(store, customer={"name": "Ada"})
    finally:
        await store.close()


def test_the_writer_is_durable(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "store.sqlite")
    try:
        asked = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    finally:
        connection.close()
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


# --- what refuses to be rewritten -------------------------------------------------


async def with_history(store: InlineStore) -> None:
    """Have one row of every history table."""
    refund = await make_refund(store, None, 5_000)
    approved = await decide(store, refund, Verdict.APPROVE, ANN, at=after(1))
    await drive(store, approved.refund, claimed())
    store._connection.executescript(
        f"""
        INSERT INTO attempt VALUES
            ('{refund.id}', 1, 0, 1, 'stripe-uk/main', 'x', 0, 0, 1, 'unknown', NULL,
             NULL, NULL, NULL, NULL);
        INSERT INTO stored_request VALUES
            ('{refund.id}', 0, 'refund', 'POST', x'00', x'00', x'00', 'x', 0);
        INSERT INTO delivery_body VALUES (1, 'stripe-uk', 0, x'00', 'x');
        INSERT INTO delivery (id, body_id, account, dedupe_id, type, kind, item,
                              received_at)
            VALUES (1, 1, 'stripe-uk', 'evt_1', 't', 'k', '{{}}', 0);
        """
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_entry", "entry"),
        ("audit_entry", "leaf_hash"),
        ("audit_entry", "at"),
        ("audit_entry", "kind"),
        ("audit_entry", "actor"),
        ("audit_entry", "refund_id"),
        ("decision", "actor"),
        ("decision", "kind"),
        ("decision", "revision"),
        ("decision", "statement_sha256"),
        ("decision", "reason_code"),
        ("refund_generation", "idempotency_key"),
        ("refund_generation", "merchant_reference"),
        ("stored_request", "method"),
        ("stored_request", "body_sha256"),
        ("attempt", "body_sha256"),
        ("attempt", "outcome"),
        ("delivery_body", "body_sha256"),
        ("delivery", "dedupe_id"),
        ("delivery", "item"),
    ],
)
async def test_history_is_not_rewritten(
    store: InlineStore, table: str, column: str
) -> None:
    await with_history(store)
    with pytest.raises(sqlite3.IntegrityError):
        store._connection.execute(f"UPDATE {table} SET {column} = {column}")


@pytest.mark.parametrize(
    "table",
    [
        "audit_entry",
        "decision",
        "refund_generation",
        "stored_request",
        "attempt",
        "delivery_body",
        "delivery",
    ],
)
async def test_history_is_not_removed(store: InlineStore, table: str) -> None:
    await with_history(store)
    with pytest.raises(sqlite3.IntegrityError, match=r"never|removed|forgotten"):
        store._connection.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("seq", [0, 99])
async def test_the_log_takes_no_other_place(store: InlineStore, seq: int) -> None:
    for verb in ("INSERT", "INSERT OR REPLACE"):
        with pytest.raises(sqlite3.IntegrityError, match="gaps"):
            store._connection.execute(
                f"{verb} INTO audit_entry VALUES (?, x'00', zeroblob(32), 0, 'k', 'a', "
                "NULL)",
                (seq,),
            )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payment SET reserved_minor = -1",
        "UPDATE payment SET refunded_minor = -1",
        "UPDATE payment SET reserved_minor = 10001",
        "UPDATE payment SET reserved_minor = 1.5",
        "UPDATE refund SET state = 'lost'",
        "UPDATE refund SET booking = 'gone'",
        "UPDATE refund SET amount_minor = 0",
        "UPDATE refund SET state = 'sending'",
        "UPDATE refund SET request_id = 'same'",
        "UPDATE refund SET merchant_reference = 'same'",
        "UPDATE refund SET idempotency_key = 'same'",
        "UPDATE refund SET gateway_reference = 're_1'",
        "UPDATE refund SET payment_id = 'pay_none'",
    ],
)
async def test_rows_that_cannot_be_are_refused(store: InlineStore, change: str) -> None:
    payment = await make_payment(store, 10_000)
    await make_refund(store, payment, 1_000)
    await make_refund(store, payment, 1_000)

    with pytest.raises(sqlite3.IntegrityError):
        store._connection.execute(change)
