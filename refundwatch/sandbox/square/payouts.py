"""Square's payouts and their entries, made from the books and the ledger.

Invariant: every charge, every refund that moved money and every one that came back
stands in exactly one entry, in the payout of the time when it happened.
Source: square/connect-api-specification api.json (2025-08-20), ListPayouts and
ListPayoutEntries; "List Payout Entries", https://developer.squareup.com (read 2026-11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.books import Books, Refund
from refundwatch.sandbox.ledger import LedgerRow
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.settings import SquareSettings
from refundwatch.sandbox.square.objects import time_text
from refundwatch.sandbox.square.refusals import Refusal

_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Hold what becomes an entry; amounts in ISO minor units, money in is positive."""

    at: float
    kind: str
    amount_minor: int
    currency: str
    payment: str
    refund: str = ""
    fee_minor: int = 0


def movements(books: Books, rows: Sequence[LedgerRow]) -> list[Movement]:
    """List everything that moved money, oldest first."""
    found = [
        Movement(
            at=payment.created_at,
            kind="CHARGE",
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            payment=payment.reference,
        )
        for payment in books.payments.values()
        if payment.captured
    ]
    for row in rows:
        refund = books.refunds[row.refund_id]
        if row.executed_at is not None:
            found.append(_refunded(row, refund, row.executed_at))
        if row.bounced_at is not None:
            found.append(_came_back(row, row.bounced_at))
    return sorted(found, key=lambda movement: movement.at)


def _refunded(row: LedgerRow, refund: Refund, at: float) -> Movement:
    return Movement(
        at=at,
        kind="REFUND",
        amount_minor=-row.amount_minor,
        currency=row.currency,
        payment=row.payment,
        refund=row.refund_id,
        fee_minor=-int(refund.details.get("fee", "0")),
    )


def _came_back(row: LedgerRow, at: float) -> Movement:
    """Square names no type for it; an adjustment is what is left."""
    return Movement(
        at=at,
        kind="ADJUSTMENT",
        amount_minor=row.amount_minor,
        currency=row.currency,
        payment=row.payment,
    )


class Payouts:
    """Cut movements into payouts, each of one period that is over and one currency."""

    def __init__(
        self, settings: SquareSettings, moved: Sequence[Movement], now: float
    ) -> None:
        """Take what moved; nothing of the running period is paid out yet."""
        self._settings = settings
        self._moved: dict[str, list[Movement]] = {}
        current = int(now // settings.payout_seconds)
        for one in moved:
            period = int(one.at // settings.payout_seconds)
            if period < current:
                self._moved.setdefault(f"po_{period}_{one.currency}", []).append(one)

    def listed(self, request: Request) -> Json:
        """Answer a list of payouts, of this location alone.

        Raises: Refusal.
        """
        wanted = request.query_value("location_id")
        ids = list(self._moved) if wanted in {"", self._settings.location_id} else []
        return _page(request, "payouts", [self._payout(key) for key in ids])

    def entries(self, request: Request, payout_id: str) -> Json:
        """Answer the entries of a payout.

        Raises: Refusal.
        """
        if payout_id not in self._moved:
            raise Refusal.not_found()
        moved = self._moved[payout_id]
        found = [_entry(payout_id, n, one) for n, one in enumerate(moved)]
        return _page(request, "payout_entries", found)

    def _payout(self, payout_id: str) -> Json:
        moved = self._moved[payout_id]
        period = int(payout_id.split("_")[1]) + 1
        end = period * self._settings.payout_seconds
        net = sum(one.amount_minor - one.fee_minor for one in moved)
        return {
            "id": payout_id,
            "status": "PAID",
            "location_id": self._settings.location_id,
            "created_at": time_text(end),
            "updated_at": time_text(end),
            "amount_money": {"amount": net, "currency": moved[0].currency},
            "version": 1,
            "type": "BATCH",
            "arrival_date": datetime.fromtimestamp(end, UTC).date().isoformat(),
            "end_to_end_id": f"E2E{payout_id}",
        }


def _entry(payout_id: str, number: int, one: Movement) -> Json:
    details: Json = {"payment_id": one.payment}
    if one.refund:
        details["refund_id"] = one.refund
    found: Json = {
        "id": f"poe_{payout_id}_{number}",
        "payout_id": payout_id,
        "effective_at": time_text(one.at),
        "type": one.kind,
        "gross_amount_money": _money(one.amount_minor, one.currency),
        "fee_amount_money": _money(one.fee_minor, one.currency),
        "net_amount_money": _money(one.amount_minor - one.fee_minor, one.currency),
    }
    if one.kind != "ADJUSTMENT":
        found[f"type_{one.kind.lower()}_details"] = details
    return found


def _money(amount_minor: int, currency: str) -> Json:
    """Describe an amount as the examples of entries do, with another key."""
    return {"amount": amount_minor, "currency_code": currency}


def _page(request: Request, name: str, found: list[Json]) -> Json:
    cursor, limit = request.query_value("cursor"), request.query_value("limit")
    if not (cursor or "0").isdecimal() or not (limit or "1").isdecimal():
        raise Refusal.invalid("INVALID_CURSOR", "cursor")
    start = int(cursor or "0")
    end = start + min(max(int(limit or _MOST), 1), _MOST)
    page: Json = {name: found[start:end]} if found[start:end] else {}
    if end < len(found):
        page["cursor"] = str(end)
    return page
