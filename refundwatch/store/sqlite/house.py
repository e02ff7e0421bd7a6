"""The house itself: whose store this is, its configuration, its keys, its restart.

Invariant: instance, mode and an account's gateway are written once and never differ
again; every load of a configuration is in the audit log with its digest.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import ProcessDied
from refundwatch.domain.policy import SYSTEM
from refundwatch.errors import StoreMismatch
from refundwatch.store.contract import (
    AbandonAttempts,
    AuditNote,
    LoadKeys,
    OpenHouse,
    SaveKeys,
    StoredCheck,
    StoredKey,
    StoredKeys,
)
from refundwatch.store.rows import micros, moment, refund_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.contract import ConnectionSpec, KeyCheckRow, KeyRow
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "house")

_SET_BACK: Final = timedelta(hours=1)
_MOST_NAMED: Final = 200


@unit(OpenHouse)
def _open_house(tx: Transaction, command: OpenHouse) -> None:
    house = tx.one(_SQL["house"])
    values: dict[str, SqlValue] = {
        "instance": command.instance,
        "mode": command.mode,
        "digest": command.config_digest,
        "version": command.version,
        "at": micros(command.at),
        "gap": round(command.observation_gap_seconds * 1_000_000),
    }
    if house is None:
        tx.change(_SQL["found"], values)
    else:
        _must_equal("instance", house["instance"], command.instance)
        _must_equal("mode", house["mode"], command.mode)
        tx.change(_SQL["reopen"], values)
    _put_accounts(tx, command)
    _must_keep_busy_accounts(tx)
    _put_connections(tx, command)
    data: dict[str, JsonValue] = {
        "config_digest": command.config_digest,
        "version": command.version,
        "instance": command.instance,
        "mode": command.mode,
        "accounts": [account.name for account in command.accounts],
    }
    if command.changed is not None:
        data["changed"] = list(command.changed[:_MOST_NAMED])
        data["changes"] = len(command.changed)
    tx.append(command.at, "config:loaded", command.actor, None, data)


def _put_accounts(tx: Transaction, command: OpenHouse) -> None:
    tx.change(_SQL["unconfigure_accounts"])
    for account in command.accounts:
        known = tx.one(_SQL["account"], (account.name,))
        if known is not None:
            what = f"gateway of account {account.name}"
            _must_equal(what, known["gateway"], account.gateway)
        values = (account.name, account.gateway, account.timezone, micros(command.at))
        tx.change(_SQL["put_account"], values)


def _must_keep_busy_accounts(tx: Transaction) -> None:
    """Refuse to forget an account whose refunds are not at their end yet."""
    for row in tx.every(_SQL["open_elsewhere"]):
        raise StoreMismatch(
            f"The store has {row['count']} open refunds of account {row['account']}, "
            "which the configuration lacks."
        )


def _put_connections(tx: Transaction, command: OpenHouse) -> None:
    tx.change(_SQL["unconfigure_connections"])
    for position, path in enumerate(command.connections):
        _must_not_resend_elsewhere(tx, path, command.at)
        values = (path.id, path.account, path.name, path.endpoint, position)
        tx.change(_SQL["put_connection"], values)


def _must_not_resend_elsewhere(
    tx: Transaction, path: ConnectionSpec, at: datetime
) -> None:
    """Let only look-ups and people decide what was asked at another endpoint.

    A gateway may know a key at one endpoint alone (Adyen's regions): sent to another
    one, the same bytes would be a second refund.
    """
    known = tx.one(_SQL["endpoint"], (path.id,))
    if known is None or known["endpoint"] == path.endpoint:
        return
    for row in tx.every(_SQL["asked_over"], (path.id,)):
        tx.change(_SQL["stick_key"], (row["id"],))
        data = {"reason": "endpoint_changed", "connection": path.id}
        kind = "refund:key:unprotected"
        tx.append_to_refund(at, kind, SYSTEM.id, row["id"], data)


def _must_equal(what: str, stored: str, given: str) -> None:
    if stored != given:
        raise StoreMismatch(
            f"The store's {what} is {stored}, the configuration says {given}. "
            "It never changes: use another data folder, or correct the configuration."
        )


@unit(AbandonAttempts)
def _abandon(tx: Transaction, command: AbandonAttempts) -> tuple[str, ...]:
    if command.all_open:
        rows, reason = tx.every(_SQL["sending"]), "process_died"
    else:
        # One opened in the future was stamped by a clock that was ahead: its lease
        # would not end for as long, and to ask is safe at any time.
        ahead = micros(command.at + _SET_BACK)
        moments = {"at": micros(command.at), "ahead": ahead}
        rows = tx.every(_SQL["lease_ended"], moments)
        reason = "lease_ended"
    moved: list[str] = []
    for row in rows:
        refund = refund_from_row(row)
        tx.change(_SQL["close_attempt"], (micros(command.at), reason, refund.id))
        applied = tx.apply_event(refund, ProcessDied(command.due_at), command.at)
        tx.save_applied(applied, command.at, SYSTEM.id, {"reason": reason})
        moved.append(refund.id)
    if command.all_open:
        # What a webhook overtook has moved on; only its attempt still stands open.
        tx.change(_SQL["close_every_attempt"], (micros(command.at), reason))
    return tuple(moved)


@unit(AuditNote)
def _note(tx: Transaction, command: AuditNote) -> None:
    tx.append(command.at, command.kind, command.actor, command.refund_id, command.data)


@unit(SaveKeys)
def _save_keys(tx: Transaction, command: SaveKeys) -> None:
    save_keys(tx, command.at, command.keys, command.checks)


def save_keys(
    tx: Transaction,
    at: datetime,
    keys: Sequence[KeyRow],
    checks: Sequence[KeyCheckRow],
) -> None:
    """Insert or replace wrapped keys and check values; audited without the bytes."""
    # A new current key and the retirement of the old one come together, and only one
    # may be current at any moment in between.
    for key in sorted(keys, key=lambda key: key.state != "decrypt_only"):
        values = (
            key.dek_id,
            key.kek_id,
            key.wrapped,
            micros(key.created_at),
            key.uses,
            str(key.state),
        )
        tx.change(_SQL["put_key"], values)
    for check in checks:
        tx.change(_SQL["put_check"], (check.kek_id, check.sealed))
    data: dict[str, JsonValue] = {
        "keys": [
            {"dek_id": key.dek_id, "kek_id": key.kek_id, "state": key.state}
            for key in keys
        ],
        "checks": [check.kek_id for check in checks],
    }
    tx.append(at, "vault:keys:saved", SYSTEM.id, None, data)


@question(LoadKeys)
def _load_keys(reading: Reading, _query: LoadKeys) -> StoredKeys:
    connection = reading.connection
    return StoredKeys(
        tuple(
            StoredKey(
                row["dek_id"],
                row["kek_id"],
                row["wrapped"],
                moment(row["created_at"]),
                row["uses"],
                row["state"],
            )
            for row in connection.execute(_SQL["keys"])
        ),
        tuple(
            StoredCheck(row["kek_id"], row["sealed"])
            for row in connection.execute(_SQL["checks"])
        ),
    )
