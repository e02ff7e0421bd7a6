"""Purchase and refund details: one page of the report as settlement lines.

Invariant: every row of the page's settlements and every refusal after transmission
gives a line or a bad line; parts are joined by the request's id alone.

Source: CyberSource/cybersource-rest-client-python docs/PurchaseAndRefundDetailsApi.md
and the report's example (commit 968a29f, read 2026-11).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from refundwatch.errors import MalformedResponse, SettlementUnreadable
from refundwatch.gateways import reading
from refundwatch.gateways.cybersource import facts
from refundwatch.gateways.cybersource.transactions import stated_amount
from refundwatch.gateways.settlement import BadLine, LineKind, SettlementLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from refundwatch.gateways.reading import Json, JsonObject

MAX_PAGE_BYTES: Final = 16 * 1024 * 1024
"""A page has at most 2,000 rows, and each of its parts is joined with the others."""


def lines(name: str, content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read a page.

    Raises:
        SettlementUnreadable: it is no page of this report.
    """
    page = _page(name, content)
    rows = reading.items(page, "settlements") or []
    others = _Others(page)
    for number, row in enumerate(rows, 1):
        yield _line(number, row, others)
    refused = reading.items(page, "settlementStatuses") or []
    amounts = _by_request(rows)
    for number, row in enumerate(refused, len(rows) + 1):
        if _status_of(row) in facts.NOT_SETTLED:
            yield _returned(number, row, amounts, others)


def _page(name: str, content: Iterable[bytes]) -> JsonObject:
    body = bytearray()
    for piece in content:
        body += piece
        if len(body) > MAX_PAGE_BYTES:
            message = "A page of the report is larger than 16 MiB."
            raise SettlementUnreadable(message, field=name)
    try:
        page = reading.parse_object(bytes(body), limit=MAX_PAGE_BYTES)
    except MalformedResponse as error:
        message = f"The report is no JSON page: {error.message}."
        raise SettlementUnreadable(message, field=name) from error
    if "settlements" not in page and "requestDetails" not in page:
        message = "The page has no purchase and refund details."
        raise SettlementUnreadable(message, field=name)
    return page


class _Others:
    """The other parts of a page, by the request that they are of."""

    def __init__(self, page: JsonObject) -> None:
        self.details = _by_request(reading.items(page, "requestDetails"))
        self.statuses = _by_request(reading.items(page, "settlementStatuses"))
        self.fees = _by_request(reading.items(page, "feeAndFundingDetails"))


def _by_request(rows: list[Json] | None) -> Mapping[str, Json]:
    named = ((reading.text(row, "requestId"), row) for row in rows or [])
    return {name: row for name, row in named if name is not None}


def _line(number: int, row: Json, others: _Others) -> SettlementLine | BadLine:
    request = reading.text(row, "requestId")
    if request is None:
        return BadLine(number, "request_id")
    status = others.statuses.get(request)
    if status is not None and _status_of(status) not in {
        facts.SETTLED,
        *facts.NOT_SETTLED,
    }:
        return BadLine(number, "settlement_status")
    return _moved(number, row, request, others)


def _status_of(row: Json) -> str:
    return (reading.text(row, "status") or "").casefold()


def _moved(
    number: int, row: Json, request: str, others: _Others
) -> SettlementLine | BadLine:
    written = reading.text(row, "transactionType") or ""
    if written.casefold() in facts.REFUND_TYPES:
        kind, sign = LineKind.REFUND, -1
    elif written.casefold() in facts.PAYMENT_TYPES:
        kind, sign = LineKind.PAYMENT, 1
    else:
        return BadLine(number, "transaction_type")
    stated = stated_amount(reading.at(row, "amount"), reading.at(row, "currencyCode"))
    if stated.amount_minor is None or stated.currency is None or stated.doubt:
        return BadLine(number, "amount")
    if stated.amount_minor < 0:
        return BadLine(number, "amount_sign")
    fee = others.fees.get(request)
    charged = stated_amount(reading.at(fee, "totalFee"), reading.at(fee, "feeCurrency"))
    if charged.doubt is not None:
        return BadLine(number, "fee")
    settled = reading.text(others.statuses.get(request), "settlementTime")
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=sign * stated.amount_minor,
        currency=stated.currency,
        gateway_reference=request,
        merchant_reference=reading.text(
            others.details.get(request), "merchantReferenceNumber"
        ),
        fee_minor=charged.amount_minor,
        fee_currency=charged.currency if charged.amount_minor is not None else None,
        booked_on=_day(settled or reading.text(row, "cybersourceBatchTime")),
        payout=reading.text(row, "cybersourceBatchId"),
        type=reading.shown(written),
    )


def _returned(
    number: int, row: Json, amounts: Mapping[str, Json], others: _Others
) -> SettlementLine | BadLine:
    """A refund that the processor refused after it was transmitted came back."""
    request = reading.text(row, "requestId")
    sent = amounts.get(request or "")
    if request is None or sent is None:
        return BadLine(number, "refused_without_amount")
    line = _moved(number, sent, request, others)
    if isinstance(line, BadLine):
        return line
    if line.kind is not LineKind.REFUND:
        return BadLine(number, "refused_payment")
    return SettlementLine(
        number=number,
        kind=LineKind.REFUND_REVERSED,
        amount_minor=-line.amount_minor,
        currency=line.currency,
        gateway_reference=request,
        merchant_reference=line.merchant_reference,
        booked_on=line.booked_on,
        payout=line.payout,
        type=reading.shown(reading.at(row, "status")),
    )


def _day(written: str | None) -> date | None:
    stated = reading.utc_text(written)
    if stated is None:
        return None
    return datetime.fromisoformat(stated).astimezone(UTC).date()
