"""What can be asked of a store.

Invariant: a question changes nothing and sees committed rows only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from refundwatch.domain.refund import RefundState
from refundwatch.store.contract.base import Query
from refundwatch.store.contract.house import StoredKeys
from refundwatch.store.contract.path import InboxJob
from refundwatch.store.contract.rows import (
    AccountRow,
    AlarmRow,
    AuditRow,
    Change,
    ConnectionRow,
    DeliveryRow,
    InvoiceRow,
    OutageRow,
    Page,
    PaymentRow,
    RefundDetail,
    RefundSummary,
    ThreeNumbers,
    TokenRow,
    TokenSecret,
)

if TYPE_CHECKING:
    from refundwatch.domain.filter import RefundFilter
    from refundwatch.domain.refund import Refund


@dataclass(frozen=True, slots=True)
class LoadKeys(Query[StoredKeys]):
    """The vault's wrapped keys and check values."""


@dataclass(frozen=True, slots=True)
class GetRefund(Query[RefundDetail | None]):
    """One refund by its id, its merchant reference or its request id."""

    refund_id: str


@dataclass(frozen=True, slots=True)
class ListRefunds(Query[Page[RefundSummary]]):
    """Refunds newest first (or oldest), filtered, from a cursor.

    `offset` serves virtual lists: with it, cursor is ignored and `total` is given. A
    page may end early where what is wanted is rare: see `Page.searched_to`.
    """

    filter: RefundFilter
    at: datetime
    limit: int = 50
    cursor: str | None = None
    offset: int | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class CountStates(Query[Mapping[RefundState, int]]):
    """Refunds by state, from the rollup."""


@dataclass(frozen=True, slots=True)
class GetPayment(Query[PaymentRow | None]):
    """One payment by our id, or by account and gateway reference."""

    payment: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class ListPayments(Query[Page[PaymentRow]]):
    """Payments newest first; `customer_email` matches exactly, by blind index."""

    limit: int = 50
    cursor: str | None = None
    account: str | None = None
    frozen_only: bool = False
    customer_email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GetInvoice(Query[InvoiceRow | None]):
    """One invoice by its number."""

    number: str


@dataclass(frozen=True, slots=True)
class ListAccounts(Query[tuple[AccountRow, ...]]):
    """Every configured account."""


@dataclass(frozen=True, slots=True)
class ListConnections(Query[tuple[ConnectionRow, ...]]):
    """Every configured connection with its health."""


@dataclass(frozen=True, slots=True)
class ListOutages(Query[tuple[OutageRow, ...]]):
    """Outages that touch the time since `since`, newest first."""

    since: datetime


@dataclass(frozen=True, slots=True)
class ListAlarms(Query[tuple[AlarmRow, ...]]):
    """Alarms newest first; by default those not closed."""

    include_closed: bool = False
    unsent_only: bool = False
    limit: int = 200


@dataclass(frozen=True, slots=True)
class ListTokens(Query[tuple[TokenRow, ...]]):
    """Every token, revoked ones too."""


@dataclass(frozen=True, slots=True)
class GetToken(Query[TokenSecret | None]):
    """One token by its public id."""

    token_id: str


@dataclass(frozen=True, slots=True)
class GetNumbers(Query[tuple[ThreeNumbers, ...]]):
    """The three numbers by connection and in all (`*`), from the rollups.

    A window of up to 24 hours begins with a full minute, a longer one with a full
    hour (UTC). What came before a connection was chosen (a request, a wait for
    approval) counts for an account's only connection, else in a row that bears the
    account's name. With `by_currency` a row for each currency follows the row of all.
    """

    at: datetime
    window_seconds: int
    by_currency: bool = False


@dataclass(frozen=True, slots=True)
class ChangesSince(Query[tuple[Change, ...]]):
    """Changes with a sequence above `seq`, oldest first."""

    seq: int
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class LastSeq(Query[int]):
    """The newest audit sequence, -1 for an empty log."""


@dataclass(frozen=True, slots=True)
class ReadAudit(Query[tuple[AuditRow, ...]]):
    """Audit rows from `start` on, in order."""

    start: int = 0
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class DueWork:
    """Refunds to look at now, each with its payment, oldest first."""

    refund: Refund
    payment: PaymentRow
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class DueSends(Query[tuple[DueWork, ...]]):
    """Queued refunds that may be claimed now.

    Left out: frozen payments, payments with a refund in flight, paused connections
    (an account whose every connection is paused), ids in `skip`, and refunds of
    `skip_accounts`: what a busy account has waiting must not hide another's.
    """

    at: datetime
    limit: int
    skip: frozenset[str] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DueLookups(Query[tuple[DueWork, ...]]):
    """Unknown refunds whose next look is due; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[str] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DuePolls(Query[tuple[DueWork, ...]]):
    """Pending refunds whose next poll is due; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[str] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DueInbox(Query[tuple[InboxJob, ...]]):
    """Inbox items that are due, oldest first; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[int] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ListDeliveries(Query[Page[DeliveryRow]]):
    """Stored webhook items, newest first; the cursor is the id where a page ended.

    A page may be short of rows where what is wanted is rare, and still go on.
    """

    limit: int = 50
    cursor: str | None = None
    account: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class GetDelivery(Query[DeliveryRow | None]):
    """One stored webhook item with its meaning."""

    delivery_id: int


@dataclass(frozen=True, slots=True)
class BackfillPage:
    """Refunds in the order of their ids, and how many were left with them."""

    refunds: tuple[Refund, ...]
    left: int


@dataclass(frozen=True, slots=True)
class ToBackfill(Query[BackfillPage]):
    """Refunds of an account that were sent and are not final, or final since then.

    Only ids behind `after`; what was never sent is nothing to its gateway.
    """

    account: str
    since: datetime
    after: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class NextDue(Query[datetime | None]):
    """When the earliest waiting send, look-up, poll or inbox item falls due.

    With `after`, the earliest later than that: whoever asks has just seen the rest,
    and what stayed then waits for something else, which a commit will tell.
    """

    after: datetime | None = None
