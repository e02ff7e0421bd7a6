"""Rows of a store as domain values, and back, for every dialect.

Invariant: reading what was written gives an equal value; a time is microseconds since
1970 in UTC, so that no zone, no float and no text form comes between.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from refundwatch.domain.intake import PaymentBalance
from refundwatch.domain.refund import Booking, Refund, RefundState
from refundwatch.errors import InvariantBroken
from refundwatch.store.contract import InvoiceShare, PaymentRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    SqlValue: TypeAlias = "int | str | bytes | None"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TIMES: Final = frozenset(
    {
        "created_at",
        "approvals_expire_at",
        "first_sent_at",
        "last_sent_at",
        "unknown_since",
        "accepted_at",
        "succeeded_at",
        "final_at",
        "due_at",
        "negative_lookup_at",
    }
)
_FLAGS: Final = frozenset(
    {"ambiguous", "key_stuck", "refusal_may_be_echo", "requires_action"}
)
REFUND_COLUMNS: Final = tuple(field.name for field in fields(Refund))
"""Every field of a refund is a column of the same name."""


class Row(Protocol):
    """A row that gives its columns by name."""

    def __getitem__(self, name: str, /) -> Any:
        """Give one column."""
        ...


def micros(moment: datetime) -> int:
    """Write a time.

    Raises:
        InvariantBroken: the time has no zone.
    """
    if moment.tzinfo is None:
        raise InvariantBroken("A stored time has a zone.")
    return (moment - _EPOCH) // _MICROSECOND


def optional_micros(moment: datetime | None) -> int | None:
    """Write a time that may be missing."""
    return None if moment is None else micros(moment)


def moment(stored: int) -> datetime:
    """Read a time."""
    return _EPOCH + timedelta(microseconds=stored)


def optional_moment(stored: int | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if stored is None else moment(stored)


def column_value(name: str, value: object) -> SqlValue:
    """Write one field of a refund."""
    match value:
        case None:
            return None
        case str():
            # The driver would look for an adapter of an enumeration each time.
            return str.__str__(value)
        case int():
            return int(value)
        case datetime():
            return micros(value)
        case _:
            raise InvariantBroken(f"{name} has no column form.")


def refund_columns(refund: Refund) -> dict[str, SqlValue]:
    """Write every field of a refund, by column."""
    return {name: column_value(name, getattr(refund, name)) for name in REFUND_COLUMNS}


def changed_columns(before: Refund, after: Refund) -> dict[str, SqlValue]:
    """Write the fields that differ, by column."""
    return {
        name: column_value(name, getattr(after, name))
        for name in REFUND_COLUMNS
        if getattr(before, name) != getattr(after, name)
    }


def refund_from_row(row: Row) -> Refund:
    """Read a refund from a row that has all of `REFUND_COLUMNS`."""
    values: dict[str, Any] = {name: row[name] for name in REFUND_COLUMNS}
    for name in _TIMES:
        values[name] = optional_moment(values[name])
    for name in _FLAGS:
        values[name] = bool(values[name])
    values["state"] = RefundState(values["state"])
    values["booking"] = Booking(values["booking"])
    return Refund(**values)


def balance_from_row(row: Row) -> PaymentBalance:
    """Read what intake needs of a payment."""
    return PaymentBalance(
        id=row["id"],
        account=row["account"],
        gateway_reference=row["gateway_reference"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
        reserved_minor=row["reserved_minor"],
        frozen=row["frozen"],
    )


def payment_from_row(row: Row, shares: Iterable[Row]) -> PaymentRow:
    """Read a payment from a row that has its account's `gateway` too.

    `shares` are rows of `invoice` and `amount_minor`.
    """
    return PaymentRow(
        id=row["id"],
        account=row["account"],
        gateway=row["gateway"],
        gateway_reference=row["gateway_reference"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
        reserved_minor=row["reserved_minor"],
        external_minor=row["external_minor"],
        frozen=row["frozen"],
        knowledge=row["knowledge"],
        captured_at=optional_moment(row["captured_at"]),
        created_at=moment(row["created_at"]),
        order_reference=row["order_reference"],
        invoices=tuple(
            InvoiceShare(share["invoice"], share["amount_minor"]) for share in shares
        ),
    )
