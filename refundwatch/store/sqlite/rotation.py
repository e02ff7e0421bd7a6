"""A new data key reaches every sealed value, and then the old ones are destroyed.

Invariant: a batch moves its values and its own place in one commit, so that a kill
leaves the walk where the values are; an old key is destroyed in the commit that ends
a pass in which no value named it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import SYSTEM, Permission, may
from refundwatch.errors import InvariantBroken, KeyRotationRunning, SealBroken
from refundwatch.store.contract.keys import (
    CountSealed,
    LatestRotation,
    ResealSome,
    RotationRow,
    SealedCount,
    StartRotation,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import alarms
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.house import save_keys
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.sealed_columns import (
    SEALED,
    SealedTable,
    leaving_nothing,
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "rotation")

ALARM_UNREADABLE: Final = "sealed_unreadable"
_HEAD_BYTES: Final = 5
_TOLD_EVERY: Final = 10_000
"""An entry of the log for so many values: a walk is followed there too."""


@unit(StartRotation)
def _start(tx: Transaction, command: StartRotation) -> RotationRow:
    principal = command.principal
    if principal != SYSTEM:
        denial = may(principal, Permission.KEY_MANAGE)
        if denial is not None:
            raise denied(denial, command.at, principal.id, None, "keys:rotate")
    running = tx.one(_SQL["open"])
    if running is not None and command.cause == "asked":
        raise KeyRotationRunning(
            "Values are being sealed anew already: see `keys status`."
        )
    if command.keys or command.checks:
        save_keys(tx, command.at, command.keys, command.checks)
    values: dict[str, SqlValue] = {
        "dek_id": command.dek_id,
        "cause": command.cause,
        "actor": principal.id,
        "at": micros(command.at),
    }
    if running is None:
        tx.change(_SQL["begin"], values)
    else:
        turned = {"dek_id": command.dek_id, "at": values["at"], "id": running["id"]}
        tx.change(_SQL["turn"], turned)
    data: dict[str, JsonValue] = {"dek_id": command.dek_id, "cause": command.cause}
    tx.append(command.at, "vault:rotation:started", principal.id, None, data)
    return _latest_of(tx)


@unit(ResealSome)
def _reseal(tx: Transaction, command: ResealSome) -> RotationRow | None:
    row = tx.one(_SQL["open"])
    if row is None:
        return None
    current = tx.one(_SQL["current"])
    if current is None or current["dek_id"] != row["dek_id"]:
        raise InvariantBroken("The rotation's key is not the current one.")
    if row["place"] < len(SEALED):
        _walk(tx, row, command)
    else:
        _end_pass(tx, row, command.at)
    return _latest_of(tx)


@dataclass(slots=True)
class _Batch:
    """What one batch did."""

    resealed: int = 0
    unreadable: int = 0


def _walk(tx: Transaction, rotation: Row, command: ResealSome) -> None:
    table = SEALED[rotation["place"]]
    values = _after(rotation["behind"], table, command.at_most)
    rows = tx.every(_heads(table, first=rotation["behind"] is None), values)
    batch = _Batch()
    for row in rows:
        for column in table.columns:
            head = row[column]
            if head and int.from_bytes(head[1:], "big") != rotation["dek_id"]:
                _seal_anew(tx, table, row, column, batch, rotation["dek_id"])
    last = len(rows) < command.at_most
    behind = None if last else _place_of(table, rows[-1])
    moved: dict[str, SqlValue] = {
        "place": rotation["place"] + 1 if last else rotation["place"],
        "behind": behind,
        "at": micros(command.at),
        "walked": len(rows),
        "resealed": batch.resealed,
        "unreadable": batch.unreadable,
        "id": rotation["id"],
    }
    tx.change(_SQL["move"], moved)
    _tell_progress(tx, rotation, batch.resealed, command.at)


def _seal_anew(  # noqa: PLR0917 - the place of a value is three words
    tx: Transaction,
    table: SealedTable,
    row: Row,
    column: str,
    batch: _Batch,
    dek_id: int,
) -> None:
    key = tuple(row[name] for name in table.key)
    whole = tx.one(_value(table, column), key)
    old = None if whole is None else whole[column]
    if not old:
        return
    primary_key = table.primary_key(row)
    try:
        plain = tx.sealer.open(table.name, primary_key, column, old)
    except SealBroken:
        # It stays as it is, and with it the key that it names.
        batch.unreadable += 1
        return
    new = tx.sealer.seal(table.name, primary_key, column, plain)
    if int.from_bytes(new[1:_HEAD_BYTES], "big") != dek_id:
        raise InvariantBroken("The vault seals under another key than the current one.")
    tx.change(_swap(table, column), (new, *key, old))
    batch.resealed += 1


def _tell_progress(tx: Transaction, rotation: Row, resealed: int, at: datetime) -> None:
    before = rotation["resealed"]
    if (before + resealed) // _TOLD_EVERY == before // _TOLD_EVERY:
        return
    data: dict[str, JsonValue] = {
        "dek_id": rotation["dek_id"],
        "resealed": before + resealed,
    }
    tx.append(at, "vault:rotation:progress", SYSTEM.id, None, data)


def _end_pass(tx: Transaction, rotation: Row, at: datetime) -> None:
    """Walk once more where something was found; else destroy what nothing names."""
    if rotation["found"]:
        tx.change(_SQL["next_pass"], {"id": rotation["id"]})
        return
    destroyed: list[int] = []
    if not rotation["unreadable"]:
        destroyed = [row["dek_id"] for row in tx.every(_SQL["retired"])]
    with leaving_nothing(tx.connection):
        for dek_id in destroyed:
            tx.change(_SQL["destroy"], (dek_id,))
    values: dict[str, SqlValue] = {
        "at": micros(at),
        "destroyed": json.dumps(destroyed),
        "id": rotation["id"],
    }
    tx.change(_SQL["finish"], values)
    data: dict[str, JsonValue] = {
        "dek_id": rotation["dek_id"],
        "resealed": rotation["resealed"],
        "unreadable": rotation["unreadable"],
        "destroyed": destroyed,
    }
    tx.append(at, "vault:rotation:finished", SYSTEM.id, None, data)
    if rotation["unreadable"]:
        detail = {"values": rotation["unreadable"]}
        alarms.open_alarm(
            tx, at, ALARM_UNREADABLE, "vault", detail=detail, severity="critical"
        )
    else:
        alarms.close_alarm(tx, at, ALARM_UNREADABLE, "vault")


@question(LatestRotation)
def _latest(reading: Reading, _query: LatestRotation) -> RotationRow | None:
    row = reading.connection.execute(_SQL["latest"]).fetchone()
    return None if row is None else _rotation(row)


@question(CountSealed)
def _count(reading: Reading, query: CountSealed) -> SealedCount | None:
    if query.place >= len(SEALED):
        return None
    table = SEALED[query.place]
    values = _after(query.behind, table, query.at_most)
    sql = _heads(table, first=query.behind is None)
    rows = reading.connection.execute(sql, values).fetchall()
    counted = Counter(
        int.from_bytes(row[column][1:], "big")
        for row in rows
        for column in table.columns
        if row[column]
    )
    if len(rows) < query.at_most:
        return SealedCount(counted, query.place + 1, None)
    return SealedCount(counted, query.place, _place_of(table, rows[-1]))


def _latest_of(tx: Transaction) -> RotationRow:
    row = tx.one(_SQL["latest"])
    if row is None:
        raise InvariantBroken("The rotation that was written is gone.")
    return _rotation(row)


def _rotation(row: Row) -> RotationRow:
    return RotationRow(
        id=row["id"],
        dek_id=row["dek_id"],
        cause=row["cause"],
        started_by=row["started_by"],
        started_at=moment(row["started_at"]),
        moved_at=moment(row["moved_at"]),
        finished_at=optional_moment(row["finished_at"]),
        passes=row["passes"],
        walked=row["walked"],
        resealed=row["resealed"],
        unreadable=row["unreadable"],
        destroyed=tuple(json.loads(row["destroyed"])),
    )


# --- SQL of our own names ---------------------------------------------------------


def _after(behind: str | None, table: SealedTable, limit: int) -> dict[str, SqlValue]:
    """Give the values by which the next rows of a table are found."""
    values: dict[str, SqlValue] = {"limit": limit}
    if behind is not None:
        values |= dict(zip(_names(table), json.loads(behind), strict=True))
    return values


def _place_of(table: SealedTable, row: Row) -> str:
    return json.dumps([row[column] for column in table.key])


def _names(table: SealedTable) -> list[str]:
    return [f"key_{number}" for number in range(len(table.key))]


@cache
def _heads(table: SealedTable, *, first: bool) -> str:
    """Select keys and the heads of sealed values: layout and data key, no more."""
    key = ", ".join(table.key)
    heads = ", ".join(f"substr({it}, 1, {_HEAD_BYTES}) AS {it}" for it in table.columns)
    places = ", ".join(f":{name}" for name in _names(table))
    where = "" if first else f"WHERE ({key}) > ({places})"
    return (
        f"SELECT {key}, {heads} FROM {table.name} {where} ORDER BY {key} LIMIT :limit"  # noqa: S608 - own names
    )


@cache
def _value(table: SealedTable, column: str) -> str:
    return f"SELECT {column} FROM {table.name} WHERE {_is_row(table)}"  # noqa: S608 - own names


@cache
def _swap(table: SealedTable, column: str) -> str:
    return (
        f"UPDATE {table.name} SET {column} = ? WHERE {_is_row(table)} AND {column} = ?"  # noqa: S608 - own names
    )


def _is_row(table: SealedTable) -> str:
    return " AND ".join(f"{name} = ?" for name in table.key)
