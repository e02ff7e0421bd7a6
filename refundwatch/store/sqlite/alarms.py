"""Alarms from opening to close.

Invariant: at most one alarm of a kind stands open about one subject, and opening,
acknowledging and closing each has its audit entry.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import SYSTEM, Permission, may
from refundwatch.errors import AlarmUnknown, InvariantBroken
from refundwatch.store.contract import (
    AcknowledgeAlarm,
    AlarmRow,
    CloseAlarm,
    ListAlarms,
    MarkAlarmsSent,
    RaiseAlarm,
    RaiseDoubtAlarms,
)
from refundwatch.store.rows import micros, moment, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.registry import Reading, question, unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "alarms")

ALARM_SILENCE: Final = "webhook_silence"
DOUBT_PREFIX: Final = "refund_unknown_"
REVIEW_KINDS: Final = (
    "refund_contradiction",
    "refund_executed_unsent",
    "refund_unresolvable",
    "refund_unseen_status",
)
"""Alarms that ask for a review, and end with it."""

_CRITICAL: Final = frozenset(
    {
        "operators_unproven",
        "refund_contradiction",
        "refund_executed_after_end",
        "refund_executed_unsent",
        "refund_row_unproven",
        "payment_over_captured",
        "payment_refunded_elsewhere",
        "token_row_unproven",
    }
)
_TOLD_ONCE: Final = frozenset(
    {
        "delivery_contradicts_read",
        "delivery_unconfirmed",
        "delivery_unmatched",
        "dispute_unmatched",
        "external_refund_unbooked",
        "not_expressible",
        "payment_refunded_elsewhere",
        "refund_executed_after_end",
        "refund_row_unproven",
        "store_refused",
        "token_row_unproven",
        "tokens_adopted",
        "version_changed",
    }
)
"""Alarms about something that happened: no later event takes them back, so they end
when somebody has seen them. Left open they would swallow the next of their kind."""

_HOUR: Final = 3600
_DAY: Final = 86_400


def open_alarm(
    tx: Transaction,
    at: datetime,
    kind: str,
    subject: str,
    *,
    detail: Mapping[str, str | int],
    refund_id: str | None = None,
    severity: str | None = None,
) -> int:
    """Open an alarm, or find the open one; the severity follows from the kind."""
    row = tx.one(_SQL["open_one"], (kind, subject))
    if row is not None:
        return int(row["id"])
    weight = severity or ("critical" if kind in _CRITICAL else "warning")
    stated = json.dumps(dict(detail), sort_keys=True)
    values = (kind, weight, subject, micros(at), stated)
    row = tx.one(_SQL["open"], values)
    if row is None:
        raise InvariantBroken("An alarm that was opened has no id.")
    alarm_id = int(row["id"])
    data: dict[str, JsonValue] = {
        "alarm_id": alarm_id,
        "kind": kind,
        "severity": weight,
        "subject": subject,
        "detail": detail,
    }
    tx.append(at, "alarm:opened", SYSTEM.id, refund_id, data)
    tx.touch("alarm")
    return alarm_id


def close_alarm(tx: Transaction, at: datetime, kind: str, subject: str) -> None:
    """Close the open alarm of a kind and subject, if there is one."""
    row = tx.one(_SQL["open_one"], (kind, subject))
    if row is not None:
        _close(tx, at, int(row["id"]), kind, subject)


def close_prefixed(tx: Transaction, at: datetime, prefix: str, subject: str) -> None:
    """Close every open alarm of a subject whose kind begins so."""
    for row in tx.every(_SQL["open_of_subject"], (subject,)):
        if row["kind"].startswith(prefix):
            _close(tx, at, int(row["id"]), row["kind"], subject)


def _close(
    tx: Transaction, at: datetime, alarm_id: int, kind: str, subject: str
) -> None:
    tx.change(_SQL["close"], (micros(at), alarm_id))
    data: dict[str, JsonValue] = {
        "alarm_id": alarm_id,
        "kind": kind,
        "subject": subject,
    }
    tx.append(at, "alarm:closed", SYSTEM.id, None, data)


def alarm_from_row(row: Row) -> AlarmRow:
    """Read an alarm."""
    return AlarmRow(
        id=row["id"],
        kind=row["kind"],
        severity=row["severity"],
        subject=row["subject"],
        opened_at=moment(row["opened_at"]),
        detail=json.loads(row["detail"]),
        acknowledged_at=optional_moment(row["acknowledged_at"]),
        acknowledged_by=row["acknowledged_by"],
        closed_at=optional_moment(row["closed_at"]),
        sent_at=optional_moment(row["sent_at"]),
    )


@unit(RaiseAlarm)
def _raise_alarm(tx: Transaction, command: RaiseAlarm) -> int:
    return open_alarm(
        tx,
        command.at,
        command.kind,
        command.subject,
        detail=command.detail,
        severity=command.severity,
    )


@unit(AcknowledgeAlarm)
def _acknowledge(tx: Transaction, command: AcknowledgeAlarm) -> AlarmRow:
    actor, alarm_id = command.principal, command.alarm_id
    denial = may(actor, Permission.ALARM_ACKNOWLEDGE)
    if denial is not None:
        raise denied(denial, command.at, actor.id, None, "alarm:acknowledge")
    if tx.change(_SQL["acknowledge"], (micros(command.at), actor.id, alarm_id)):
        tx.append(
            command.at, "alarm:acknowledged", actor.id, None, {"alarm_id": alarm_id}
        )
    row = tx.one(_SQL["one"], (alarm_id,))
    if row is None:
        raise AlarmUnknown(f"There is no alarm {alarm_id}.")
    if row["kind"] in _TOLD_ONCE and row["closed_at"] is None:
        _close(tx, command.at, alarm_id, row["kind"], row["subject"])
        row = tx.one(_SQL["one"], (alarm_id,)) or row
    return alarm_from_row(row)


@unit(CloseAlarm)
def _close_alarm(tx: Transaction, command: CloseAlarm) -> None:
    close_alarm(tx, command.at, command.kind, command.subject)


@unit(MarkAlarmsSent)
def _mark_sent(tx: Transaction, command: MarkAlarmsSent) -> None:
    for alarm_id in command.alarm_ids:
        tx.change(_SQL["sent"], (micros(command.at), alarm_id))


@unit(RaiseDoubtAlarms)
def _raise_doubt(tx: Transaction, command: RaiseDoubtAlarms) -> int:
    """Raise one alarm for each age that a refund has newly passed."""
    raised = 0
    for place, age in enumerate(sorted(command.ages_seconds)):
        before = micros(command.at - timedelta(seconds=age))
        for row in tx.every(_SQL["in_doubt"], (before, age)):
            open_alarm(
                tx,
                command.at,
                DOUBT_PREFIX + _age_word(age),
                row["id"],
                detail={"age_seconds": age},
                refund_id=row["id"],
                severity="critical" if place else "warning",
            )
            tx.change(_SQL["doubt_rung"], (age, row["id"]))
            raised += 1
    return raised


def _age_word(seconds: int) -> str:
    for size, letter in ((_DAY, "d"), (_HOUR, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


@question(ListAlarms)
def _list_alarms(reading: Reading, query: ListAlarms) -> tuple[AlarmRow, ...]:
    values = {
        "closed": query.include_closed,
        "unsent": query.unsent_only,
        "limit": query.limit,
    }
    rows = reading.connection.execute(_SQL["list"], values)
    return tuple(alarm_from_row(row) for row in rows)
