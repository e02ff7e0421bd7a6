"""A refused decision: it changes nothing, yet it is written down.

Invariant: the unit that was denied is rolled back whole; its note is a unit of its
own, in the same commit, and the error still reaches whoever asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.errors import DecisionDenied, StaleRevision
from refundwatch.store.contract import AuditNote

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.policy import Denial


class NotedStale(StaleRevision):
    """A decision about what is there no more, with the note that records it."""

    def __init__(self, message: str, note: AuditNote) -> None:
        """Keep the sentence for people and the note for the log."""
        super().__init__(message, field="revision")
        self.note = note


class NotedDenial(DecisionDenied):
    """A denial with the audit note that records it."""

    def __init__(self, message: str, note: AuditNote) -> None:
        """Keep the sentence for people and the note for the log."""
        super().__init__(message)
        self.note = note


def denied(
    denial: Denial,
    at: datetime,
    actor: str,
    refund_id: str | None,
    action: str,
    *,
    data: dict[str, str | int | None] | None = None,
) -> NotedDenial:
    """Word a denial and its note; `action` says what was asked."""
    kind = "refund:decision:denied" if refund_id else "request:denied"
    note = AuditNote(
        at=at,
        kind=kind,
        actor=actor,
        data={"action": action, "reason": denial.code, **(data or {})},
        refund_id=refund_id,
    )
    return NotedDenial(denial.sentence, note)
