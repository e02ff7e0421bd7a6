"""Braintree's payment-level fee report, as CSV.

Invariant: amounts are read by the header's names and exactly, or the line is told as
bad; what is given back is negative, whatever sign the file writes.

Source: braintree/braintree_java src/test/resources/fixtures/
transaction_level_fee_report.csv and transaction_level_interchange_fee_report.csv;
"Report: Transaction Level Fees", https://developer.paypal.com/braintree (2026-11).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from refundwatch.gateways.braintree import facts
from refundwatch.gateways.decimals import stated_decimal
from refundwatch.gateways.settlement import (
    BadLine,
    LineKind,
    SettlementLine,
    csv_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_REQUIRED: Final = (
    "Transaction ID",
    "Transaction Type",
    "Settlement Currency",
    "Settlement Amount",
)
_FEES: Final = ("Total Fee Amount", "Est. Total Fee Amount")


def lines(content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read a report row by row.

    Raises:
        SettlementUnreadable: a column is missing that every form of the report has.
    """
    for number, row in csv_rows(content, _REQUIRED):
        yield row if isinstance(row, BadLine) else _line(number, row)


def _line(number: int, row: Mapping[str, str]) -> SettlementLine | BadLine:
    kind = _kind(row["Transaction Type"])
    money = _amount(row, kind)
    if money is None:
        return BadLine(number, "amount")
    fee_currency = row["Settlement Currency"]
    fee = next((row[name] for name in _FEES if row.get(name)), None)
    fee_minor = None if fee is None else _minor(fee, fee_currency)
    if fee is not None and fee_minor is None:
        return BadLine(number, "fee")
    if not row["Transaction ID"]:
        return BadLine(number, "transaction_id")
    try:
        booked_on = _day(row.get("Settlement Date"))
        paid_on = _day(row.get("Disbursement Date"))
    except ValueError:
        return BadLine(number, "date")
    amount, currency = money
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=-abs(amount) if kind is LineKind.REFUND else amount,
        currency=currency,
        gateway_reference=row["Transaction ID"],
        merchant_reference=row.get("Order ID") or None,
        payment_reference=row.get("Original Transaction ID") or None,
        fee_minor=fee_minor,
        fee_currency=None if fee_minor is None else fee_currency,
        booked_on=booked_on,
        payout=None if paid_on is None else _payout(row, paid_on),
        type=row["Transaction Type"],
    )


def _kind(written: str) -> LineKind:
    match written:
        case "sale":
            return LineKind.PAYMENT
        case facts.CREDIT:
            return LineKind.REFUND
        case _:
            return LineKind.OTHER


def _amount(row: Mapping[str, str], kind: LineKind) -> tuple[int, str] | None:
    """Give the amount in the customer's currency, or as settled if no column has it."""
    column = "Refunded Amount" if kind is LineKind.REFUND else "Original Sale Amount"
    currency = row.get("Presentment Currency")
    if currency and row.get(column):
        minor = _minor(row[column], currency)
        return None if minor is None else (minor, currency)
    currency = row["Settlement Currency"]
    minor = _minor(row["Settlement Amount"], currency)
    return None if minor is None else (minor, currency)


def _minor(written: str, currency: str) -> int | None:
    stated = stated_decimal(facts.CAPABILITIES, written, currency)
    return stated.amount_minor if stated.doubt is None else None


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None


def _payout(row: Mapping[str, str], paid_on: date) -> str:
    """A disbursement has no id here: merchant account and day name it."""
    return f"{row.get('Merchant Account ID', '')}/{paid_on.isoformat()}"
