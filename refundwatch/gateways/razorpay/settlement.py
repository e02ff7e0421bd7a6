"""Razorpay's settlement reconciliation: a page of its JSON.

Invariant: a line counts only once it is settled; which way the money went is told by
`debit` and `credit`, and a line where they do not tell is a bad one. The report that
the dashboard offers as CSV does not state its unit, so it is refused.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.razorpay import facts
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from refundwatch.gateways.reading import Json

# Settlement days are Indian.
_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
_LATEST: Final = 253_402_300_799
_SETTLEMENT_CURRENCY: Final = "INR"


def read(content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read one page of at most 1,000 movements.

    Raises:
        SettlementUnreadable: it is no page of settled movements.
    """
    body = b""
    for piece in content:
        body += piece
        if len(body) > reading.MAX_BYTES:
            message = "A page of Razorpay's settlements is too large."
            raise SettlementUnreadable(message)
    try:
        rows = reading.items(reading.parse_object(body), "items")
    except MalformedResponse as error:
        message = f"Razorpay's page of settlements is unreadable: {error.message}."
        raise SettlementUnreadable(message) from error
    if rows is None:
        message = "Razorpay's page holds no settlements."
        raise SettlementUnreadable(message)
    for number, row in enumerate(rows, start=1):
        yield _line(number, row)


def _line(number: int, row: Json) -> SettlementLine | BadLine:
    if not isinstance(row, dict):
        return BadLine(number, "not_an_object")
    day = _settled_on(row)
    if reading.flag(row, "settled") is not True or day is None:
        return BadLine(number, "not_settled")
    debit, credit = reading.whole(row, "debit"), reading.whole(row, "credit")
    units = reading.whole(row, "amount")
    if debit is None or credit is None or units is None or min(debit, credit) < 0:
        return BadLine(number, "amount")
    kind_name = reading.text(row, "type") or ""
    kind, sign = _kind(kind_name, debit, credit, disputed=_is_disputed(row))
    if kind is None:
        return BadLine(number, "type")
    currency = reading.text(row, "currency") or ""
    minor = facts.CAPABILITIES.iso_minor(abs(units), currency)
    if minor is None:
        return BadLine(number, "currency")
    fee = reading.whole(row, "fee")
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=sign * minor,
        currency=currency,
        gateway_reference=reading.text(row, "entity_id"),
        merchant_reference=_reference(row) if kind_name == "refund" else None,
        payment_reference=reading.text(row, "payment_id"),
        fee_minor=fee,
        fee_currency=_SETTLEMENT_CURRENCY if fee is not None else None,
        booked_on=day,
        payout=reading.text(row, "settlement_id"),
        type=reading.shown(kind_name),
    )


def _kind(
    name: str, debit: int, credit: int, *, disputed: bool
) -> tuple[LineKind | None, int]:
    """Give what moved and which way; None where that is not told."""
    way = (credit > 0) - (debit > 0)
    match name, way:
        case "payment", 0 | 1:
            # A fee may eat a small payment up.
            return LineKind.PAYMENT, 1
        case "refund", -1:
            return LineKind.REFUND, -1
        case "refund", 1:
            return LineKind.REFUND_REVERSED, 1
        case "adjustment", -1 if disputed:
            return LineKind.CHARGEBACK, -1
        case "adjustment", 1 if disputed:
            return LineKind.CHARGEBACK_REVERSED, 1
        case "adjustment" | "transfer", -1 | 1:
            return LineKind.OTHER, way
        case _:
            return None, 0


def _is_disputed(row: Json) -> bool:
    return reading.text(row, "dispute_id") is not None


def _reference(row: Json) -> str | None:
    """Give our reference from the notes, which are a text, an object or a list."""
    limit = facts.REFERENCE_LIMIT
    return reading.text(row, "notes", limit=limit) or reading.text(
        row, "notes", facts.REFERENCE_KEY, limit=limit
    )


def _settled_on(row: Json) -> date | None:
    seconds = reading.whole(row, "settled_at")
    if seconds is None or not 0 < seconds <= _LATEST - 86_400:
        return None
    return datetime.fromtimestamp(seconds, UTC).astimezone(_INDIA).date()
