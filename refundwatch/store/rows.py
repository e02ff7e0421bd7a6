"""Rows of a store as domain values, and back, for every dialect.

Invariant: reading what was written gives an equal value; a time is microseconds since
1970 in UTC, so that no zone, no float and no text form comes between.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from refundwatch.domain.intake import PaymentBalance
from refundwatch.domain.refund import Booking, Refund, RefundState
from refundwatch.errors import InvariantBroken
from refundwatch.store.contract import InvoiceShare, PaymentRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
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

_fields: Final = attrgetter(*REFUND_COLUMNS)
_TIME_PLACES: Final = tuple(map(REFUND_COLUMNS.index, sorted(_TIMES)))
_FLAG_PLACES: Final = tuple(map(REFUND_COLUMNS.index, sorted(_FLAGS)))
_STATE_PLACE: Final = REFUND_COLUMNS.index("state")
_BOOKING_PLACE: Final = REFUND_COLUMNS.index("booking")
_STATES: Final = {state.value: state for state in RefundState}
_BOOKINGS: Final = {booking.value: booking for booking in Booking}


class Row(Protocol):
    """A row that gives its columns by name."""

    def __getitem__(self, name: str, /) -> Any:
        """Give one column."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Give every column in its order."""
        ...

    def keys(self) -> Iterable[str]:
        """Name the columns in their order."""
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
    fields_of = zip(REFUND_COLUMNS, _fields(before), _fields(after), strict=True)
    return {name: column_value(name, new) for name, old, new in fields_of if old != new}


def refund_from_row(row: Row) -> Refund:
    """Read a refund from a row that has all of `REFUND_COLUMNS`."""
    values: list[Any] = list(_picked(tuple(row.keys()))(tuple(row)))
    for place in _TIME_PLACES:
        if values[place] is not None:
            values[place] = _EPOCH + timedelta(microseconds=values[place])
    for place in _FLAG_PLACES:
        values[place] = values[place] != 0
    values[_STATE_PLACE] = _STATES[values[_STATE_PLACE]]
    values[_BOOKING_PLACE] = _BOOKINGS[values[_BOOKING_PLACE]]
    return Refund(*values)


@cache
def _picked(names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Find the fields by their places: by name each costs a walk over all of them."""
    return itemgetter(*(names.index(name) for name in REFUND_COLUMNS))


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
        frozen_at=optional_moment(row["frozen_at"]),
        knowledge=row["knowledge"],
        captured_at=optional_moment(row["captured_at"]),
        created_at=moment(row["created_at"]),
        order_reference=row["order_reference"],
        invoices=tuple(
            InvoiceShare(share["invoice"], share["amount_minor"]) for share in shares
        ),
    )
