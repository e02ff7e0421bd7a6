"""Klarna's settlements: one payout for each day and currency, made from the books.

Invariant: every sale and every return is a row of exactly one payout, whose totals are
the sums of its rows.
Source: gateways/klarna.md section 8 (Settlements API 1.0.0-rc2, read 2026-11).
"""

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime

from refundwatch.sandbox.answers import Json, moment, utc_text
from refundwatch.sandbox.books import Books, Payment, Refund
from refundwatch.sandbox.klarna.orders import (
    capture_id_of,
    country_of,
    klarna_reference,
)
from refundwatch.sandbox.klarna.refusals import bad_value
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.money import KLARNA

_DEFAULT_SIZE, _MAX_SIZE = 20, 500
_TOTALS = (
    "commission",
    "repay",
    "sale",
    "holdback",
    "settlement",
    "reversal",
    "release",
    "return",
    "fee",
    "charge",
    "credit",
    "fee_refund",
    "tax_refund",
    "deposit",
    "opening_debt_balance",
    "closing_debt_balance",
)
COLUMNS = (
    "type",
    "detailed_type",
    "amount",
    "currency_code",
    "order_id",
    "short_order_id",
    "capture_id",
    "refund_id",
    "merchant_refund_reference",
    "merchant_reference1",
    "payment_reference",
    "sale_date",
    "capture_date",
    "purchase_country",
)


def transactions(books: Books, until: float, host: str) -> list[Json]:
    """List every row that is settled by then, oldest first."""
    rows: list[tuple[float, Json]] = []
    for payment in books.payments.values():
        if payment.captured and payment.created_at <= until:
            rows.append((payment.created_at, _sale(payment, host)))
        rows += [
            (refund.created_at, _return(refund, payment, host))
            for refund in books.refunds_of(payment.reference)
            if refund.created_at <= until
        ]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _sale(payment: Payment, host: str) -> Json:
    row = _row(payment, payment.amount_minor, payment.created_at, host)
    row |= {"type": "SALE", "detailed_type": "PURCHASE"}
    return {**row, "capture_id": capture_id_of(payment)}


def _return(refund: Refund, payment: Payment, host: str) -> Json:
    row = _row(payment, refund.amount_minor, refund.created_at, host)
    row |= {"type": "RETURN", "detailed_type": "PURCHASE_RETURN", "capture_id": ""}
    row["refund_id"] = refund.id
    if refund.merchant_reference:
        row["merchant_refund_reference"] = refund.merchant_reference
    return row


def _row(payment: Payment, minor: int, at: float, host: str) -> Json:
    day = datetime.fromtimestamp(at, UTC).strftime("%Y%m%d")
    payout = f"RWPAY{day}{payment.currency}"
    row: Json = {
        "amount": KLARNA.to_gateway(minor, payment.currency),
        "currency_code": payment.currency,
        "order_id": payment.reference,
        "short_order_id": klarna_reference(payment),
        "payment_reference": payout,
        "payout": f"{host}/settlements/v1/payouts/{payout}",
        "sale_date": utc_text(payment.created_at),
        "capture_date": utc_text(at),
        "purchase_country": country_of(payment.currency),
    }
    if payment.merchant_reference:
        row["merchant_reference1"] = payment.merchant_reference
    return row


def payouts(rows: list[Json], merchant_id: str, host: str) -> list[Json]:
    """Join rows to payouts, oldest first."""
    by_payout: defaultdict[str, list[Json]] = defaultdict(list)
    for row in rows:
        by_payout[row["payment_reference"]].append(row)
    return [
        {
            "payment_reference": name,
            "payout_date": f"{day}T23:00:00Z",
            "currency_code": name[-3:],
            "merchant_settlement_type": "NET",
            "merchant_id": merchant_id,
            "totals": _totals(found),
            "transactions": (
                f"{host}/settlements/v1/transactions?payment_reference={name}"
            ),
        }
        for name, found in by_payout.items()
        if (day := f"{name[5:9]}-{name[9:11]}-{name[11:13]}")
    ]


def _totals(rows: list[Json]) -> dict[str, int]:
    sales = sum(row["amount"] for row in rows if row["type"] == "SALE")
    returns = sum(row["amount"] for row in rows if row["type"] == "RETURN")
    totals = {f"{name}_amount": 0 for name in _TOTALS}
    return totals | {
        "sale_amount": sales,
        "return_amount": returns,
        "settlement_amount": sales - returns,
    }


def chosen_payouts(found: list[Json], request: Request) -> list[Json]:
    """Keep the payouts of a currency and a span of dates.

    Raises: Refusal for a date that is none.
    """
    currency = request.query_value("currency_code")
    start = _bound(request, "start_date", 0.0)
    end = _bound(request, "end_date", float("inf"))
    return [
        payout
        for payout in found
        if currency in ("", payout["currency_code"])
        and start <= (moment(payout["payout_date"]) or 0.0) <= end
    ]


def _bound(request: Request, name: str, default: float) -> float:
    text = request.query_value(name)
    if not text:
        return default
    # A bare date means midnight.
    at = moment(text if "T" in text else f"{text}T00:00:00Z")
    if at is None:
        raise bad_value(f"{name}: is no date-time")
    return at


def page(name: str, found: list[Json], request: Request) -> Json:
    """Cut a page.

    Raises: Refusal for a size or an offset that is none.
    """
    size = _whole(request, "size", _DEFAULT_SIZE)
    offset = _whole(request, "offset", 0)
    if not 1 <= size <= _MAX_SIZE:
        raise bad_value(f"size: must be between 1 and {_MAX_SIZE}")
    part = found[offset : offset + size]
    pagination = {"count": len(part), "total": len(found), "offset": offset}
    return {name: part, "pagination": pagination}


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_value(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise bad_value(f"{name}: must be a number")
    return int(text)


def report(rows: list[Json]) -> bytes:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
