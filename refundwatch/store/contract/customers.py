"""A customer's personal fields: read, unmasked, erased.

Invariant: as `refundwatch.store.contract` says; what is read here is never part of a
list, an entry of the log or a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from refundwatch.store.contract.base import Command, Query

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.policy import Principal


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """What is known of the customer of a payment; all None after an erasure."""

    payment_id: str
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    account: str | None = field(default=None, repr=False)
    last_four: str | None = field(default=None, repr=False)
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadCustomer(Query[CustomerRow | None]):
    """The customer of a payment, for showing it masked."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class UnmaskCustomer(Command[CustomerRow]):
    """Read the customer of a payment whole; who did and why is audited.

    Raises PaymentUnknown, DecisionDenied.
    """

    at: datetime
    principal: Principal
    payment_id: str
    reason_code: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What one batch of an erasure emptied, counted; `more` when others are left."""

    payments: int = 0
    fields: int = 0
    texts: int = 0
    deliveries: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class EraseCustomer(Command[Erased]):
    """Empty the personal fields of every payment that all given values name.

    With them go the free texts about their refunds, salts included, and the raw
    webhooks about them. `dry_run` counts alone. Raises DecisionDenied, CustomerBusy
    (a refund is still under way), or TextInvalid (no value, or an empty one).
    """

    at: datetime
    principal: Principal
    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    account: str | None = field(default=None, repr=False)
    reason_code: str = "erasure_request"
    dry_run: bool = False
    at_most: int = 100
