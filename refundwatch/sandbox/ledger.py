"""What was truly executed, refund by refund, whatever anybody was told about it.

Invariant: one row for each refund that a gateway took, never merged with another; a
row counts as executed while money has left and not come back.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """Hold one refund as the gateway carried it out; amounts in ISO minor units."""

    gateway: str
    account: str
    payment: str
    refund_id: str
    merchant_reference: str
    idempotency_key: str
    amount_minor: int
    asked_minor: int
    currency: str
    accepted_at: float
    executed_at: float | None = None
    bounced_at: float | None = None
    source: str = "api"
    status: str = ""

    @property
    def executed(self) -> bool:
        """Tell whether money has left and not come back."""
        return self.executed_at is not None and self.bounced_at is None

    @property
    def net_minor(self) -> int:
        """Return what the payer has of it now, in ISO minor units."""
        return self.amount_minor if self.executed else 0


class Ledger:
    """Keep the rows of every account of one sandbox, in order of acceptance."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[str, str], LedgerRow] = {}
        self._by_payment: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def accept(self, row: LedgerRow) -> None:
        """Write down that a gateway took a refund."""
        self._rows[row.account, row.refund_id] = row
        self._by_payment[row.account, row.payment].append(row.refund_id)

    def execute(self, account: str, refund_id: str, at: float, status: str) -> None:
        """Write down that the money left."""
        row = self._rows[account, refund_id]
        self._put(replace(row, executed_at=row.executed_at or at, status=status))

    def fail(self, account: str, refund_id: str, at: float, status: str) -> None:
        """Write down a failure: money that had left came back, else none moved."""
        row = self._rows[account, refund_id]
        bounced_at = at if row.executed else row.bounced_at
        self._put(replace(row, bounced_at=bounced_at, status=status))

    def restate(self, account: str, refund_id: str, status: str) -> None:
        """Note a status that moves no money."""
        row = self._rows[account, refund_id]
        self._put(replace(row, status=status))

    def _put(self, row: LedgerRow) -> None:
        self._rows[row.account, row.refund_id] = row

    def row(self, account: str, refund_id: str) -> LedgerRow | None:
        """Return one row."""
        return self._rows.get((account, refund_id))

    def rows(
        self, account: str | None = None, payment: str | None = None
    ) -> list[LedgerRow]:
        """List rows, oldest first, of everything or one account or payment."""
        if account is not None and payment is not None:
            ids = self._by_payment.get((account, payment), [])
            return [self._rows[account, refund_id] for refund_id in ids]
        return [
            row
            for row in self._rows.values()
            if account in (None, row.account) and payment in (None, row.payment)
        ]

    def net_by_payment(self) -> dict[tuple[str, str, str], int]:
        """Sum what is truly out, by (account, payment, currency)."""
        sums: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        for row in self._rows.values():
            sums[row.account, row.payment, row.currency] += row.net_minor
        return dict(sums)

    def doubles(self) -> list[tuple[LedgerRow, ...]]:
        """Find refunds of ours that a gateway executed more than once.

        A bounced execution still counts: sending it twice was wrong all the same.
        """
        groups: defaultdict[tuple[str, str], list[LedgerRow]] = defaultdict(list)
        for row in self._rows.values():
            if row.executed_at is not None and row.merchant_reference:
                groups[row.account, row.merchant_reference].append(row)
        return [tuple(rows) for rows in groups.values() if len(rows) > 1]

    def dump(self) -> list[LedgerRow]:
        """Return every row, for a snapshot."""
        return list(self._rows.values())

    def load(self, rows: Iterable[LedgerRow]) -> None:
        """Replace everything by the rows of a snapshot."""
        self._rows.clear()
        self._by_payment.clear()
        for row in rows:
            self.accept(row)
