"""The only definition of what a store does: commands, queries, and what they return.

Invariant: a unit of work is one frozen command, executed whole or not at all; with it
commit its audit entries, its rollups and the alarms it raises. No callable that takes
a connection crosses this contract, so each database can do the work natively. A store
loads rows, calls a pure decision of `refundwatch.domain`, writes, and appends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from refundwatch.domain.refund import RefundState
from refundwatch.domain.transition import Applied

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.decision import Verdict
    from refundwatch.domain.events import RefundEvent, Resolution
    from refundwatch.domain.filter import RefundFilter
    from refundwatch.domain.policy import Band, Principal, Role
    from refundwatch.domain.refund import Evidence, Refund, Word

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Command(Generic[R]):
    """A unit of work that returns R."""

    __slots__ = ()


class Query(Generic[R]):
    """A question that changes nothing and returns R."""

    __slots__ = ()


class Sealer(Protocol):
    """Seals and opens columns; `refundwatch.security.vault` offers it."""

    def seal(self, table: str, primary_key: str, column: str, plain: bytes, /) -> bytes:
        """Return the ciphertext bound to table, row and column."""
        ...

    def open(
        self, table: str, primary_key: str, column: str, sealed: bytes, /
    ) -> bytes:
        """Return the plain bytes, or raise when anything was moved or changed."""
        ...

    def blind_index(self, column: str, value: str, /) -> bytes:
        """Return the index by which an exact value can be found again."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules a command decides by; `version` is the configuration's digest.

    `hold_declared` names the accounts whose unreadable (declared) payments are held.
    """

    version: str
    bands: tuple[Band, ...]
    approvals_expiry_seconds: int
    hold_declared: frozenset[str] = frozenset()


# --- start and configuration ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """One configured merchant account."""

    name: str
    gateway: str
    timezone: str


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One configured path to an account; its id is `account/name`."""

    account: str
    name: str
    endpoint: str

    @property
    def id(self) -> str:
        """Name the connection within the instance."""
        return f"{self.account}/{self.name}"


@dataclass(frozen=True, slots=True)
class OpenHouse(Command[None]):
    """Check the immutable ids, record the configuration, and audit its digest.

    A connection without call or probe for longer than `observation_gap_seconds` was
    not observed; twice the probe interval and a timeout is a good value.

    Raises:
        StoreMismatch: instance, mode or an account's gateway differ from the store's.
    """

    at: datetime
    instance: str
    mode: str
    config_digest: str
    version: str
    accounts: tuple[AccountSpec, ...]
    connections: tuple[ConnectionSpec, ...]
    observation_gap_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class AbandonAttempts(Command[tuple[str, ...]]):
    """At start, and for leases that ran out: `sending` becomes `unknown`.

    With `all_open` every open attempt, else those whose lease ended before `at`.
    Returns the ids of the refunds moved.
    """

    at: datetime
    due_at: datetime
    all_open: bool


# --- the vault's keys -------------------------------------------------------------


class KeyRow(Protocol):
    """A wrapped data key; `refundwatch.security.vault.WrappedKey` is one."""

    @property
    def dek_id(self) -> int:
        """Give the key's number."""

    @property
    def kek_id(self) -> str:
        """Name the key it is wrapped under."""

    @property
    def wrapped(self) -> bytes:
        """Give the wrapped bytes."""

    @property
    def created_at(self) -> datetime:
        """Give when it was made."""

    @property
    def uses(self) -> int:
        """Count what was sealed with it."""

    @property
    def state(self) -> str:
        """Say what it is for: current, decrypt_only or index."""


class KeyCheckRow(Protocol):
    """A known sealed value; `refundwatch.security.vault.KeyCheck` is one."""

    @property
    def kek_id(self) -> str:
        """Name the key it was sealed under."""

    @property
    def sealed(self) -> bytes:
        """Give the sealed value."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A wrapped data key as it is stored."""

    dek_id: int
    kek_id: str
    wrapped: bytes = field(repr=False)
    created_at: datetime
    uses: int
    state: str


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A key's check value as it is stored."""

    kek_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Everything a vault needs of the store to begin."""

    keys: tuple[StoredKey, ...]
    checks: tuple[StoredCheck, ...]


@dataclass(frozen=True, slots=True)
class SaveKeys(Command[None]):
    """Insert or replace wrapped keys and check values; audited without the bytes."""

    at: datetime
    keys: tuple[KeyRow, ...] = field(default=(), repr=False)
    checks: tuple[KeyCheckRow, ...] = field(default=(), repr=False)


# --- payments and invoices --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvoiceShare:
    """The part of a payment that pays one invoice, in the payment's minor units."""

    number: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """An invoice; `amount_minor` in minor units of `currency`."""

    number: str
    amount_minor: int
    currency: str
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment as its caller declares it; personal fields are sealed.

    `customer` may hold `name`, `email`, `account`, `last_four`.
    """

    account: str
    gateway_reference: str
    captured_minor: int
    currency: str
    captured_at: datetime | None = None
    order_reference: str | None = None
    invoices: tuple[InvoiceShare, ...] = ()
    customer: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why one row of a bulk command was refused; `index` counts from 0."""

    index: int
    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What a bulk command did; with any problem nothing at all was stored.

    `ids` holds one id per row, in order, when there is no problem.
    """

    created: int
    unchanged: int
    ids: tuple[str, ...] = ()
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class PutPayments(Command[BulkReport]):
    """Store payments all or nothing; a repeat of the same content changes nothing.

    The same account and reference with another amount, currency or invoice share is
    a problem. Invoices named by a share and not yet known are created from it.
    """

    at: datetime
    actor: str
    payments: tuple[NewPayment, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PutInvoices(Command[BulkReport]):
    """Store invoices all or nothing; a repeat of the same content changes nothing."""

    at: datetime
    actor: str
    invoices: tuple[NewInvoice, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RecordPaymentRead(Command[None]):
    """Book what the gateway says of a payment before its first send.

    With `captured_minor` None the payment is marked `declared` (the gateway cannot
    tell). A refunded amount that is not ours is booked as external. Facts are booked
    even when they break a limit; the break freezes the payment and alarms.
    """

    at: datetime
    payment_id: str
    captured_minor: int | None
    refunded_minor: int | None
    currency: str | None
    disputed: bool


@dataclass(frozen=True, slots=True)
class UnfreezePayment(Command[None]):
    """Lift a freeze; the reason code is audited, its text sealed."""

    at: datetime
    principal: Principal
    payment_id: str
    reason_code: str
    reason_text: str | None


# --- refunds: intake and decisions ------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund request; `payment` is our payment id or the gateway's reference.

    `account` is needed with a gateway reference. `expected_remaining_minor` must
    equal the refundable amount when given.
    """

    request_id: str
    payment: str
    amount_minor: int
    currency: str
    reason_code: str
    account: str | None = None
    reason_text: str | None = field(default=None, repr=False)
    expected_remaining_minor: int | None = None
    invoice: str | None = None


@dataclass(frozen=True, slots=True)
class CreateRefund(Command["CreatedRefund"]):
    """Reserve and store one refund (P1), or return the one of the same request.

    Raises:
        RequestConflict: the request id is known with another body.
        PaymentUnknown, PaymentFrozen, AmountExceedsRefundable, CurrencyMismatch,
        ExpectedRemainingMismatch: nothing was stored.
    """

    at: datetime
    principal: Principal
    refund: NewRefund
    policy: Policy


@dataclass(frozen=True, slots=True)
class CreatedRefund:
    """The refund of a request; `created` is False when it stood already."""

    refund: Refund
    created: bool


@dataclass(frozen=True, slots=True)
class CreateRefunds(Command[BulkReport]):
    """Store many refunds all or nothing."""

    at: datetime
    principal: Principal
    refunds: tuple[NewRefund, ...]
    policy: Policy
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DecideRefund(Command["Decided"]):
    """Record a person's decision as its statement's bytes, and act on it.

    `revision` and `request_sha256` are what the client displayed; when they do not
    fit the row the decision is refused. An approval must name both. A resolution
    needs a second, different person who says the same; until then the refund stays in
    review. An edit changes `amount_minor` and the refund's own `refund_reason_code`,
    where given; `reason_code` says why anybody decided.

    Raises:
        RefundUnknown, StaleRevision, StateConflict, DecisionDenied: nothing stored.
    """

    at: datetime
    principal: Principal
    refund_id: str
    decision: Verdict
    revision: int
    request_sha256: str | None
    reason_code: str
    policy: Policy
    reason_text: str | None = field(default=None, repr=False)
    amount_minor: int | None = None
    refund_reason_code: str | None = None
    resolution: Resolution | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decided:
    """The refund after a decision; `waiting_for` counts people still needed."""

    refund: Refund
    waiting_for: int


@dataclass(frozen=True, slots=True)
class ExpireApprovals(Command[tuple[str, ...]]):
    """Expire refunds whose approvals did not come in time; return their ids."""

    at: datetime


# --- the money path ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """The exact request of a refund's first attempt; target and body are sealed."""

    operation: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClaimRefund(Command["Claimed | ClaimLost"]):
    """Open an attempt: durable before the first byte leaves (P3).

    Checked again in the same transaction: state and revision, approvals of this
    revision under `policy`, payment neither frozen nor with another refund in
    flight, connection not paused. For a resend `request` is ignored and the stored
    one is returned; the stored one always wins.
    """

    at: datetime
    refund_id: str
    revision: int
    connection: str
    request: StoredRequest | None
    lease_until: datetime
    policy: Policy


@dataclass(frozen=True, slots=True)
class Claimed:
    """An open attempt; send exactly `request`."""

    refund: Refund
    request: StoredRequest


@dataclass(frozen=True, slots=True)
class ClaimLost:
    """The refund may not be sent now; the reason is a code."""

    reason: str


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One exchange with a gateway; durations in milliseconds.

    `outcome` is ok, refused, throttled, server_error, timeout, transport,
    unauthorized or malformed. `sent` is False when no byte left.
    """

    connection: str
    operation: str
    started_at: datetime
    duration_ms: int
    outcome: str
    sent: bool
    status: int | None = None
    error: str | None = None
    version_asked: str | None = None
    version_answered: str | None = None
    response_sha256: str | None = None
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ApplyEvent(Command[Applied]):
    """Apply what became known about a refund, from an answer, look-up or poll.

    `call` is recorded in the same commit. An attempt's end closes its attempt row.
    Raises RefundUnknown.
    """

    at: datetime
    refund_id: str
    event: RefundEvent
    call: CallRecord | None = None


@dataclass(frozen=True, slots=True)
class Postpone(Command[None]):
    """Move the next look at a refund without any other change (a failed look-up)."""

    at: datetime
    refund_id: str
    due_at: datetime
    call: CallRecord | None = None


@dataclass(frozen=True, slots=True)
class LookUpNow(Command[None]):
    """Make an unknown or pending refund due at once; audited.

    Raises RefundUnknown or StateConflict.
    """

    at: datetime
    principal: Principal
    refund_id: str


@dataclass(frozen=True, slots=True)
class HoldUnsent(Command[None]):
    """Hold a queued refund for a reason of policy or fact, with an alarm if named."""

    at: datetime
    refund_id: str
    reason: str
    alarm: str | None = None


@dataclass(frozen=True, slots=True)
class RecordCall(Command[None]):
    """Record an exchange that moves no refund (probe, payment read, token)."""

    at: datetime
    call: CallRecord


# --- deliveries -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeliveryItem:
    """The meaning of one verified webhook item.

    `payment_reference` and `payment_aliases` are all the names it gives to the
    original payment: ours is one of them, or it speaks of another payment.
    """

    dedupe_id: str
    type: str
    kind: str
    occurred_at: str | None = None
    word: Word | None = None
    evidence: Evidence | None = None
    payment_reference: str | None = None
    hint: bool = False
    payment_aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreDelivery(Command[int]):
    """Store a verified delivery, its inbox jobs and audit entries in one commit.

    Items whose dedupe id is known for the account are counted, not stored again.
    Returns how many items were new. The raw body is sealed.
    """

    at: datetime
    account: str
    items: tuple[DeliveryItem, ...]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InboxJob:
    """A stored item that waits to be applied; `refund` is the one it matches."""

    delivery_id: int
    account: str
    item: DeliveryItem
    received_at: datetime
    tries: int
    refund: Refund | None


@dataclass(frozen=True, slots=True)
class ApplyDelivery(Command[Applied | None]):
    """Apply an inbox item to a refund and close its job, in one commit.

    `event` is the word to apply (from the item, or from reading the gateway again).
    """

    at: datetime
    delivery_id: int
    refund_id: str
    event: RefundEvent
    call: CallRecord | None = None


@dataclass(frozen=True, slots=True)
class ApplyDispute(Command[None]):
    """Freeze the payment a dispute speaks of and hold its unsent refunds.

    With `closed` the alarm says so; the freeze is lifted by people only.
    """

    at: datetime
    delivery_id: int
    closed: bool


@dataclass(frozen=True, slots=True)
class PostponeDelivery(Command[None]):
    """Try an inbox item again later; audited only when `reason` changes."""

    at: datetime
    delivery_id: int
    due_at: datetime
    reason: str
    call: CallRecord | None = None


@dataclass(frozen=True, slots=True)
class CloseDelivery(Command[None]):
    """Close an inbox item that moves nothing.

    With `external` it speaks of money that moved without us: it is booked against
    its payment where that is known, and alarmed either way. One that says that such
    money came back ends that booking, unless it is not `believed`.
    """

    at: datetime
    delivery_id: int
    reason: str
    external: bool = False
    believed: bool = True


# --- alarms, tokens, calendar -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class RaiseAlarm(Command[int]):
    """Open an alarm, or find the open one of the same kind and subject."""

    at: datetime
    kind: str
    severity: str
    subject: str
    detail: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command["AlarmRow"]):
    """Note that somebody has seen an alarm. Raises AlarmUnknown."""

    at: datetime
    principal: Principal
    alarm_id: int


@dataclass(frozen=True, slots=True)
class CloseAlarm(Command[None]):
    """Close the open alarm of a kind and subject, if there is one."""

    at: datetime
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class MarkAlarmsSent(Command[None]):
    """Note which alarms left through the outlet."""

    at: datetime
    alarm_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RaiseDoubtAlarms(Command[int]):
    """Raise an alarm for refunds unknown longer than each of these ages (seconds)."""

    at: datetime
    ages_seconds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CreateToken(Command["TokenRow"]):
    """Store a token's hash; `first_admin` is refused when any admin token exists."""

    at: datetime
    actor: str
    token_id: str
    secret_sha256: bytes = field(repr=False)
    principal: str = ""
    roles: frozenset[Role] = frozenset()
    expires_at: datetime | None = None
    first_admin: bool = False


@dataclass(frozen=True, slots=True)
class RevokeToken(Command["TokenRow"]):
    """End a token at once. Raises TokenUnknown."""

    at: datetime
    actor: str
    token_id: str


@dataclass(frozen=True, slots=True)
class AuditNote(Command[None]):
    """Append an entry that records no change of rows (a denied request, a start)."""

    at: datetime
    kind: str
    actor: str
    data: Mapping[str, str | int | None]
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class MendDueTimes(Command[int]):
    """Make due now what only a wall clock that was ahead can have put off so far.

    `longest_seconds` is the longest wait that anything queued, unknown or delivered
    is ever given; returns how many rows were further off.
    """

    at: datetime
    longest_seconds: int


@dataclass(frozen=True, slots=True)
class TakeDueJobs(Command[tuple[str, ...]]):
    """Return the calendar jobs that are due and set their next time.

    `intervals` maps a job's name to its seconds; an unknown job is due at once.
    """

    at: datetime
    intervals: Mapping[str, int]


# --- what is read -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment's balance; amounts in minor units of `currency`.

    `knowledge` is `unread`, `read` (the gateway told) or `declared`.
    """

    id: str
    account: str
    gateway: str
    gateway_reference: str
    currency: str
    captured_minor: int
    refunded_minor: int
    reserved_minor: int
    external_minor: int
    frozen: str | None
    knowledge: str
    captured_at: datetime | None
    created_at: datetime
    order_reference: str | None = None
    invoices: tuple[InvoiceShare, ...] = ()

    @property
    def refundable_minor(self) -> int:
        """Give what may still be asked for; never below zero."""
        left = self.captured_minor - self.refunded_minor - self.reserved_minor
        return max(left, 0)


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice with what its payments covered and their refunds returned."""

    number: str
    amount_minor: int
    currency: str
    issued_at: datetime | None
    payments: tuple[tuple[str, int], ...]
    refunded_minor: int
    reserved_minor: int


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One stored decision; `statement` is the canonical bytes."""

    kind: Verdict
    actor: str
    at: datetime
    revision: int
    reason_code: str
    reason_text: str | None
    statement: bytes
    valid: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; `outcome` is None while it is open."""

    number: int
    fence: int
    connection: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    reason: str | None
    status: int | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit entry as stored; `entry` is the canonical bytes."""

    seq: int
    entry: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class RefundSummary:
    """A refund in a list, with what a list shows beside it."""

    refund: Refund
    gateway: str
    created_by: str
    approvals: int
    frozen: str | None
    updated_at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class RefundDetail:
    """A refund with everything known about it; entries oldest first.

    `editors` names whoever created or edited any revision.
    """

    summary: RefundSummary
    payment: PaymentRow
    editors: frozenset[str]
    decisions: tuple[DecisionRow, ...]
    attempts: tuple[AttemptRow, ...]
    deliveries: tuple[DeliveryRow, ...]
    entries: tuple[AuditRow, ...]
    reason_text: str | None = field(repr=False)
    invoice: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A stored webhook item; `state` is waiting, applied, ignored or external."""

    id: int
    account: str
    type: str
    dedupe_id: str
    received_at: datetime
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[R_co]):
    """A slice of a list; `next_cursor` is None at the end."""

    items: tuple[R_co, ...]
    next_cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with its open work."""

    name: str
    gateway: str
    timezone: str
    connections: tuple[str, ...]
    last_delivery_at: datetime | None
    unmatched: int


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection's health as it stands; `health` is up, degraded, down or unknown."""

    id: str
    account: str
    gateway: str
    endpoint: str
    health: str
    paused: str | None
    consecutive_failures: int
    last_ok_at: datetime | None
    last_failure_at: datetime | None
    last_failure: str | None
    down_since: datetime | None
    queued: int
    sending: int
    unknown: int


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage; `ended_at` is None while it lasts."""

    connection: str
    started_at: datetime
    ended_at: datetime | None
    cause: str
    sample: str | None


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm from opening to close."""

    id: int
    kind: str
    severity: str
    subject: str
    opened_at: datetime
    detail: Mapping[str, str | int]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret."""

    token_id: str
    principal: str
    roles: frozenset[Role]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """What a presented token is compared with."""

    token: TokenRow
    secret_sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds; None where nothing was counted. `count` is exact."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class ThreeNumbers:
    """The three numbers of one connection (or of all, `*`) over a window.

    `processing` maps a stage (`sent`, `accepted`, `paid_out`, `approval`) to its
    percentiles from the request. `success_rate` and `uptime` are ratios, None where
    nothing was seen; `observed_seconds` is the time with any call or probe.
    """

    connection: str
    currency: str | None
    window_seconds: int
    processing: Mapping[str, Percentiles]
    succeeded: int
    declined: int
    bounced: int
    requested: int
    declined_by: Mapping[str, int]
    success_rate: float | None
    uptime: float | None
    observed_seconds: int
    down_seconds: int


@dataclass(frozen=True, slots=True)
class Change:
    """One numbered change of the live feed: an audited entry and its refund's row."""

    seq: int
    at: datetime
    kind: str
    actor: str
    refund_id: str | None
    refund: RefundSummary | None


@dataclass(frozen=True, slots=True)
class LoadKeys(Query[StoredKeys]):
    """The vault's wrapped keys and check values."""


@dataclass(frozen=True, slots=True)
class GetRefund(Query["RefundDetail | None"]):
    """One refund by its id, its merchant reference or its request id."""

    refund_id: str


@dataclass(frozen=True, slots=True)
class ListRefunds(Query["Page[RefundSummary]"]):
    """Refunds newest first (or oldest), filtered, from a cursor.

    `offset` serves virtual lists: with it, cursor is ignored and `total` is given.
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
class GetPayment(Query["PaymentRow | None"]):
    """One payment by our id, or by account and gateway reference."""

    payment: str
    account: str | None = None


@dataclass(frozen=True, slots=True)
class ListPayments(Query["Page[PaymentRow]"]):
    """Payments newest first; `customer_email` matches exactly, by blind index."""

    limit: int = 50
    cursor: str | None = None
    account: str | None = None
    frozen_only: bool = False
    customer_email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GetInvoice(Query["InvoiceRow | None"]):
    """One invoice by its number."""

    number: str


@dataclass(frozen=True, slots=True)
class ListAccounts(Query["tuple[AccountRow, ...]"]):
    """Every configured account."""


@dataclass(frozen=True, slots=True)
class ListConnections(Query["tuple[ConnectionRow, ...]"]):
    """Every configured connection with its health."""


@dataclass(frozen=True, slots=True)
class ListOutages(Query["tuple[OutageRow, ...]"]):
    """Outages that touch the time since `since`, newest first."""

    since: datetime


@dataclass(frozen=True, slots=True)
class ListAlarms(Query["tuple[AlarmRow, ...]"]):
    """Alarms newest first; by default those not closed."""

    include_closed: bool = False
    unsent_only: bool = False
    limit: int = 200


@dataclass(frozen=True, slots=True)
class ListTokens(Query["tuple[TokenRow, ...]"]):
    """Every token, revoked ones too."""


@dataclass(frozen=True, slots=True)
class GetToken(Query["TokenSecret | None"]):
    """One token by its public id."""

    token_id: str


@dataclass(frozen=True, slots=True)
class GetNumbers(Query["tuple[ThreeNumbers, ...]"]):
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
class ChangesSince(Query["tuple[Change, ...]"]):
    """Changes with a sequence above `seq`, oldest first."""

    seq: int
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class LastSeq(Query[int]):
    """The newest audit sequence, -1 for an empty log."""


@dataclass(frozen=True, slots=True)
class ReadAudit(Query["tuple[AuditRow, ...]"]):
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
class DueSends(Query["tuple[DueWork, ...]"]):
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
class DueLookups(Query["tuple[DueWork, ...]"]):
    """Unknown refunds whose next look is due; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[str] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DuePolls(Query["tuple[DueWork, ...]"]):
    """Pending refunds whose next poll is due; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[str] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DueInbox(Query["tuple[InboxJob, ...]"]):
    """Inbox items that are due, oldest first; `skip` and `skip_accounts` left out."""

    at: datetime
    limit: int
    skip: frozenset[int] = frozenset()
    skip_accounts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NextDue(Query["datetime | None"]):
    """When the earliest waiting send, look-up, poll or inbox item falls due.

    With `after`, the earliest later than that: whoever asks has just seen the rest,
    and what stayed then waits for something else, which a commit will tell.
    """

    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What one durable commit brought: its last audit sequence, and hints.

    `touched` names kinds of work that may be due now (`send`, `lookup`, `poll`,
    `inbox`, `alarm`); a refund that leaves its flight frees its payment and touches
    `send`. `health` is set when a connection's health row changed.
    """

    last_seq: int
    touched: frozenset[str]
    health: bool


class Store(Protocol):
    """One store; safe for many tasks of one event loop."""

    async def execute(self, command: Command[R]) -> R:
        """Do a unit of work; it is durable when this returns."""
        ...

    async def read(self, query: Query[R]) -> R:
        """Answer a question from committed rows."""
        ...

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `listener` in the event loop after commits; return how to stop."""
        ...

    async def close(self) -> None:
        """Finish what waits and close every connection."""
        ...
