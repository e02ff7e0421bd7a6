"""Calls and what they say of their connection: health, outages, pauses.

Invariant: a call is recorded in the commit of what it brought, its connection's
health with it. A connection whose credentials are refused is paused, and goes on by
itself at the next answer that proves them good.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from refundwatch.domain.health import (
    FAILING_OUTCOMES,
    HealthState,
    Observation,
    Observed,
    observe,
)
from refundwatch.domain.policy import SYSTEM
from refundwatch.domain.refund import RefundState
from refundwatch.store.contract import (
    ConnectionRow,
    ListConnections,
    ListOutages,
    OutageRow,
    RecordCall,
)
from refundwatch.store.rows import micros, moment, optional_micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import rollups, versions
from refundwatch.store.sqlite.alarms import close_alarm, open_alarm
from refundwatch.store.sqlite.circuits import Circuits, all_circuits, circuits_of
from refundwatch.store.sqlite.circuits import after as call_circuits
from refundwatch.store.sqlite.circuits import save as save_circuits
from refundwatch.store.sqlite.circuits import tell as tell_circuits
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.sound import sound_call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.store.contract import CallRecord
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "health")

UNAUTHORIZED: Final = "unauthorized"
ALARM_UNAUTHORIZED: Final = "connection_unauthorized"
ALARM_DOWN: Final = "connection_down"
_DENIED_STATUS: Final = frozenset({401, 403})


@unit(RecordCall)
def _record(tx: Transaction, command: RecordCall) -> None:
    record_call(tx, sound_call(command.call), command.at)


def record_call(
    tx: Transaction, call: CallRecord, at: datetime, refund_id: str | None = None
) -> None:
    """Record one exchange and what follows for its connection.

    A connection that is not known (its configuration is gone) is passed over: what
    the call brought must not be lost with it.
    """
    standing = _standing(tx, call.connection)
    if standing is None:
        return
    tx.put(_SQL["add_call"], _call_columns(call, refund_id))
    versions.on_call(tx, call, at)
    state, gap = standing.state, standing.gap
    failure = call.outcome if call.outcome in FAILING_OUTCOMES else None
    ended_at = call.started_at + timedelta(milliseconds=call.duration_ms)
    seen = observe(state, Observation(ended_at, failure), gap)
    since = state.last_failure_at
    if since is not None and since > ended_at + gap:
        # The clock was set back meanwhile: no call could begin after that refusal.
        since = None
    paused = _pause_after(standing.paused, since, call)
    circuits = call_circuits(standing.circuits, call, gap)
    _stand(tx, call.connection, _Standing(seen.state, paused, gap, circuits))
    if circuits != standing.circuits:
        _follow_circuits(tx, call.connection, standing.circuits, circuits, at)
    _count(tx, call.connection, seen)
    _follow_outage(tx, call, seen, at)
    if paused != standing.paused:
        _follow_pause(tx, call.connection, paused, at)
    if paused != standing.paused or seen.state.health is not state.health:
        tx.health_changed()


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a connection stands: its health, its pause, and the gap of its house."""

    state: HealthState
    paused: str | None
    gap: timedelta
    circuits: Circuits


def _standing(tx: Transaction, connection: str) -> _Standing | None:
    """Give how a connection stands, as the calls before this one left it."""
    known = tx.sheaf.standings.get(connection) if tx.sheaf is not None else None
    if isinstance(known, _Standing):
        return known
    row = tx.one(_SQL["connection"], (connection,))
    if row is None:
        return None
    gap = timedelta(microseconds=row["observation_gap_us"])
    return _Standing(_state_of(row), row["paused"], gap, circuits_of(tx, connection))


def _stand(tx: Transaction, connection: str, standing: _Standing) -> None:
    """Save how a connection stands; of calls that gather, only the last says it."""
    if tx.sheaf is None:
        _save(tx, connection, standing.state, standing.paused)
        return
    tx.sheaf.standings[connection] = standing
    tx.sheaf.saves[connection] = partial(
        _save, tx, connection, standing.state, standing.paused
    )


def _follow_circuits(
    tx: Transaction, connection: str, before: Circuits, now: Circuits, at: datetime
) -> None:
    save_circuits(tx, connection, now)
    if tell_circuits(tx, connection, before, now, at):
        tx.health_changed()


def _call_columns(call: CallRecord, refund_id: str | None) -> tuple[SqlValue, ...]:
    return (
        call.connection,
        refund_id,
        call.operation,
        micros(call.started_at),
        call.duration_ms,
        call.outcome,
        int(call.sent),
        call.status,
        call.error,
        call.version_asked,
        call.version_answered,
        call.response_sha256,
        call.retry_after_seconds,
    )


def _state_of(row: Row) -> HealthState:
    return HealthState(
        seen_at=optional_moment(row["seen_at"]),
        failures=row["failures"],
        failing_since=optional_moment(row["failing_since"]),
        down_since=optional_moment(row["down_since"]),
        last_ok_at=optional_moment(row["last_ok_at"]),
        last_failure_at=optional_moment(row["last_failure_at"]),
        last_failure=row["last_failure"],
    )


def _pause_after(
    paused: str | None, since: datetime | None, call: CallRecord
) -> str | None:
    """Say whether the connection is paused after this call.

    Only a call that began after the refusal, at `since`, speaks of the credentials as
    they are.
    """
    if call.outcome == UNAUTHORIZED:
        return paused or UNAUTHORIZED
    proves = (
        call.outcome in {"ok", "refused"}
        and call.status not in _DENIED_STATUS
        and (since is None or call.started_at >= since)
    )
    return None if paused == UNAUTHORIZED and proves else paused


def _save(
    tx: Transaction, connection: str, state: HealthState, paused: str | None
) -> None:
    values: dict[str, SqlValue] = {
        "id": connection,
        "paused": paused,
        "seen_at": optional_micros(state.seen_at),
        "failures": state.failures,
        "failing_since": optional_micros(state.failing_since),
        "down_since": optional_micros(state.down_since),
        "last_ok_at": optional_micros(state.last_ok_at),
        "last_failure_at": optional_micros(state.last_failure_at),
        "last_failure": state.last_failure,
    }
    tx.change(_SQL["save_health"], values)


def _count(tx: Transaction, connection: str, seen: Observed) -> None:
    observed = () if seen.observed is None else (seen.observed,)
    rollups.on_observed(tx, connection, observed, seen.down)


def _follow_outage(
    tx: Transaction, call: CallRecord, seen: Observed, at: datetime
) -> None:
    name = call.connection
    if seen.opened is not None:
        cause, began = seen.opened.cause, micros(seen.opened.started_at)
        sample = _sample(call)
        tx.change(_SQL["open_outage"], (name, began, cause, sample))
        open_alarm(tx, at, ALARM_DOWN, name, detail={"cause": cause, "sample": sample})
    if seen.closed is not None:
        tx.change(_SQL["close_outage"], (micros(seen.closed.end), name))
        close_alarm(tx, at, ALARM_DOWN, name)


def _sample(call: CallRecord) -> str:
    """Say in codes what the failure that opened an outage looked like."""
    status = None if call.status is None else f"HTTP {call.status}"
    words = (call.operation, status, call.error)
    return " ".join(word for word in words if word)


def _follow_pause(
    tx: Transaction, connection: str, paused: str | None, at: datetime
) -> None:
    data = {"connection": connection, "reason": UNAUTHORIZED}
    if paused is None:
        tx.append(at, "connection:resumed", SYSTEM.id, None, data)
        close_alarm(tx, at, ALARM_UNAUTHORIZED, connection)
        tx.touch("send")
        return
    tx.append(at, "connection:paused", SYSTEM.id, None, data)
    open_alarm(tx, at, ALARM_UNAUTHORIZED, connection, detail={}, severity="critical")


# --- questions --------------------------------------------------------------------


@question(ListConnections)
def _list_connections(
    reading: Reading, _: ListConnections
) -> tuple[ConnectionRow, ...]:
    """List the connections with the open work of each.

    `queued` counts what was last tried over the connection and what waits in its
    account for any of them.
    """
    work: dict[tuple[str, str, str], int] = {
        (row["account"], row["connection"], row["state"]): row["count"]
        for row in reading.connection.execute(_SQL["open_work"])
    }
    circuits = all_circuits(reading)
    rows = reading.connection.execute(_SQL["connections"])
    return tuple(
        _connection_from_row(row, work, circuits.get(row["id"], {})) for row in rows
    )


def _connection_from_row(
    row: Row, work: Mapping[tuple[str, str, str], int], circuits: Circuits
) -> ConnectionRow:
    state = _state_of(row)

    def count(which: RefundState, connection: str) -> int:
        return work.get((row["account"], connection, which.value), 0)

    return ConnectionRow(
        id=row["id"],
        account=row["account"],
        gateway=row["gateway"],
        endpoint=row["endpoint"],
        health=state.health.value,
        paused=row["paused"],
        consecutive_failures=state.failures,
        last_ok_at=state.last_ok_at,
        last_failure_at=state.last_failure_at,
        last_failure=state.last_failure,
        down_since=state.down_since,
        queued=count(RefundState.QUEUED, "") + count(RefundState.QUEUED, row["id"]),
        sending=count(RefundState.SENDING, row["id"]),
        unknown=count(RefundState.UNKNOWN, row["id"]),
        circuits=circuits,
    )


@question(ListOutages)
def _list_outages(reading: Reading, query: ListOutages) -> tuple[OutageRow, ...]:
    rows = reading.connection.execute(_SQL["outages"], (micros(query.since),))
    return tuple(
        OutageRow(
            connection=row["connection"],
            started_at=moment(row["started_at"]),
            ended_at=optional_moment(row["ended_at"]),
            cause=row["cause"],
            sample=row["sample"],
        )
        for row in rows
    )
