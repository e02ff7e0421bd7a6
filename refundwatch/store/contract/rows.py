"""What questions answer with.

Invariant: amounts are minor units of the row's currency; times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from refundwatch.domain.machine import MachineGrant
from refundwatch.store.contract.base import R_co

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.circuit import Circuit, Part
    from refundwatch.domain.decision import Verdict
    from refundwatch.domain.policy import Role
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.rhythm import Rhythm
    from refundwatch.domain.routing import RouteNote
    from refundwatch.store.contract.intake import InvoiceShare
    from refundwatch.store.contract.path import DeliveryItem


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
    frozen_at: datetime | None
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
    """One stored decision; `statement` is the canonical bytes.

    `signature` is the armored one of its person; None where nobody signed.
    """

    kind: Verdict
    actor: str
    at: datetime
    revision: int
    reason_code: str
    reason_text: str | None
    statement: bytes
    valid: bool
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; `outcome` is None while it is open.

    `route` says why it took its connection; () where that was not noted.
    """

    number: int
    fence: int
    connection: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    reason: str | None
    status: int | None
    duration_ms: int | None
    route: tuple[RouteNote, ...] = ()


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
    """A stored webhook item; `state` is waiting, applied, ignored or external.

    `item` is its meaning, and None where it was not asked for.
    """

    id: int
    account: str
    type: str
    dedupe_id: str
    received_at: datetime
    state: str
    reason: str | None
    refund_id: str | None = None
    repeats: int = 0
    closed_at: datetime | None = None
    replayed_at: datetime | None = None
    item: DeliveryItem | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[R_co]):
    """A slice of a list; `next_cursor` is None at the end.

    `searched_to` is None where everything was looked through. Otherwise what is rarer
    than an index knows was looked for up to there: the page may hold fewer rows than
    asked for, `total` counts those found so far, and the cursor goes on from there.
    """

    items: tuple[R_co, ...]
    next_cursor: str | None
    total: int | None = None
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with its open work; `rhythm` None before it was listened to."""

    name: str
    gateway: str
    timezone: str
    connections: tuple[str, ...]
    last_delivery_at: datetime | None
    unmatched: int
    rhythm: Rhythm | None = None


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
    circuits: Mapping[Part, Circuit] = field(default_factory=dict)


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
    grant: MachineGrant = field(default_factory=MachineGrant)
    replaces: str | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """What a presented token is compared with; one not `proven` opens nothing."""

    token: TokenRow
    secret_sha256: bytes = field(repr=False)
    proven: bool


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
