"""The report "Financial Actions by Payout ID": one row a breakdown of one action.

Invariant: a refund's line states what was given back in the payment's own currency;
every other line states what the account holds. Only those of one currency add up.

Source: "Financial Actions by Payout ID report", "Breakdown types",
https://www.checkout.com/docs (read 2026-11).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.decimals import stated_decimal
from refundwatch.gateways.settlement import (
    BadLine,
    LineKind,
    SettlementLine,
    csv_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REQUIRED: Final = (
    "payment id",
    "action id",
    "action type",
    "breakdown type",
    "processing currency",
    "processing currency amount",
    "holding currency",
    "holding currency amount",
)

_KINDS: Final[Mapping[tuple[str, str], LineKind]] = {
    ("refund", "refund"): LineKind.REFUND,
    ("refund", "partial refund"): LineKind.REFUND,
    ("refund reversal", "refund reversal"): LineKind.REFUND_REVERSED,
    ("capture", "capture"): LineKind.PAYMENT,
    ("capture", "partial capture"): LineKind.PAYMENT,
    ("chargeback", "chargeback"): LineKind.CHARGEBACK,
    ("chargeback reversal", "chargeback reversal"): LineKind.CHARGEBACK_REVERSED,
}
_OF_THE_PAYMENT: Final = frozenset({LineKind.REFUND, LineKind.REFUND_REVERSED})


def lines(name: str, content: Iterable[bytes]) -> Iterator[SettlementLine | BadLine]:
    """Read a report row by row.

    Raises:
        SettlementUnreadable: it is no such report; the error names the file.
    """
    try:
        for number, row in csv_rows(content, REQUIRED, fold_case=True):
            yield row if isinstance(row, BadLine) else _line(number, row)
    except SettlementUnreadable as error:
        raise SettlementUnreadable(error.message, field=name) from error


def _line(number: int, row: Mapping[str, str]) -> SettlementLine | BadLine:
    action, breakdown = row["action type"], row["breakdown type"]
    kind = _kind(action.lower(), breakdown.lower())
    side = "processing" if kind in _OF_THE_PAYMENT else "holding"
    stated = stated_decimal(
        facts.CAPABILITIES,
        row[f"{side} currency amount"],
        row[f"{side} currency"].upper(),
    )
    if stated.amount_minor is None or stated.currency is None:
        return BadLine(number, "amount")
    if not row["action id"]:
        return BadLine(number, "action_id")
    return SettlementLine(
        number=number,
        kind=kind,
        amount_minor=stated.amount_minor,
        currency=stated.currency,
        gateway_reference=row["action id"],
        merchant_reference=row.get("reference") or None,
        payment_reference=row["payment id"] or None,
        booked_on=_day(row.get("processed on", "")),
        payout=row.get("payout id") or None,
        type=f"{action}:{breakdown}",
    )


def _kind(action: str, breakdown: str) -> LineKind:
    if breakdown.endswith(facts.FEE_ENDINGS):
        return LineKind.FEE
    return _KINDS.get((action, breakdown), LineKind.OTHER)


def _day(written: str) -> date | None:
    """Read the day of a local time, which is the settlement zone's own."""
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        return None
