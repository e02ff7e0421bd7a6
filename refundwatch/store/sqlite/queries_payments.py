"""Payments, invoices and accounts as they stand.

Invariant: amounts are read from the rows that the money path keeps, in one state of
the database; a customer is found by exact value through a blind index, or not at all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from refundwatch.domain.refund import Booking
from refundwatch.store.contract import (
    AccountRow,
    GetInvoice,
    GetPayment,
    InvoiceRow,
    ListAccounts,
    ListPayments,
    Page,
    PaymentRow,
)
from refundwatch.store.rows import optional_moment, payment_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.queries_paging import (
    Place,
    page_size,
    read_cursor,
    write_cursor,
)
from refundwatch.store.sqlite.registry import Reading, question
from refundwatch.store.sqlite.rhythm import rhythms_of

if TYPE_CHECKING:
    from refundwatch.store.rows import Row, SqlValue

_SQL = named_queries("sqlite", "lookups")
_NEWEST: Final = Place(2**62, "")
_EMAIL: Final = "customer_email"


def payment_by_id(reading: Reading, payment_id: str) -> PaymentRow | None:
    """Load one payment."""
    row = reading.connection.execute(_SQL["payment_by_id"], (payment_id,)).fetchone()
    return None if row is None else _payments(reading, [row])[0]


@question(GetPayment)
def _get_payment(reading: Reading, query: GetPayment) -> PaymentRow | None:
    found = payment_by_id(reading, query.payment)
    if found is not None and query.account in {None, found.account}:
        return found
    values = (query.account, query.payment)
    row = reading.connection.execute(_SQL["payment_by_reference"], values).fetchone()
    return None if row is None else _payments(reading, [row])[0]


@question(ListPayments)
def _list_payments(reading: Reading, query: ListPayments) -> Page[PaymentRow]:
    limit = page_size(query.limit)
    behind = _NEWEST if query.cursor is None else read_cursor(query.cursor)
    name = "payments_frozen" if query.frozen_only else "payments_newest"
    values: dict[str, SqlValue] = {
        "account": query.account,
        "created_at": behind.created_at,
        "id": behind.id,
        "limit": limit + 1,
    }
    if query.customer_email is not None:
        name = "payments_by_email"
        values["frozen"] = query.frozen_only
        values["email"] = reading.sealer.blind_index(_EMAIL, query.customer_email)
    rows = reading.connection.execute(_SQL[name], values).fetchall()
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        cursor = write_cursor(Place(shown[-1]["created_at"], shown[-1]["id"]))
    return Page(tuple(_payments(reading, shown)), cursor)


def _payments(reading: Reading, rows: list[Row]) -> list[PaymentRow]:
    ids = json.dumps([row["id"] for row in rows])
    shares = defaultdict(list)
    for share in reading.connection.execute(_SQL["shares"], (ids,)):
        shares[share["payment_id"]].append(share)
    return [payment_from_row(row, shares[row["id"]]) for row in rows]


@question(GetInvoice)
def _get_invoice(reading: Reading, query: GetInvoice) -> InvoiceRow | None:
    """Show an invoice with what was given back of it.

    A payment of this invoice alone gives back for it whatever it gives back; of one
    that pays several, only the refunds count that name this invoice.
    """
    row = reading.connection.execute(_SQL["invoice"], (query.number,)).fetchone()
    if row is None:
        return None
    values = (query.number,)
    shares = reading.connection.execute(_SQL["shares_of_invoice"], values).fetchall()
    refunded = reserved = 0
    for share in shares:
        returned = _returned(reading, share, query.number)
        refunded += returned[Booking.REFUNDED]
        reserved += returned[Booking.RESERVED]
    return InvoiceRow(
        number=row["number"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        issued_at=optional_moment(row["issued_at"]),
        payments=tuple(
            (share["payment_id"], share["amount_minor"]) for share in shares
        ),
        refunded_minor=refunded,
        reserved_minor=reserved,
    )


def _returned(reading: Reading, share: Row, number: str) -> dict[Booking, int]:
    if share["invoices"] == 1:
        return {
            Booking.REFUNDED: share["refunded_minor"],
            Booking.RESERVED: share["reserved_minor"],
        }
    values = (share["payment_id"], number)
    rows = reading.connection.execute(_SQL["refunds_of_share"], values)
    sums = {Booking(row["booking"]): int(row["amount_minor"]) for row in rows}
    return {side: sums.get(side, 0) for side in Booking}


@question(ListAccounts)
def _list_accounts(reading: Reading, _query: ListAccounts) -> tuple[AccountRow, ...]:
    connections = defaultdict(list)
    for row in reading.connection.execute(_SQL["connections"]):
        connections[row["account"]].append(row["id"])
    rhythms = rhythms_of(reading)
    return tuple(
        AccountRow(
            name=row["name"],
            gateway=row["gateway"],
            timezone=row["timezone"],
            connections=tuple(connections[row["name"]]),
            last_delivery_at=optional_moment(row["last_delivery_at"]),
            unmatched=row["unmatched"],
            rhythm=rhythms.get(row["name"]),
        )
        for row in reading.connection.execute(_SQL["accounts"])
    )
