"""Pages of the reporting API as a settlement report: there is no file.

Invariant: every row of a page becomes a line or a `BadLine` with its number; a page
states no fees, and amounts are positive there whatever they did.

Source: AuthorizeNet/sdk-php AnetApiSchema.xsd, getTransactionListResponse and
getTransactionDetailsResponse (read 2026-11).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.authorizenet import building, facts
from refundwatch.gateways.authorizenet.answers import read_body
from refundwatch.gateways.authorizenet.objects import stated_amount
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from refundwatch.gateways.contract import AccountView
    from refundwatch.gateways.reading import Json

_KINDS: Final[Mapping[str, LineKind]] = {
    "refundSettledSuccessfully": LineKind.REFUND,
    facts.SETTLED: LineKind.PAYMENT,
    "chargeback": LineKind.CHARGEBACK,
    "chargebackReversal": LineKind.CHARGEBACK_REVERSED,
    "returnedItem": LineKind.CHARGEBACK,
}
_OUTGOING: Final = frozenset({LineKind.REFUND, LineKind.CHARGEBACK})


def read_lines(
    account: AccountView, name: str, content: Iterable[bytes]
) -> Iterator[SettlementLine | BadLine]:
    """Read a page of a batch's transactions, or the details of one.

    Raises:
        SettlementUnreadable: it is neither.
    """
    currency = building.currency_of(account)
    for number, row in enumerate(_rows(name, content), 1):
        yield _line(number, row, currency)


def _rows(name: str, content: Iterable[bytes]) -> list[Json]:
    page = bytearray()
    for piece in content:
        page += piece
        if len(page) > reading.MAX_BYTES:
            message = "A page of the reporting API is never so long."
            raise SettlementUnreadable(message, field=name)
    try:
        answer = read_body(bytes(page))
    except MalformedResponse as error:
        message = f"This is no answer of the reporting API: {error.message}."
        raise SettlementUnreadable(message, field=name) from error
    if "transaction" in answer:
        return [answer["transaction"]]
    listed = answer.get("transactions", [])
    if not isinstance(listed, list) or reading.member(answer, "messages") is None:
        message = "This answer of the reporting API lists no transactions."
        raise SettlementUnreadable(message, field=name)
    return listed


def _line(number: int, row: Json, currency: str) -> SettlementLine | BadLine:
    identity = reading.text(row, "transId")
    status = reading.text(row, "transactionStatus")
    if identity is None or not building.is_transaction_id(identity) or status is None:
        return BadLine(number, "not_a_transaction")
    stated = stated_amount(reading.at(row, "settleAmount"), currency)
    if stated.amount_minor is None or stated.amount_minor < 0:
        return BadLine(number, "amount")
    kind = _kind(row, status)
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=-stated.amount_minor if kind in _OUTGOING else stated.amount_minor,
        currency=currency,
        gateway_reference=identity,
        merchant_reference=_reference(row),
        payment_reference=reading.text(row, "refTransId"),
        booked_on=_day(row),
        payout=reading.text(row, "batch", "batchId"),
        type=reading.shown(status),
    )


def _kind(row: Json, status: str) -> LineKind:
    """Tell a returned refund from a returned sale where the row says which it is."""
    kind = _KINDS.get(status, LineKind.OTHER)
    if reading.text(row, "transactionType") != facts.REFUND_TYPE:
        return kind
    if status in facts.CAME_BACK:
        return LineKind.REFUND_REVERSED
    return LineKind.REFUND if kind is LineKind.PAYMENT else kind


def _reference(row: Json) -> str | None:
    listed = reading.text(row, "invoiceNumber")
    return listed or reading.text(row, "order", "invoiceNumber")


def _day(row: Json) -> date | None:
    """Give the day of the batch by the merchant's clock; lists do not state it."""
    written = reading.text(row, "batch", "settlementTimeLocal") or ""
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        return None
