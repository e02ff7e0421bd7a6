"""Circuits of connections: opened by failures or by hand, closed by reads or by hand.

Invariant: how a circuit stands changes in the commit of the call that changed it, and
every opening and closing is in the log with its reason and author.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.circuit import (
    LONGEST_TRIP,
    Called,
    Circuit,
    Part,
    after_call,
    tripped,
)
from refundwatch.domain.health import FAILING_OUTCOMES
from refundwatch.domain.order import OrderAct, close_detail, trip_detail
from refundwatch.domain.policy import SYSTEM, Permission, may
from refundwatch.errors import ConnectionUnknown, TextInvalid
from refundwatch.store.contract import SetCircuit
from refundwatch.store.rows import micros, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import close_alarm, open_alarm
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.notes import Note, keep_note
from refundwatch.store.sqlite.orders import Ordered, salt_of, take_order
from refundwatch.store.sqlite.registry import Reading, unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.contract import CallRecord
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "circuits")

ALARM_CIRCUIT: Final = "circuit_open"
ORDERS: Final = frozenset({"refund", "void", "cancel"})
"""Operations that move money; every other reads."""


# Refused credentials pause a connection; that is no failure of its gateway.
_FAILING: Final = FAILING_OUTCOMES - {"unauthorized"}

Circuits = dict[Part, Circuit]


def circuits_of(tx: Transaction, connection: str) -> Circuits:
    """Give the circuits of a connection; a part without a row is closed."""
    return _by_part(tx.every(_SQL["of_connection"], (connection,)))


def all_circuits(reading: Reading) -> Mapping[str, Circuits]:
    """Give every connection's circuits."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in reading.connection.execute(_SQL["every"]):
        rows[row["connection"]].append(row)
    return {name: _by_part(found) for name, found in rows.items()}


def _by_part(rows: Iterable[Row]) -> Circuits:
    circuits = {part: Circuit() for part in Part}
    for row in rows:
        circuits[Part(row["part"])] = Circuit(
            failures=row["failures"],
            trips=row["trips"],
            opened_at=optional_moment(row["opened_at"]),
            until=optional_moment(row["until"]),
            good_reads=row["good_reads"],
            reason=row["reason"],
            actor=row["actor"],
        )
    return circuits


def after(circuits: Circuits, call: CallRecord, gap: timedelta) -> Circuits:
    """Give a connection's circuits after a call, without writing anything.

    `gap` is the longest time between two looks at a connection, two probes and more: a
    third of it is worth waiting before the next.
    """
    called = Called(
        part=Part.ORDERS if call.operation in ORDERS else Part.READS,
        started_at=call.started_at,
        ended_at=call.started_at + timedelta(milliseconds=call.duration_ms),
        failure=call.outcome if call.outcome in _FAILING else None,
    )
    wait = gap / 3
    return {part: after_call(it, part, called, wait) for part, it in circuits.items()}


def tell(
    tx: Transaction, connection: str, before: Circuits, now: Circuits, at: datetime
) -> bool:
    """Put what opened and closed by itself into the log; False for nothing."""
    moved = False
    for part, circuit in now.items():
        was_open = before[part].opened_at is not None
        is_open = circuit.opened_at is not None
        if was_open is not is_open:
            moved = True
            _told(tx, _Turn(connection, part, circuit), at)
        moved |= before[part].until != circuit.until
    return moved


def save(tx: Transaction, connection: str, circuits: Circuits) -> None:
    """Write a connection's circuits as they stand."""
    for part, it in circuits.items():
        values = (
            connection,
            part.value,
            it.failures,
            it.trips,
            optional_micros(it.opened_at),
            optional_micros(it.until),
            it.good_reads,
            it.reason,
            it.actor,
        )
        tx.change(_SQL["put"], values)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A circuit that opened or closed: which, how it stands now, by whom."""

    connection: str
    part: Part
    circuit: Circuit
    actor: str = SYSTEM.id


def _told(
    tx: Transaction,
    turn: _Turn,
    at: datetime,
    said: Mapping[str, JsonValue] | None = None,
) -> None:
    circuit, subject = turn.circuit, f"{turn.connection}:{turn.part}"
    data: dict[str, JsonValue] = {
        "connection": turn.connection,
        "part": turn.part.value,
        **(said or {}),
    }
    if circuit.opened_at is None:
        tx.append(at, "circuit:closed", turn.actor, None, data)
        close_alarm(tx, at, ALARM_CIRCUIT, subject)
        tx.touch("send", "lookup")
        return
    data["because"] = circuit.reason
    data["until"] = None if circuit.until is None else micros(circuit.until)
    tx.append(at, "circuit:opened", turn.actor, None, data)
    detail = {"reason": circuit.reason or "", "by": circuit.actor or SYSTEM.id}
    open_alarm(tx, at, ALARM_CIRCUIT, subject, detail=detail)


@unit(SetCircuit)
def _set_circuit(tx: Transaction, command: SetCircuit) -> None:
    principal = tx.as_it_is_now(command.principal)
    name = command.connection
    denial = may(principal, Permission.CONNECTION_CONTROL)
    if denial is not None:
        data: dict[str, str | int | None] = {"connection": name[:64]}
        raise denied(denial, command.at, principal.id, None, "circuit:set", data=data)
    if tx.one(_SQL["is_configured"], (name,)) is None:
        raise ConnectionUnknown(f"There is no connection {name[:64]!a}.")
    lasts = command.lasts
    if lasts is not None and not timedelta() < lasts <= LONGEST_TRIP:
        raise TextInvalid("A trip lasts up to 7 days.", field="seconds")
    signed = take_order(tx, _ordered(command))
    circuits = circuits_of(tx, name)
    after_it = Circuit()
    if command.opens:
        after_it = tripped(
            circuits[command.part],
            command.at,
            command.reason_code,
            principal.id,
            lasts,
        )
    save(tx, name, {command.part: after_it})
    kind = "circuit:opened" if command.opens else "circuit:closed"
    note = Note(name, kind, principal.id, command.at)
    said: dict[str, JsonValue] = {
        "reason": command.reason_code,
        "reason_commitment": keep_note(
            tx, note, command.reason_text, salt_of(command.signing)
        ),
        **signed,
    }
    turn = _Turn(name, command.part, after_it, principal.id)
    _told(tx, turn, command.at, said)
    tx.health_changed()


def _ordered(command: SetCircuit) -> Ordered:
    part, lasts = command.part.value, command.lasts
    seconds = None if lasts is None else round(lasts.total_seconds())
    return Ordered(
        at=command.at,
        principal=command.principal,
        act=OrderAct.TRIP if command.opens else OrderAct.CLOSE,
        subject=command.connection,
        detail=trip_detail(part, seconds) if command.opens else close_detail(part),
        reason_code=command.reason_code,
        reason_text=command.reason_text,
        signing=command.signing,
    )
