"""Writes what `apply` decided: the refund, its payment, its audit entry, its echoes.

Invariant: a move and its one audit entry are written together, the payment's amounts
change by exactly what the refund's booking says, and a fact about money is booked
even where it breaks a limit: then the payment is frozen by the same statement.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.intake import exceeds
from refundwatch.domain.refund import IN_FLIGHT, RefundState
from refundwatch.domain.transition import apply
from refundwatch.errors import InvariantBroken
from refundwatch.store.rows import changed_columns, micros
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite import alarms, rollups
from refundwatch.store.sqlite.proving import standing_proof

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.events import RefundEvent
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "applying")
S = RefundState

OVER_CAPTURED: Final = "over_captured"
_DUE: Final = {S.QUEUED: "send", S.UNKNOWN: "lookup", S.PENDING: "poll"}
_TOLD: Final = (
    "booking",
    "amount_minor",
    "revision",
    "generation",
    "reason_code",
    "required_approvals",
    "connection",
    "fence",
    "gateway_reference",
    "merchant_reference",
    "last_status",
    "requires_action",
    "refused_code",
    "hold_reason",
    "review_reason",
    "executed_minor",
)
"""Fields that an entry states when they changed; never a free text."""


def apply_event(
    tx: Transaction, refund: Refund, event: RefundEvent, at: datetime
) -> Applied:
    """Apply an event; another refund's gateway reference makes it a contradiction."""
    if isinstance(event, GatewayWord) and refund.gateway_reference is None:
        owner = reference_owner(tx, refund, event.evidence.gateway_reference)
        if owner is not None:
            # Restated so that the domain sees what it is: a word about another one.
            stated = replace(
                event.evidence,
                gateway_reference=None,
                merchant_reference=owner["merchant_reference"],
            )
            event = replace(event, evidence=stated)
    return apply(refund, event, at)


def reference_owner(
    tx: Transaction, refund: Refund, gateway_reference: str | None
) -> sqlite3.Row | None:
    """Give the other refund of the account that has this reference, if any."""
    if gateway_reference is None:
        return None
    values = (refund.account, gateway_reference, refund.id)
    return tx.one(_SQL["reference_owner"], values)


def save_applied(
    tx: Transaction,
    applied: Applied,
    at: datetime,
    actor: str,
    data: Mapping[str, JsonValue],
    *,
    guarded: bool = False,
    written: frozenset[str] = frozenset(),
) -> int | None:
    """Write what an event did; give its entry's sequence, None for nothing."""
    if not applied.changed:
        tx.change(_SQL["count_ignored"], (applied.kind, applied.ignored or ""))
        return None
    after = applied.after
    freeze = None
    if guarded:
        _grow(tx, applied)
    else:
        freeze = _book(tx, applied, at)
    seq = tx.append(
        at, applied.kind, actor, after.id, {**entry_data(applied, freeze), **data}
    )
    _write_refund(tx, applied, seq, at, written)
    if after.generation != applied.before.generation:
        add_generation(tx, after, at)
    rollups.on_applied(tx, applied, at)
    if freeze is not None:
        _tell_freeze(tx, after.payment_id, freeze, at, actor)
    _ring(tx, applied, freeze, at)
    _touch(tx, applied)
    return seq


def reserve(tx: Transaction, payment_id: str, amount_minor: int) -> bool:
    """Reserve an amount if the payment still holds it; False when it does not (P1)."""
    values: dict[str, SqlValue] = {"payment": payment_id, "amount": amount_minor}
    return tx.change(_SQL["reserve"], values) == 1


def freeze_payment(
    tx: Transaction, payment_id: str, reason: str, at: datetime, actor: str
) -> bool:
    """Freeze a payment; False when it was frozen already."""
    values: dict[str, SqlValue] = {
        "payment": payment_id,
        "reason": reason,
        "at": micros(at),
    }
    if not tx.change(_SQL["freeze"], values):
        return False
    _tell_freeze(tx, payment_id, reason, at, actor)
    return True


def add_generation(tx: Transaction, refund: Refund, at: datetime) -> None:
    """Remember the key and reference of a refund's generation for ever."""
    values = (
        refund.id,
        refund.generation,
        refund.merchant_reference,
        refund.idempotency_key,
        micros(at),
    )
    tx.change(_SQL["add_generation"], values)


def entry_data(applied: Applied, freeze: str | None) -> dict[str, JsonValue]:
    """Say in an entry what moved: states, codes, and fields that changed."""
    before, after = applied.before, applied.after
    stated: dict[str, JsonValue] = {"before": before.state, "after": after.state}
    if len(applied.moves) > 1:
        stated["path"] = [move.after for move in applied.moves]
    for name in _TOLD:
        value = getattr(after, name)
        if value != getattr(before, name):
            stated[name] = value
    if applied.alarm is not None:
        stated["alarm"] = applied.alarm
    if freeze is not None:
        stated["freeze"] = freeze
    return stated


def _grow(tx: Transaction, applied: Applied) -> None:
    """Change the reservation of an edit: what it adds must be there (P1)."""
    payment, more = applied.after.payment_id, applied.reserved_delta_minor
    if not reserve(tx, payment, more):
        balance = tx.load_balance(payment)
        raise exceeds(balance, more, balance.refundable_minor)


def _book(tx: Transaction, applied: Applied, at: datetime) -> str | None:
    """Change the payment's amounts; give the reason if this froze it."""
    reserved = applied.reserved_delta_minor
    refunded = applied.refunded_delta_minor
    if not (reserved or refunded or applied.freeze):
        return None
    payment = tx.load_balance(applied.after.payment_id)
    standing = payment.reserved_minor + payment.refunded_minor + reserved + refunded
    freeze = applied.freeze
    if freeze is None and standing > payment.captured_minor and reserved + refunded > 0:
        freeze = OVER_CAPTURED
    values: dict[str, SqlValue] = {
        "payment": payment.id,
        "reserved": reserved,
        "refunded": refunded,
        "freeze": freeze,
        "at": micros(at),
    }
    if tx.change(_SQL["book"], values) != 1:
        raise InvariantBroken(f"{applied.after.id} has no payment.")
    return freeze if payment.frozen is None else None


def _write_refund(
    tx: Transaction, applied: Applied, seq: int, at: datetime, written: frozenset[str]
) -> None:
    before, after = applied.before, applied.after
    columns = changed_columns(before, after)
    if written:
        columns = {name: it for name, it in columns.items() if name not in written}
    columns["seq"] = seq
    columns["updated_at"] = micros(at)
    if before.state is S.AWAITING_APPROVAL and after.state is S.QUEUED:
        columns["approved_at"] = micros(at)
    if before.state is S.UNKNOWN and after.state is not S.UNKNOWN:
        columns["doubt_alarm_seconds"] = 0
    # What is heard during a review voids what was said before: who said it did not
    # know, and a second person must not confirm it unknowing.
    sql = _update_of(tuple(columns), after.state is S.REVIEW)
    # A row that was not the daemon's own is not made its own by moving it.
    proofs = standing_proof(tx.sealer, before), standing_proof(tx.sealer, after)
    if tx.change(sql, (*columns.values(), *proofs, after.id)) != 1:
        raise InvariantBroken(f"{after.id} has no row.")


@cache
def _update_of(columns: tuple[str, ...], opens_round: bool) -> str:  # noqa: FBT001
    """Name only what changed: each column that is set costs its indexes a write."""
    sets = [f"{column} = ?" for column in columns]
    if opens_round:
        sets.append("reviews = reviews + 1")
    sets.append("proof = CASE WHEN proof = ? THEN ? END")
    return f"UPDATE refund SET {', '.join(sets)} WHERE id = ?"  # noqa: S608 - own names


def _tell_freeze(
    tx: Transaction, payment_id: str, reason: str, at: datetime, actor: str
) -> None:
    data = {"payment_id": payment_id, "reason": reason}
    tx.append(at, "payment:frozen", actor, None, data)


def _ring(tx: Transaction, applied: Applied, freeze: str | None, at: datetime) -> None:
    """Open the alarms that an event asks for, and close those it answers."""
    before, after = applied.before, applied.after
    if before.state is S.UNKNOWN and after.state not in IN_FLIGHT:
        alarms.close_prefixed(tx, at, alarms.DOUBT_PREFIX, after.id)
    if before.state is S.REVIEW and after.state is not S.REVIEW:
        for kind in alarms.REVIEW_KINDS:
            alarms.close_alarm(tx, at, kind, after.id)
    if applied.alarm is not None:
        alarms.open_alarm(
            tx,
            at,
            applied.alarm,
            after.id,
            detail={"state": after.state},
            refund_id=after.id,
        )
    if freeze == OVER_CAPTURED:
        detail = {"refund_id": after.id}
        alarms.open_alarm(
            tx, at, "payment_over_captured", after.payment_id, detail=detail
        )


def _touch(tx: Transaction, applied: Applied) -> None:
    before, after = applied.before, applied.after
    if after.state in _DUE:
        tx.touch(_DUE[after.state])
    if before.state in IN_FLIGHT and after.state not in IN_FLIGHT:
        tx.touch("send")
