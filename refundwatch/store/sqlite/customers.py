"""Customers: read for showing them masked, read whole on the record, erased.

Invariant: an erasure empties values and their salts and changes no amount, reference
or entry of the log, whose commitments then say nothing; what was erased is not found
again, so that erasing twice is erasing once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import Permission, may
from refundwatch.errors import CustomerBusy, PaymentUnknown, TextInvalid
from refundwatch.store.contract.customers import (
    CustomerRow,
    EraseCustomer,
    Erased,
    ReadCustomer,
    UnmaskCustomer,
)
from refundwatch.store.rows import micros, optional_moment
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.payments import CUSTOMER_FIELDS, INDEXED_FIELDS
from refundwatch.store.sqlite.registry import Reading, question, unit
from refundwatch.store.sqlite.sealed_columns import leaving_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.contract import Sealer
    from refundwatch.store.rows import Row, SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "customers")

_OPEN: Final = frozenset(
    {
        "awaiting_approval",
        "held",
        "queued",
        "sending",
        "unknown",
        "pending",
        "review",
    }
)
_NAMED: Final = 5
"""So many refunds that are under way are named; the rest is counted."""


@question(ReadCustomer)
def _read(reading: Reading, query: ReadCustomer) -> CustomerRow | None:
    values = (query.payment_id,)
    row = reading.connection.execute(_SQL["of_payment"], values).fetchone()
    return None if row is None else _customer(reading.sealer, row)


@unit(UnmaskCustomer)
def _unmask(tx: Transaction, command: UnmaskCustomer) -> CustomerRow:
    principal = command.principal
    denial = may(principal, Permission.CUSTOMER_UNMASK)
    if denial is not None:
        raise denied(denial, command.at, principal.id, None, "customer:unmask")
    row = tx.one(_SQL["of_payment"], (command.payment_id,))
    if row is None:
        raise PaymentUnknown(f"There is no payment {command.payment_id[:64]!a}.")
    data = {"payment_id": row["id"], "reason": command.reason_code}
    tx.append(command.at, "customer:unmasked", principal.id, None, data)
    return _customer(tx.sealer, row)


def _customer(sealer: Sealer, row: Row) -> CustomerRow:
    found: dict[str, str] = {}
    for name in CUSTOMER_FIELDS:
        column = f"customer_{name}"
        if row[column] is not None:
            plain = sealer.open("payment", row["id"], column, row[column])
            found[name] = plain.decode("utf-8")
    erased_at = optional_moment(row["erased_at"])
    return CustomerRow(row["id"], erased_at=erased_at, **found)


# --- erasing ----------------------------------------------------------------------


@unit(EraseCustomer)
def _erase(tx: Transaction, command: EraseCustomer) -> Erased:
    principal = command.principal
    denial = may(principal, Permission.CUSTOMER_ERASE)
    if denial is not None:
        raise denied(denial, command.at, principal.id, None, "customer:erase")
    payments = _named_by(tx, command)
    refunds = {it: tx.every(_SQL["refunds"], (it,)) for it in payments}
    _must_be_at_rest([row for rows in refunds.values() for row in rows])
    chosen = payments if command.dry_run else payments[: command.at_most]
    with leaving_nothing(tx.connection):
        parts = [_empty(tx, it, refunds[it], command) for it in chosen]
    erased = Erased(
        payments=len(chosen),
        fields=sum(part[0] for part in parts),
        texts=sum(part[1] for part in parts),
        deliveries=sum(part[2] for part in parts),
        more=len(chosen) < len(payments),
    )
    if command.dry_run:
        tx.discard()
    elif chosen:
        data: dict[str, JsonValue] = {
            "payment_ids": list(chosen),
            "reason": command.reason_code,
            "fields": erased.fields,
            "texts": erased.texts,
            "deliveries": erased.deliveries,
        }
        tx.append(command.at, "customer:erased", principal.id, None, data)
    return erased


def _named_by(tx: Transaction, command: EraseCustomer) -> list[str]:
    """Find the payments by the blind indexes of all values that were given."""
    given = {it: getattr(command, it) for it in INDEXED_FIELDS}
    given = {it: value for it, value in given.items() if value is not None}
    if not given:
        raise TextInvalid("Say whom: account, email or name.", field="email")
    values: dict[str, SqlValue] = {
        it: tx.sealer.blind_index(f"customer_{it}", value)
        for it, value in given.items()
    }
    where = " AND ".join(f"customer_{it}_index = :{it}" for it in given)
    rows = tx.every(f"SELECT id FROM payment WHERE {where} ORDER BY id", values)  # noqa: S608 - own names
    return [row["id"] for row in rows]


def _must_be_at_rest(refunds: Sequence[Row]) -> None:
    under_way = [row["id"] for row in refunds if row["state"] in _OPEN]
    if under_way:
        more = len(under_way) - _NAMED
        named = ", ".join(under_way[:_NAMED]) + (
            f" and {more} more" if more > 0 else ""
        )
        raise CustomerBusy(
            f"Nothing was erased: refunds of this customer are under way ({named}). "
            "Erase when they are at their end."
        )


def _empty(
    tx: Transaction, payment_id: str, refunds: Sequence[Row], command: EraseCustomer
) -> tuple[int, int, int]:
    """Empty what stands about one payment; count fields, texts and raw webhooks."""
    row = tx.one(_SQL["of_payment"], (payment_id,))
    fields = sum(
        row is not None and row[f"customer_{name}"] is not None
        for name in CUSTOMER_FIELDS
    )
    values: dict[str, SqlValue] = {"at": micros(command.at), "id": payment_id}
    tx.change(_SQL["erase_fields"], values)
    texts = tx.change(_SQL["erase_notes"], (payment_id,))
    deliveries = 0
    for refund in refunds:
        for name in ("erase_reason", "erase_decided", "erase_notes"):
            texts += tx.change(_SQL[name], (refund["id"],))
        deliveries += tx.change(_SQL["erase_deliveries"], (refund["id"],))
    return fields, texts, deliveries
