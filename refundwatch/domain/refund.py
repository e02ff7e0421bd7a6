"""A refund, its states, and the table of moves between them.

Invariant: every state a refund is ever seen in follows from the one before by a row
of `TRANSITIONS`, and its amount stands in exactly one place (`Booking`) at a time.
`refundwatch.domain.events` says what can happen to a refund,
`refundwatch.domain.transition` holds `apply`, the only way to move one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.cards import mask_cards

if TYPE_CHECKING:
    from datetime import datetime


class RefundState(StrEnum):
    """Where a refund stands; `OPERATOR_WORDS` says what people read."""

    AWAITING_APPROVAL = "awaiting_approval"
    HELD = "held"
    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    SETTLED = "settled"
    DECLINED = "declined"
    REVERSED = "reversed"
    REVIEW = "review"
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


S = RefundState

OPERATOR_WORDS: Final[dict[RefundState, str]] = {
    S.AWAITING_APPROVAL: "needs approval",
    S.HELD: "held",
    S.QUEUED: "not sent",
    S.SENDING: "sending",
    S.UNKNOWN: "sent, no answer",
    S.PENDING: "accepted",
    S.SUCCEEDED: "paid out",
    S.SETTLED: "settled",
    S.DECLINED: "declined by gateway",
    S.REVERSED: "bounced",
    S.REVIEW: "needs review",
    S.REFUSED: "refused",
    S.EXPIRED: "expired",
    S.CANCELLED: "cancelled",
}

TRANSITIONS: Final[dict[RefundState, frozenset[RefundState]]] = {
    S.AWAITING_APPROVAL: frozenset(
        {S.AWAITING_APPROVAL, S.QUEUED, S.HELD, S.REFUSED, S.EXPIRED, S.CANCELLED}
    ),
    S.HELD: frozenset({S.AWAITING_APPROVAL, S.QUEUED, S.EXPIRED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SENDING, S.HELD, S.AWAITING_APPROVAL, S.CANCELLED}),
    S.SENDING: frozenset(
        {S.QUEUED, S.PENDING, S.SUCCEEDED, S.DECLINED, S.UNKNOWN, S.REVIEW}
    ),
    S.UNKNOWN: frozenset(
        {S.SENDING, S.QUEUED, S.PENDING, S.SUCCEEDED, S.DECLINED, S.REVIEW}
    ),
    S.PENDING: frozenset({S.SUCCEEDED, S.DECLINED, S.REVIEW}),
    S.SUCCEEDED: frozenset({S.SETTLED, S.REVERSED, S.REVIEW}),
    S.SETTLED: frozenset({S.REVERSED, S.REVIEW}),
    S.REVIEW: frozenset({S.SUCCEEDED, S.DECLINED, S.REVERSED, S.QUEUED}),
    S.DECLINED: frozenset(),
    S.REVERSED: frozenset(),
    S.REFUSED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}

FIRST_STATES: Final = frozenset({S.AWAITING_APPROVAL, S.QUEUED, S.HELD})
UNSENT: Final = frozenset({S.AWAITING_APPROVAL, S.HELD, S.QUEUED})
IN_FLIGHT: Final = frozenset({S.SENDING, S.UNKNOWN})
NEVER_SENT_FINAL: Final = frozenset({S.REFUSED, S.EXPIRED, S.CANCELLED})
FINAL: Final = frozenset({S.DECLINED, S.REVERSED}) | NEVER_SENT_FINAL


class Booking(StrEnum):
    """Which side of the payment's account the refund's amount stands on."""

    RESERVED = "reserved"
    REFUNDED = "refunded"
    FREE = "free"


class Word(StrEnum):
    """What a gateway says of a refund, in words every gateway shares.

    `FAILED` is a failure or cancellation whatever came before it; `REVERSED` is one
    that the gateway says came *after* success.
    """

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    SETTLED = "settled"
    FAILED = "failed"
    REVERSED = "reversed"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a gateway stated about one refund; None where it stated nothing.

    A missing echo is not a contradiction: only what is present is compared.
    `source` is `answer`, `webhook`, `lookup`, `poll` or `settlement`.
    """

    source: str
    raw_status: str
    gateway_reference: str | None = None
    merchant_reference: str | None = None
    payment_reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    requires_action: bool = False
    failure_code: str | None = None

    def __post_init__(self) -> None:
        """Mask card numbers in words that are stored, shown and logged as they are."""
        object.__setattr__(self, "raw_status", mask_cards(self.raw_status))
        if self.failure_code is not None:
            object.__setattr__(self, "failure_code", mask_cards(self.failure_code))


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund as the money path sees it; amounts in minor units of `currency`.

    `executed_minor` is what two people found that the gateway really paid, where that
    is another amount than was asked for.
    """

    id: str
    request_id: str
    account: str
    payment_id: str
    payment_reference: str
    amount_minor: int
    currency: str
    reason_code: str
    merchant_reference: str
    idempotency_key: str
    created_at: datetime
    state: RefundState
    booking: Booking = Booking.RESERVED
    revision: int = 1
    generation: int = 0
    required_approvals: int = 0
    approvals_expire_at: datetime | None = None
    hold_reason: str | None = None
    connection: str | None = None
    fence: int = 0
    attempts: int = 0
    ambiguous: bool = False
    key_stuck: bool = False
    refused_code: str | None = None
    refusal_may_be_echo: bool = False
    gateway_reference: str | None = None
    last_status: str | None = None
    requires_action: bool = False
    review_reason: str | None = None
    executed_minor: int | None = None
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    unknown_since: datetime | None = None
    accepted_at: datetime | None = None
    succeeded_at: datetime | None = None
    final_at: datetime | None = None
    due_at: datetime | None = None
    lookups: int = 0
    negative_lookup_at: datetime | None = None
