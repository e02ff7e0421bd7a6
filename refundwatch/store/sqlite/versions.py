"""Counts what each version of a gateway's API answers, and tells when it changes.

Invariant: a call costs the same however many came before it, and a change is told in
the commit of the call that showed it: notice, audit entry and alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from refundwatch.domain.health import FAILING_OUTCOMES
from refundwatch.domain.policy import SYSTEM
from refundwatch.domain.proportion import Share, difference
from refundwatch.domain.versions import (
    LAST_LOOK,
    Effect,
    Run,
    begun,
    counted,
    is_change,
    judged,
    named,
)
from refundwatch.errors import InvariantBroken
from refundwatch.store.rows import micros, moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import close_alarm, open_alarm

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.contract import CallRecord
    from refundwatch.store.rows import Row
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "versions")

ALARM_VERSION: Final = "version_changed"
LONGEST_NAME: Final = 64
"""A version or status is cut to so many characters: it is a gateway's text."""

_FAILING: Final = FAILING_OUTCOMES - {"unauthorized"}
_TIMED_OUT: Final = frozenset({408, 504})
_DIGEST: Final = 12


@dataclass(frozen=True, slots=True)
class _Key:
    """One operation over one connection."""

    connection: str
    operation: str

    def values(self) -> tuple[str, str]:
        return (self.connection, self.operation)


def on_call(tx: Transaction, call: CallRecord, at: datetime) -> None:
    """Count a call for the version that answers; one that never left says nothing."""
    if not call.sent:
        return
    key = _Key(call.connection, call.operation)
    current = _current(tx, key)
    run = _run_of(tx, key, current, call, at)
    timed_out = call.outcome == "timeout" or call.status in _TIMED_OUT
    run = counted(run, call.started_at, timed_out=timed_out)
    if run.watched:
        run = _watch(tx, key, run, call, at)
    _keep(tx, key, run)


def on_unseen(tx: Transaction, call: CallRecord, status: str, at: datetime) -> None:
    """Tell of a status that an answer gave and nobody documents, once for a version.

    The call was counted before.
    """
    key = _Key(call.connection, call.operation)
    run = _current(tx, key)
    if run is None:
        return
    said = _readable(status) or "-"
    if tx.one(_SQL["knows_status"], (*key.values(), run.version, said)) is not None:
        return
    _open(tx, _Turn(key, run, run, said), call, at)
    _keep(tx, key, replace(run, watched=True))


def _run_of(
    tx: Transaction, key: _Key, current: Run | None, call: CallRecord, at: datetime
) -> Run:
    """Give the run a call counts for; where another one begins, tell of it."""
    answered, asked = _readable(call.version_answered), _readable(call.version_asked)
    name = named(current, answered, asked)
    if current is not None and name.version == current.version:
        return replace(current, stated=name.stated, asked=asked or current.asked)
    known = _known(tx, key, name.version) if current is not None else None
    turned = current is not None and is_change(current, known, name, call.started_at)
    if known is not None and not turned:
        run = replace(known, stated=name.stated, asked=asked or known.asked)
    else:
        run = begun(current, name, asked, call.started_at)
    if current is not None:
        _put(tx, key, current, is_current=False)
        if turned:
            run = replace(run, watched=True)
            _supersede(tx, key, at)
            _open(tx, _Turn(key, current, run), call, at)
    return run


# --- notices ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Turn:
    """From which run to which; `unseen` where only a status is new."""

    key: _Key
    before: Run
    after: Run
    unseen: str | None = None

    @property
    def subject(self) -> str:
        what = self.after.version if self.unseen is None else f"status {self.unseen}"
        return _subject(self.key, what)


def _subject(key: _Key, what: str) -> str:
    return f"{key.connection}:{key.operation}:{what}"


def _open(tx: Transaction, turn: _Turn, call: CallRecord, at: datetime) -> None:
    key, before = turn.key, turn.before.recent
    base = Share() if turn.unseen is None else turn.after.tried
    sample = _sample(call)
    values = (
        *key.values(),
        turn.before.version,
        turn.after.version,
        turn.unseen,
        micros(at),
        before.whole,
        before.part,
        base.whole,
        base.part,
        sample,
    )
    row = tx.one(_SQL["open_notice"], values)
    if row is None:
        raise InvariantBroken("A notice that was opened has no id.")
    said: dict[str, str | int] = {
        "connection": key.connection,
        "operation": key.operation,
        "version_before": turn.before.version,
        "version": turn.after.version,
        "before_calls": before.whole,
        "before_timeouts": before.part,
        "sample": sample,
    }
    if turn.unseen is not None:
        said["unseen_status"] = turn.unseen
    data: dict[str, JsonValue] = {"notice_id": int(row["id"]), **said}
    kind = "version:changed" if turn.unseen is None else "version:unseen_status"
    tx.append(at, kind, SYSTEM.id, None, data)
    detail = {**said, "effect": Effect.OPEN.value}
    open_alarm(tx, at, ALARM_VERSION, turn.subject, detail=detail, severity="info")


def _supersede(tx: Transaction, key: _Key, at: datetime) -> None:
    """End the watch over what no longer answers; too few calls came to judge it."""
    for row in tx.every(_SQL["watching"], key.values()):
        tx.change(_SQL["stop_watching"], (row["id"],))
        if row["effect"] == Effect.OPEN:
            run = _known(tx, key, row["version"])
            after = Share() if run is None else run.tried - _base(row)
            _judge(tx, key, row, Effect.TOO_FEW, after, at)


def _watch(tx: Transaction, key: _Key, run: Run, call: CallRecord, at: datetime) -> Run:
    """Let a call count for the notices that wait for it."""
    watched = False
    for row in tx.every(_SQL["watching"], key.values()):
        if row["version"] != run.version:
            continue
        after = run.tried - _base(row)
        if row["failing_sample"] is None and call.outcome in _FAILING:
            values = (_sample(call), micros(call.started_at), row["id"])
            tx.change(_SQL["note_failing"], values)
        known = Effect(row["effect"])
        effect = judged(known, _before(row), after)
        if effect is not known:
            _judge(tx, key, row, effect, after, at)
        if after.whole >= LAST_LOOK:
            tx.change(_SQL["stop_watching"], (row["id"],))
        else:
            watched = True
    return run if watched else replace(run, watched=False)


def _judge(  # noqa: PLR0917 - the parts of a verdict
    tx: Transaction, key: _Key, row: Row, effect: Effect, after: Share, at: datetime
) -> None:
    """Write a verdict; only more timeouts call people, the rest closes the alarm."""
    before = _before(row)
    tx.change(
        _SQL["judge"],
        {
            "effect": effect.value,
            "at": micros(at),
            "calls": after.whole,
            "timeouts": after.part,
            "id": row["id"],
        },
    )
    said = _verdict(row, effect, before, after)
    data: dict[str, JsonValue] = {
        "notice_id": row["id"],
        "connection": key.connection,
        "operation": key.operation,
        **said,
    }
    tx.append(at, "version:judged", SYSTEM.id, None, data)
    unseen = row["unseen_status"]
    what = row["version"] if unseen is None else f"status {unseen}"
    subject = _subject(key, what)
    close_alarm(tx, at, ALARM_VERSION, subject)
    if effect is Effect.MORE:
        detail = {"connection": key.connection, "operation": key.operation, **said}
        open_alarm(tx, at, ALARM_VERSION, subject, detail=detail)


def _verdict(
    row: Row, effect: Effect, before: Share, after: Share
) -> dict[str, str | int]:
    """Say a verdict with its numbers; differences in hundredths of a percent."""
    seen = difference(before, after)
    said: dict[str, str | int] = {
        "version_before": row["version_before"],
        "version": row["version"],
        "effect": effect.value,
        "before_calls": before.whole,
        "before_timeouts": before.part,
        "after_calls": after.whole,
        "after_timeouts": after.part,
        "difference_basis_points": round(seen.value * 10_000),
        "low_basis_points": round(seen.low * 10_000),
        "high_basis_points": round(seen.high * 10_000),
    }
    if row["failing_sample"] is not None:
        said["failing_sample"] = row["failing_sample"]
    return said


def _before(row: Row) -> Share:
    return Share(row["before_timeouts"], row["before_calls"])


def _base(row: Row) -> Share:
    return Share(row["base_timeouts"], row["base_calls"])


def _sample(call: CallRecord) -> str:
    """Say in codes what a call looked like."""
    status = None if call.status is None else f"HTTP {call.status}"
    digest = call.response_sha256
    mark = None if digest is None else f"sha256:{digest[:_DIGEST]}"
    words = (call.operation, status, call.outcome, call.error, mark)
    return " ".join(word for word in words if word)


def _readable(text: str | None) -> str | None:
    """Cut a gateway's text, and drop what could steer a terminal; None for nothing."""
    if text is None:
        return None
    return "".join(filter(str.isprintable, text[:LONGEST_NAME])).strip() or None


# --- rows -------------------------------------------------------------------------


def _current(tx: Transaction, key: _Key) -> Run | None:
    if tx.sheaf is not None:
        kept = tx.sheaf.runs.get(key.values())
        if isinstance(kept, Run):
            return kept
    row = tx.one(_SQL["current"], key.values())
    return None if row is None else run_from_row(row)


def _known(tx: Transaction, key: _Key, version: str) -> Run | None:
    kept = tx.sheaf.runs.get(key.values()) if tx.sheaf is not None else None
    if isinstance(kept, Run) and kept.version == version:
        return kept
    row = tx.one(_SQL["run"], (*key.values(), version))
    return None if row is None else run_from_row(row)


def _keep(tx: Transaction, key: _Key, run: Run) -> None:
    """Save the current run; of calls that gather, only the last says it."""
    if tx.sheaf is None:
        _put(tx, key, run, is_current=True)
        return
    tx.sheaf.runs[key.values()] = run
    name = " ".join(key.values())
    tx.sheaf.saves[name] = partial(_put, tx, key, run, is_current=True)


def _put(tx: Transaction, key: _Key, run: Run, *, is_current: bool) -> None:
    values = (
        *key.values(),
        run.version,
        int(is_current),
        int(run.stated),
        run.asked,
        micros(run.since),
        micros(run.last_at),
        run.tried.whole,
        run.tried.part,
        run.block.whole,
        run.block.part,
        run.past.whole,
        run.past.part,
        run.lent.whole,
        run.lent.part,
        int(run.watched),
    )
    tx.change(_SQL["put"], values)


def run_from_row(row: Row) -> Run:
    """Read a run."""
    return Run(
        version=row["version"],
        stated=bool(row["stated"]),
        asked=row["asked"],
        since=moment(row["since"]),
        last_at=moment(row["last_at"]),
        tried=Share(row["timeouts"], row["calls"]),
        block=Share(row["block_timeouts"], row["block_calls"]),
        past=Share(row["past_timeouts"], row["past_calls"]),
        lent=Share(row["lent_timeouts"], row["lent_calls"]),
        watched=bool(row["watched"]),
    )
