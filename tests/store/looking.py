from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refundwatch.domain.audit import Verified, parse_entry, verify_log

if TYPE_CHECKING:
    import sqlite3

    from refundwatch.domain.audit import Entry
    from refundwatch.store.sqlite.store import SqliteStore


def rows(store: SqliteStore, sql: str, *values: Any) -> list[sqlite3.Row]:
    """Look at the rows themselves."""
    found: list[sqlite3.Row] = store._connection.execute(sql, values).fetchall()
    return found


def value(store: SqliteStore, sql: str, *values: Any) -> Any:
    """Look at one value."""
    return rows(store, sql, *values)[0][0]


def entries(store: SqliteStore, start: int = 0) -> list[Entry]:
    """The audit log from a place on."""
    found = rows(
        store, "SELECT entry FROM audit_entry WHERE seq >= ? ORDER BY seq", start
    )
    return [parse_entry(row["entry"]) for row in found]


def kinds(store: SqliteStore, start: int = 0) -> list[str]:
    """The kinds of the entries from a place on."""
    return [entry.kind for entry in entries(store, start)]


def size(store: SqliteStore) -> int:
    """How many entries the log has."""
    found: int = value(store, "SELECT count(*) FROM audit_entry")
    return found


def dump(store: SqliteStore) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the log: to see that nothing was stored."""
    names = rows(
        store,
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite_%' AND name <> 'audit_entry' ORDER BY name",
    )
    return {
        row["name"]: [tuple(each) for each in rows(store, f"SELECT * FROM {row[0]}")]
        for row in names
    }


def verified(store: SqliteStore) -> bool:
    """Whether the log is whole."""
    found = rows(store, "SELECT seq, entry, leaf_hash FROM audit_entry ORDER BY seq")
    return isinstance(verify_log((row[0], row[1], row[2]) for row in found), Verified)


def broken_sums(store: SqliteStore) -> list[Any]:
    """Payments whose amounts are not the sum of their refunds (S3, S9)."""
    found = rows(
        store,
        """
        SELECT payment.id, reserved_minor, refunded_minor, external_minor,
               captured_minor, frozen,
               coalesce(sum(amount_minor) FILTER (WHERE booking = 'reserved'), 0)
                   AS reserved,
               coalesce(sum(amount_minor) FILTER (WHERE booking = 'refunded'), 0)
                   AS refunded
        FROM payment LEFT JOIN refund ON refund.payment_id = payment.id
        GROUP BY payment.id
        """,
    )
    return [
        dict(row)
        for row in found
        if row["reserved_minor"] != row["reserved"]
        or row["refunded_minor"] != row["refunded"] + row["external_minor"]
        or (
            row["frozen"] is None
            and row["reserved_minor"] + row["refunded_minor"] > row["captured_minor"]
        )
    ]
