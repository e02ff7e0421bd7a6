"""Mollie's settlement data: pages of balance transactions, or of settled refunds.

Invariant: a page is read whole or not at all; of its entries each becomes a line or is
told as bad, with its number in the page.

A page is one JSON document of at most `reading.MAX_BYTES`, as the API answers it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.mollie import facts
from refundwatch.gateways.mollie.objects import reference_of, stated_amount
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from refundwatch.gateways.reading import Json

_BOOKINGS: Final = "balance_transactions"
_REFUNDS: Final = "refunds"


def read_page(
    name: str, content: Iterable[bytes]
) -> Iterator[SettlementLine | BadLine]:
    """Read a page of either kind.

    Raises:
        SettlementUnreadable: it is neither; told before the first line.
    """
    page = _page(name, content)
    readers: dict[str, Callable[[int, Json], SettlementLine | BadLine]] = {
        _BOOKINGS: _booking,
        _REFUNDS: _settled_refund,
    }
    for kind, read in readers.items():
        entries = reading.items(page, "_embedded", kind)
        if entries is not None:
            return (read(number, one) for number, one in enumerate(entries, 1))
    message = "This is no page of balance transactions or refunds."
    raise SettlementUnreadable(message, field=name)


def _page(name: str, content: Iterable[bytes]) -> Json:
    body = b""
    for piece in content:
        body += piece
        if len(body) > reading.MAX_BYTES:
            message = f"A page has at most {reading.MAX_BYTES} bytes."
            raise SettlementUnreadable(message, field=name)
    try:
        return reading.parse_object(body)
    except MalformedResponse as error:
        message = f"The page cannot be read: {error.message}."
        raise SettlementUnreadable(message, field=name) from error


def _booking(number: int, entry: Json) -> SettlementLine | BadLine:
    """Read one booking on the balance; its context may be flat or by its type."""
    kind = reading.text(entry, "type")
    if reading.text(entry, "resource") != "balance-transaction" or kind is None:
        return BadLine(number, "no_balance_transaction")
    amount = stated_amount(reading.at(entry, "initialAmount"))
    fee = stated_amount(reading.at(entry, "deductionDetails", "fees"))
    if amount.doubt is not None or fee.doubt is not None:
        return BadLine(number, "amount")
    if amount.amount_minor is None or amount.currency is None:
        return BadLine(number, "no_amount")
    return SettlementLine(
        number=number,
        kind=facts.LINE_KINDS.get(kind, LineKind.OTHER),
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        gateway_reference=_of_context(entry, kind, "refundId"),
        payment_reference=_of_context(entry, kind, "paymentId"),
        # The fee is a deduction, so Mollie writes what it took as negative.
        fee_minor=None if fee.amount_minor is None else -fee.amount_minor,
        fee_currency=fee.currency,
        booked_on=_day(entry, "createdAt"),
        payout=_of_context(entry, kind, "settlementId"),
        type=reading.shown(kind),
    )


def _of_context(entry: Json, kind: str, key: str) -> str | None:
    flat = reading.text(entry, "context", key)
    return flat or reading.text(entry, "context", kind, key)


def _settled_refund(number: int, entry: Json) -> SettlementLine | BadLine:
    """Read one refund of a settlement: a refund's own amount has no sign there."""
    if reading.text(entry, "resource") != "refund":
        return BadLine(number, "no_refund")
    amount = stated_amount(reading.at(entry, "amount"))
    if amount.doubt is not None:
        return BadLine(number, "amount")
    if amount.amount_minor is None or amount.currency is None:
        return BadLine(number, "no_amount")
    status = reading.text(entry, "status")
    if status != "refunded":
        return BadLine(number, "status")
    return SettlementLine(
        number=number,
        kind=LineKind.REFUND,
        amount_minor=-abs(amount.amount_minor),
        currency=amount.currency,
        gateway_reference=reading.text(entry, "id"),
        merchant_reference=reference_of(entry),
        payment_reference=reading.text(entry, "paymentId"),
        booked_on=_day(entry, "createdAt"),
        payout=reading.text(entry, "settlementId"),
        type="refund",
    )


def _day(entry: Json, key: str) -> date | None:
    """Give the day as Mollie writes it, in its own offset."""
    written = reading.text(entry, key)
    if reading.utc_text(written) is None or written is None:
        return None
    return datetime.fromisoformat(written).date()
