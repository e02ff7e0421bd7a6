"""The payment-level fee report of a day, as CSV.

Invariant: every refund that settled on the day is one line, under its legacy id and
its order id; the sandbox takes no fees.
Source: gateways/braintree.md section 8 (read 2026-11).
"""

import csv
import io
from collections.abc import Iterator

from refundwatch.sandbox.answers import utc_text
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.braintree.objects import amount_text

HEADER = (
    "Merchant Account ID",
    "Transaction ID",
    "Original Transaction ID",
    "Transaction Type",
    "Presentment Currency",
    "Original Sale Amount",
    "Settlement Currency",
    "Settlement Amount",
    "Settlement Date",
    "Disbursement Date",
    "Payment Instrument",
    "Refunded Amount",
    "Refund Type",
    "Exchange Rate",
    "Order ID",
    "Total Fee Amount",
)


def fee_report(books: Books, day: str, merchant_account: str) -> bytes | None:
    """Write the report of a day (``2026-03-05``); None where nothing settled on it."""
    rows = [
        _row(refund, books.payments[refund.payment], merchant_account)
        for refund in _settled(books, day)
    ]
    if not rows:
        return None
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER, *rows])
    return text.getvalue().encode()


def _settled(books: Books, day: str) -> Iterator[Refund]:
    return (
        refund
        for refund in books.refunds.values()
        if refund.status == "SETTLED" and utc_text(refund.updated_at)[:10] == day
    )


def _row(refund: Refund, payment: Payment, merchant_account: str) -> tuple[str, ...]:
    amount = amount_text(refund.amount_minor, refund.currency)
    whole = refund.amount_minor == payment.amount_minor
    day = utc_text(refund.updated_at)[:10]
    return (
        merchant_account,
        refund.id,
        payment.reference,
        "credit",
        refund.currency,
        amount_text(payment.amount_minor, payment.currency),
        refund.currency,
        amount,
        day,
        day,
        "credit_card",
        amount,
        "full" if whole else "partial",
        "1.00",
        refund.details.get("order_id", ""),
        amount_text(0, refund.currency),
    )
