"""The money path: attempts, what became known, and deliveries.

Invariant: as `refundwatch.store.contract` says; an intent is durable before its send.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from refundwatch.domain.transition import Applied
from refundwatch.store.contract.base import Command

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.events import GatewayWord, RefundEvent
    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Evidence, Refund, Word
    from refundwatch.domain.routing import RouteNote
    from refundwatch.store.contract.base import Policy


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
    flight, connection not paused; and that the refund is `about`, which the request
    was built for, as this daemon itself wrote it. For a resend `request` is ignored
    and the stored one is returned; the stored one always wins.
    """

    at: datetime
    about: Refund
    connection: str
    request: StoredRequest | None
    lease_until: datetime
    policy: Policy
    route: tuple[RouteNote, ...] = ()


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
    replayed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReplayDelivery(Command[None]):
    """Let an item wait in the inbox once more; audited, and whoever asks is checked.

    Raises DeliveryUnknown, DecisionDenied, or DeliveryNotReplayed for a dispute that
    was applied: people lift its freeze, and nothing else puts it back.
    """

    at: datetime
    principal: Principal
    delivery_id: int


@dataclass(frozen=True, slots=True)
class ApplyDelivery(Command[Applied | None]):
    """Apply an inbox item to a refund and close its job, in one commit.

    `event` is the word to apply (from the item, or from reading the gateway again).
    """

    patient: ClassVar[bool] = True

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

    patient: ClassVar[bool] = True

    at: datetime
    delivery_id: int
    closed: bool


@dataclass(frozen=True, slots=True)
class PostponeDelivery(Command[None]):
    """Try an inbox item again later; audited only when `reason` changes."""

    patient: ClassVar[bool] = True

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
    money came back ends that booking, unless it is not `believed`. `said` is what the
    gateway says of a refund of which the item states nothing but its name.
    """

    patient: ClassVar[bool] = True

    at: datetime
    delivery_id: int
    reason: str
    external: bool = False
    believed: bool = True
    said: GatewayWord | None = None
