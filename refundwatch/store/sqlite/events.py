"""What became known about a refund or its payment, booked in one commit.

Invariant: an attempt is open exactly as long as its refund is `sending`; a fact is
booked whatever limit it breaks, and a conclusion that comes too late changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import (
    GatewayWord,
    NotExecuted,
    RefundEvent,
    Refusal,
    Unanswered,
)
from refundwatch.domain.policy import SYSTEM
from refundwatch.domain.refund import Refund, RefundState, Word
from refundwatch.store.contract import ApplyEvent, Postpone, RecordPaymentRead
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import open_alarm
from refundwatch.store.sqlite.health import record_call
from refundwatch.store.sqlite.outside import (
    adopt_external,
    book_beside,
    book_external,
    freeze_and_hold,
    over_captured,
)
from refundwatch.store.sqlite.registry import joined_unit, unit
from refundwatch.store.sqlite.sound import sound_call, sound_event
from refundwatch.store.sqlite.versions import on_unseen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.transition import Applied
    from refundwatch.store.contract import CallRecord
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "events")
_OUTSIDE = named_queries("sqlite", "outside")
S = RefundState

CURRENCY_DIFFERS: Final = "currency_mismatch"
DISPUTED: Final = "disputed"
ALARM_DISPUTED: Final = "payment_disputed"
ALARM_CURRENCY: Final = "payment_currency_mismatch"


@joined_unit(ApplyEvent)
def _apply_all(tx: Transaction, commands: Sequence[ApplyEvent]) -> list[Applied]:
    with tx.gathering():
        return [_apply_event(tx, command) for command in commands]


def _apply_event(tx: Transaction, command: ApplyEvent) -> Applied:
    refund = tx.load_refund(command.refund_id)
    return bring(tx, refund, command.event, command.at, call=command.call)


def bring(
    tx: Transaction,
    refund: Refund,
    event: RefundEvent,
    at: datetime,
    *,
    call: CallRecord | None = None,
    data: Mapping[str, JsonValue] | None = None,
) -> Applied:
    """Apply an event with the exchange that brought it; `data` goes into the entry."""
    event = sound_event(event)
    call = call and sound_call(call)
    applied = tx.apply_event(refund, event, at)
    if refund.state is S.SENDING and applied.after.state is not S.SENDING:
        _close_attempt(tx, applied, event, call, at)
    if call is not None:
        record_call(tx, call, at, refund.id)
        if isinstance(event, GatewayWord) and event.word is Word.UNSEEN:
            on_unseen(tx, call, event.evidence.raw_status, at)
    adopt_external(tx, applied, at)
    stated = {**_stated(event, call), **(data or {})}
    tx.save_applied(applied, at, SYSTEM.id, stated)
    if isinstance(event, GatewayWord):
        book_beside(tx, applied, event, at)
    return applied


def _stated(event: RefundEvent, call: CallRecord | None) -> dict[str, JsonValue]:
    """Say in the entry why this is believed: codes, and a digest of the bytes."""
    stated: dict[str, JsonValue] = {}
    match event:
        case GatewayWord(evidence=evidence):
            stated["source"] = evidence.source
            stated["raw_status"] = evidence.raw_status
        case NotExecuted(reason=reason) | Unanswered(reason=reason):
            stated["reason"] = reason
        case Refusal(code=code):
            stated["reason"] = code
        case _:
            pass
    if call is not None and call.response_sha256 is not None:
        stated["response_sha256"] = call.response_sha256
    return stated


# --- attempts ---------------------------------------------------------------------

_OUTCOMES: Final = {
    S.QUEUED: "not_executed",
    S.UNKNOWN: "unknown",
    S.PENDING: "pending",
    S.SUCCEEDED: "succeeded",
    S.SETTLED: "succeeded",
    S.REVERSED: "succeeded",
    S.DECLINED: "declined",
    S.REVIEW: "review",
}


def _close_attempt(
    tx: Transaction,
    applied: Applied,
    event: RefundEvent,
    call: CallRecord | None,
    at: datetime,
) -> None:
    outcome, reason = _meaning(event, applied.after)
    values: dict[str, SqlValue] = {
        "refund": applied.after.id,
        "at": micros(at),
        "outcome": outcome,
        "reason": reason,
        "status": None if call is None else call.status,
        "duration_ms": None if call is None else call.duration_ms,
        "response_sha256": None if call is None else call.response_sha256,
    }
    tx.change(_SQL["close_attempt"], values)


def _meaning(event: RefundEvent, after: Refund) -> tuple[str, str | None]:
    match event:
        case NotExecuted(reason=reason):
            return "not_executed", reason
        case Unanswered(reason=reason):
            return "unknown", reason
        case Refusal(code=code):
            return "declined", code
        case GatewayWord(evidence=evidence):
            why = after.review_reason or evidence.failure_code or evidence.raw_status
            return _OUTCOMES[after.state], why
        case _:
            return _OUTCOMES[after.state], None


# --- the next look ----------------------------------------------------------------


@unit(Postpone)
def _postpone(tx: Transaction, command: Postpone) -> None:
    refund = tx.load_refund(command.refund_id)
    tx.change(_SQL["postpone"], (micros(command.due_at), refund.id))
    if command.call is not None:
        record_call(tx, sound_call(command.call), command.at, refund.id)


# --- the original payment ---------------------------------------------------------


@unit(RecordPaymentRead)
def _record_read(tx: Transaction, command: RecordPaymentRead) -> None:
    payment_id, at = command.payment_id, command.at
    balance = tx.load_balance(payment_id)
    if command.disputed:
        freeze_and_hold(tx, payment_id, DISPUTED, at)
        open_alarm(tx, at, ALARM_DISPUTED, payment_id, detail={"source": "read"})
    if command.currency not in {None, balance.currency}:
        # Its amounts count in other units: nothing of them may be booked here.
        freeze_and_hold(tx, payment_id, CURRENCY_DIFFERS, at)
        detail = {"stored": balance.currency, "read": command.currency or ""}
        open_alarm(tx, at, ALARM_CURRENCY, payment_id, detail=detail)
        return
    if command.captured_minor is None:
        _mark_declared(tx, command)
        return
    _book_captured(tx, command, command.captured_minor)
    _book_refunded(tx, command)


def _mark_declared(tx: Transaction, command: RecordPaymentRead) -> None:
    values = (micros(command.at), command.payment_id)
    if tx.change(_OUTSIDE["mark_declared"], values):
        data: dict[str, JsonValue] = {"payment_id": command.payment_id}
        tx.append(command.at, "payment:declared", SYSTEM.id, None, data)


def _book_captured(
    tx: Transaction, command: RecordPaymentRead, captured_minor: int
) -> None:
    balance = tx.load_balance(command.payment_id)
    if balance.reserved_minor + balance.refunded_minor > captured_minor:
        # Frozen first: only a frozen payment may stand beyond its limit.
        over_captured(tx, balance.id, "payment_read", command.at)
    tx.change(_OUTSIDE["book_read"], (captured_minor, micros(command.at), balance.id))
    data: dict[str, JsonValue] = {
        "payment_id": balance.id,
        "captured_before": balance.captured_minor,
        "captured_minor": captured_minor,
        "refunded_minor": command.refunded_minor,
    }
    tx.append(command.at, "payment:read", SYSTEM.id, None, data)


def _book_refunded(tx: Transaction, command: RecordPaymentRead) -> None:
    """Book as external what the gateway has refunded and we cannot account for.

    A refund of ours that is still open may be part of it, so it explains as much as
    it is worth. What was booked once is never taken back here: it would free money.
    """
    if command.refunded_minor is None:
        return
    row = tx.one(_OUTSIDE["ours_at_gateway"], (command.payment_id,))
    if row is None:
        return
    more = command.refunded_minor - row["ours_minor"] - row["external_minor"]
    if more > 0:
        book_external(tx, command.payment_id, more, command.at, "payment_read")
