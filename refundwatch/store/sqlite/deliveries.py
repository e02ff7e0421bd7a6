"""Stored deliveries: applied, postponed or closed, each with its reason.

Invariant: an item is applied at most once, whatever repeats; none ends without a
reason, and money that moved without us ends booked or alarmed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import SYSTEM
from refundwatch.domain.refund import Word
from refundwatch.errors import InvariantBroken
from refundwatch.store.contract import (
    ApplyDelivery,
    ApplyDispute,
    CloseDelivery,
    DueInbox,
    InboxJob,
    PostponeDelivery,
)
from refundwatch.store.rows import micros, moment, optional_moment, refund_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.alarms import close_alarm, open_alarm
from refundwatch.store.sqlite.delivery_items import item_of
from refundwatch.store.sqlite.events import ALARM_DISPUTED, DISPUTED, bring
from refundwatch.store.sqlite.health import record_call
from refundwatch.store.sqlite.outside import (
    ExternalRefund,
    book_external_refund,
    end_external_refund,
    freeze_and_hold,
)
from refundwatch.store.sqlite.registry import Reading, joined_unit, question, unit
from refundwatch.store.sqlite.sound import sound, sound_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.domain.events import GatewayWord
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.contract import DeliveryItem
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "deliveries")

ALARM_DISPUTE_CLOSED: Final = "payment_dispute_closed"
ALARM_DISPUTE_UNKNOWN: Final = "dispute_unmatched"
ALARM_EXTERNAL_UNBOOKED: Final = "external_refund_unbooked"
_WAITING: Final = "waiting"
_CAME_BACK: Final = frozenset({Word.FAILED, Word.REVERSED})


# --- applying ---------------------------------------------------------------------


@joined_unit(ApplyDelivery)
def _apply_all(
    tx: Transaction, commands: Sequence[ApplyDelivery]
) -> list[Applied | None]:
    with tx.gathering():
        return [_apply(tx, command) for command in commands]


def _apply(tx: Transaction, command: ApplyDelivery) -> Applied | None:
    row = _waiting(tx, command.delivery_id)
    if row is None:
        return None
    refund = tx.load_refund(command.refund_id)
    if refund.account != row["account"]:
        raise InvariantBroken(f"{refund.id} is not of account {row['account']}.")
    data = {"delivery_id": command.delivery_id}
    applied = bring(tx, refund, command.event, command.at, call=command.call, data=data)
    reason = applied.ignored or applied.kind
    _close(tx, row, _End("applied", reason, command.at, refund_id=refund.id))
    return applied


@unit(ApplyDispute)
def _apply_dispute(tx: Transaction, command: ApplyDispute) -> None:
    row = _waiting(tx, command.delivery_id)
    if row is None:
        return
    at = command.at
    payment_id = _payment_of(tx, row["account"], item_of(row))
    if payment_id is None:
        subject = f"{row['account']}/{row['payment_reference'] or row['dedupe_id']}"
        open_alarm(
            tx,
            at,
            ALARM_DISPUTE_UNKNOWN,
            sound(subject),
            detail={"type": row["type"]},
        )
        _close(tx, row, _End("ignored", "payment_unknown", at))
        return
    # A dispute that is over may have taken the money: who pays it back again pays
    # twice. So its end freezes too, and people lift it.
    freeze_and_hold(tx, payment_id, DISPUTED, at)
    kind = ALARM_DISPUTE_CLOSED if command.closed else ALARM_DISPUTED
    open_alarm(tx, at, kind, payment_id, detail={"type": row["type"]})
    if command.closed:
        close_alarm(tx, at, ALARM_DISPUTED, payment_id)
    reason = "dispute_closed" if command.closed else "dispute_opened"
    _close(tx, row, _End("applied", reason, at, payment_id=payment_id))


@unit(PostponeDelivery)
def _postpone(tx: Transaction, command: PostponeDelivery) -> None:
    row = _waiting(tx, command.delivery_id)
    if row is None:
        return
    reason = sound(command.reason)
    tx.change(_SQL["postpone"], (micros(command.due_at), reason, row["id"]))
    if reason != row["reason"]:
        data: dict[str, JsonValue] = {"delivery_id": row["id"], "reason": reason}
        tx.append(command.at, "delivery:postponed", SYSTEM.id, None, data)
    if command.call is not None:
        record_call(tx, sound_call(command.call), command.at)


@unit(CloseDelivery)
def _close_delivery(tx: Transaction, command: CloseDelivery) -> None:
    row = _waiting(tx, command.delivery_id)
    if row is None:
        return
    if command.external and _is_ours(tx, row):
        # Its refund learned the reference meanwhile: the word belongs to it.
        values = (micros(command.at), row["reason"], row["id"])
        tx.change(_SQL["postpone"], values)
        tx.touch("inbox")
        return
    item = item_of(row)
    if command.said is not None:
        if _heard_of_ours(tx, row, command.said, command.at):
            return
        evidence = command.said.evidence
        named = evidence.payment_reference
        item = replace(item, evidence=evidence, payment_reference=named)
    payment_id = _payment_of(tx, row["account"], item)
    if command.external:
        _book(tx, row, item, payment_id, command.at)
    elif command.believed and item.word in _CAME_BACK and row["gateway_reference"]:
        key = (row["account"], row["gateway_reference"])
        end_external_refund(tx, *key, command.at, "came_back")
    state = "external" if command.external else "ignored"
    reason = sound(command.reason)
    _close(tx, row, _End(state, reason, command.at, payment_id=payment_id))


def _is_ours(tx: Transaction, row: Row) -> bool:
    """Tell whether a refund of ours bears the reference, ours or theirs, by now."""
    return any(
        reference is not None
        and tx.one(_SQL[name], (row["account"], reference)) is not None
        for name, reference in (
            ("refund_by_gateway_reference", row["gateway_reference"]),
            ("refund_by_merchant_reference", row["merchant_reference"]),
        )
    )


def _heard_of_ours(tx: Transaction, row: Row, said: GatewayWord, at: datetime) -> bool:
    """Bring what a read says to the refund of ours that it turned out to be."""
    name = said.evidence.merchant_reference
    values = (row["account"], name)
    found = name and tx.one(_SQL["refund_by_merchant_reference"], values)
    if not found:
        return False
    refund = refund_from_row(found)
    applied = bring(tx, refund, said, at, data={"delivery_id": row["id"]})
    reason = applied.ignored or applied.kind
    _close(tx, row, _End("applied", reason, at, refund_id=refund.id))
    return True


def _book(
    tx: Transaction,
    row: Row,
    item: DeliveryItem,
    payment_id: str | None,
    at: datetime,
) -> None:
    """Book money that moved without us; what cannot be booked calls for people."""
    evidence = item.evidence
    amount = evidence.amount_minor if evidence is not None else None
    currency = evidence.currency if evidence is not None else None
    known = payment_id is not None and tx.load_balance(payment_id).currency == currency
    if payment_id is None or amount is None or amount <= 0 or not known:
        reference = row["gateway_reference"] or row["dedupe_id"]
        detail = {"type": row["type"], "payment_id": payment_id or ""}
        subject = sound(f"{row['account']}/{reference}")
        open_alarm(
            tx,
            at,
            ALARM_EXTERNAL_UNBOOKED,
            subject,
            detail=detail,
            severity="critical",
        )
        if payment_id is not None:
            freeze_and_hold(tx, payment_id, "external_unbooked", at)
        return
    moved = ExternalRefund(
        account=row["account"],
        gateway_reference=row["gateway_reference"] or f"delivery:{row['id']}",
        payment_id=payment_id,
        amount_minor=amount,
        known_by=_known_by(item, moment(row["received_at"])),
    )
    book_external_refund(tx, moved, at)


def _known_by(item: DeliveryItem, received_at: datetime) -> datetime:
    """Say when an item's refund stood at the latest, by the gateway or by our door."""
    try:
        occurred = datetime.fromisoformat(item.occurred_at or "")
        return min(occurred, received_at)
    except (ValueError, TypeError):  # no time, or one without a zone
        return received_at


# --- shared -----------------------------------------------------------------------


def _waiting(tx: Transaction, delivery_id: int) -> Row | None:
    """Load a delivery that still waits; None when it was closed meanwhile."""
    row = tx.one(_SQL["one"], (delivery_id,))
    if row is None:
        raise InvariantBroken(f"There is no delivery {delivery_id}.")
    return row if row["state"] == _WAITING else None


def _payment_of(tx: Transaction, account: str, item: DeliveryItem) -> str | None:
    """Find the one payment that an item names; None for none or several."""
    named = item.evidence.payment_reference if item.evidence is not None else None
    names = {item.payment_reference, named, *item.payment_aliases} - {None}
    listed = json.dumps(sorted(name for name in names if name))
    found = tx.every(_SQL["payments_named"], (account, listed))
    return str(found[0]["id"]) if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _End:
    """How an item ended."""

    state: str
    reason: str
    at: datetime
    refund_id: str | None = None
    payment_id: str | None = None


def _close(tx: Transaction, row: Row, end: _End) -> None:
    values: dict[str, SqlValue] = {
        "id": row["id"],
        "state": end.state,
        "reason": end.reason,
        "refund": end.refund_id,
        "at": micros(end.at),
    }
    tx.change(_SQL["close"], values)
    if end.refund_id is not None:
        # The refund's own entry names the delivery; a repeat moves nothing.
        return
    data: dict[str, JsonValue] = {
        "delivery_id": row["id"],
        "state": end.state,
        "reason": end.reason,
        "payment_id": end.payment_id,
    }
    tx.append(end.at, "delivery:closed", SYSTEM.id, None, data)


# --- what is due ------------------------------------------------------------------


@question(DueInbox)
def _due_inbox(reading: Reading, query: DueInbox) -> tuple[InboxJob, ...]:
    values: dict[str, SqlValue] = {
        "at": micros(query.at),
        "limit": query.limit,
        "skip": json.dumps(sorted(query.skip)),
        "skip_accounts": json.dumps(sorted(query.skip_accounts)),
    }
    rows = reading.connection.execute(_SQL["due"], values)
    return tuple(_job(reading, row) for row in rows)


def _job(reading: Reading, row: Row) -> InboxJob:
    return InboxJob(
        delivery_id=row["id"],
        account=row["account"],
        item=item_of(row),
        received_at=moment(row["received_at"]),
        tries=row["tries"],
        refund=_match(reading, row),
        replayed_at=optional_moment(row["replayed_at"]),
    )


def _match(reading: Reading, row: Row) -> Refund | None:
    """Find the refund that an item speaks of: by their name for it, else by ours.

    An older reference of ours still means its refund: what was proven absent and was
    executed after all must not pass as a stranger's.
    """
    for name, reference in (
        ("refund_by_gateway_reference", row["gateway_reference"]),
        ("refund_by_merchant_reference", row["merchant_reference"]),
    ):
        if reference is not None:
            values = (row["account"], reference)
            found = reading.connection.execute(_SQL[name], values).fetchone()
            if found is not None:
                return refund_from_row(found)
    return None
