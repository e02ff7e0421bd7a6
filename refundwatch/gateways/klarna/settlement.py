"""Klarna's settlement transactions: a page of its JSON, or its CSV report.

Invariant: the type of a line decides the sign of its amount, because Klarna documents
none; a type that is not documented makes a bad line, never a guess.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.klarna import facts
from refundwatch.gateways.settlement import BadLine, SettlementLine, csv_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from refundwatch.gateways.reading import Json

_REQUIRED: Final = ("type", "amount", "currency_code", "order_id")
_INTEGER: Final = re.compile(r"-?[0-9]{1,15}")
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"


def read(content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read transactions, as JSON where the first mark is a brace, else as CSV.

    Raises:
        SettlementUnreadable: neither a page of transactions nor their report.
    """
    pieces = iter(content)
    head = b""
    for piece in pieces:
        head += piece
        if head.strip(_BLANK):
            break
    whole = chain((head,), pieces)
    if head.lstrip(_BLANK).startswith(b"{"):
        return _page(whole)
    return _report(whole)


def _page(content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read one page: Klarna gives at most 500 transactions at once."""
    body = b""
    for piece in content:
        body += piece
        if len(body) > reading.MAX_BYTES:
            message = "A page of Klarna's transactions is too large."
            raise SettlementUnreadable(message)
    try:
        rows = reading.items(reading.parse_object(body), "transactions")
    except MalformedResponse as error:
        message = f"Klarna's page of transactions is unreadable: {error.message}."
        raise SettlementUnreadable(message) from error
    if rows is None:
        message = "Klarna's page holds no transactions."
        raise SettlementUnreadable(message)
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield _line(number, row)
        else:
            yield BadLine(number, "not_an_object")


def _report(content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    for number, row in csv_rows(content, _REQUIRED):
        if isinstance(row, BadLine):
            yield row
        else:
            yield _line(number, _typed(row))


def _typed(row: Mapping[str, str]) -> Mapping[str, Json]:
    """Give a CSV row the types of the JSON that its columns follow."""
    amount = row["amount"]
    whole: Json = int(amount) if _INTEGER.fullmatch(amount) else amount
    return {**row, "amount": whole}


def _line(number: int, row: Mapping[str, Json]) -> SettlementLine | BadLine:
    source = dict(row)
    kind_name = reading.text(source, "type") or ""
    kind, sign = facts.LINE_KINDS.get(kind_name, (None, 0))
    if kind is None:
        return BadLine(number, "type")
    units = reading.whole(source, "amount")
    if units is None:
        return BadLine(number, "amount")
    currency = reading.text(source, "currency_code") or ""
    minor = facts.CAPABILITIES.iso_minor(units, currency)
    if minor is None:
        return BadLine(number, "currency")
    written = reading.text(source, "capture_date")
    booked_on = _day(written)
    if written is not None and booked_on is None:
        return BadLine(number, "capture_date")
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=sign * abs(minor) if sign else minor,
        currency=currency,
        gateway_reference=reading.text(source, "refund_id"),
        merchant_reference=reading.text(source, "merchant_refund_reference"),
        payment_reference=reading.text(source, "order_id"),
        booked_on=booked_on,
        payout=reading.text(source, "payment_reference"),
        type=reading.shown(reading.text(source, "detailed_type") or kind_name),
    )


def _day(written: str | None) -> date | None:
    """Give the day that a date-time names, as it is written."""
    try:
        return datetime.fromisoformat(written).date() if written else None
    except ValueError:
        return None
