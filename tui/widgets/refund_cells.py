"""The columns of lists of refunds, and what stands in their cells.

Invariant: text from outside is plain; a tone only repeats a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as f
from tui.columns import Column

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.api.models import RefundView

COLUMNS: Final = (
    Column("state", "state", 21),
    Column("amount", "amount", 16, right=True),
    Column("age", "age", 6, 1, right=True),
    Column("account", "account", 12, 2, grow=1),
    Column("approvals", "yes", 3, 7),
    Column("payment", "payment", 16, 4, grow=2),
    Column("reason", "reason", 14, 5, grow=1),
    Column("by", "requested by", 16, 8, grow=1),
    Column("id", "refund", 12, 3, grow=3),
    Column("note", "note", 16, 6, grow=1),
)
"""Of every list."""
WAITING_COLUMNS: Final = (
    Column("amount", "amount", 16, right=True),
    Column("approvals", "yes", 3),
    Column("age", "age", 6, 4, right=True),
    Column("ends", "ends", 9, 6, right=True),
    Column("account", "account", 11, 2, grow=1),
    Column("by", "requested by", 16, 3, grow=2),
    Column("reason", "reason", 14, 5, grow=1),
    Column("payment", "payment", 16, 7, grow=2),
    Column("id", "refund", 12, 1, grow=3),
    Column("state", "state", 21, 8),
)
"""Of what waits for approval: there the state says nothing new."""
_PLAIN: Final = {
    "account": "account",
    "payment": "payment_reference",
    "reason": "reason_code",
    "by": "created_by",
    "id": "id",
}


def words_of(
    key: str, row: RefundView, now: datetime | None, *, ascii_only: bool
) -> str:
    """Give the text of one cell."""
    match key:
        case "state":
            return f.state(row.state, ascii_only=ascii_only)
        case "amount":
            return f.money(row.amount)
        case "age" if now is not None:
            return f.since(row.created_at, now)
        case "ends" if now is not None:
            return f.since(row.approvals_expire_at, now)
        case "approvals":
            needed = row.required_approvals
            return f"{row.approvals}/{needed}" if needed else "-"
        case "note":
            return f.plain(note(row))
        case _ if key in _PLAIN:
            return f.plain(str(getattr(row, _PLAIN[key])))
        case _:
            return ""


def tone_of(key: str, row: RefundView) -> str:
    """Give the tone of one cell."""
    match key:
        case "state":
            return f.TONES[row.state]
        case "note":
            return "ask"
        case "id" | "payment" | "by":
            return "dim"
        case _:
            return ""


def note(row: RefundView) -> str:
    """Give the one thing about a refund that somebody should know."""
    if row.frozen:
        return f"payment frozen: {row.frozen}"
    if row.requires_action:
        return "the payer must act"
    return row.review_reason or row.hold_reason or row.refused_code or ""
