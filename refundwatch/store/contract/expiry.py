"""What is emptied when it is old: sealed bodies, never rows.

Invariant: as `refundwatch.store.contract` says; a row and the digest of what it held
stay for ever, so that a copy kept elsewhere can still be proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from refundwatch.store.contract.base import Command

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """How many bodies of each kind one batch emptied."""

    deliveries: int
    requests: int
    notes: int

    @property
    def total(self) -> int:
        """Give all of them."""
        return self.deliveries + self.requests + self.notes


@dataclass(frozen=True, slots=True)
class EmptyOld(Command[Expired]):
    """Empty what is older than these moments, at most so many of a kind; audited.

    A raw webhook is kept while an item of it waits, a stored request until its refund
    has been final for as long: before that it may have to be sent again, identically.
    """

    patient: ClassVar[bool] = True

    at: datetime
    deliveries_before: datetime
    requests_before: datetime
    notes_before: datetime
    at_most: int = 500
