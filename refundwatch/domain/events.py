"""What can happen to a refund: the arguments of `refundwatch.domain.transition.apply`.

Invariant: an event states a fact or a decision, never the state that follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Evidence, Word


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changed the request; every earlier approval is void."""

    amount_minor: int
    reason_code: str
    required_approvals: int
    approvals_expire_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalsComplete:
    """The last approval that the policy asks for was given."""


@dataclass(frozen=True, slots=True)
class ApprovalsInvalid:
    """At the claim the approvals no longer satisfied the policy."""

    required_approvals: int
    approvals_expire_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """An approver said no."""

    reason_code: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Approvals did not come in time."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The request was withdrawn."""


@dataclass(frozen=True, slots=True)
class Held:
    """Something or somebody stopped the refund before it was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """The hold was lifted; without its approvals it still needs them."""

    approvals_complete: bool
    approvals_expire_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt was opened over `connection`; it raises the fence."""

    connection: str


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """This attempt certainly did nothing: not sent, or the gateway says so."""

    fence: int
    reason: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Unanswered:
    """This attempt may or may not have been executed.

    `key_stuck`: the gateway repeats a stored failure under this key for ever, so
    only a look-up can decide.
    """

    fence: int
    reason: str
    due_at: datetime
    key_stuck: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gateway documented a business refusal of this attempt.

    `may_be_echo`: the code can also be the echo of our own earlier success.
    `authoritative`: the gateway replays the first answer to a repeated key, so a
    refusal speaks for the earlier attempts too.
    """

    fence: int
    code: str
    may_be_echo: bool
    authoritative: bool
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """The process that held the attempt is gone, or its lease ran out."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class GatewayWord:
    """The gateway's word about this refund, from whatever source."""

    word: Word
    evidence: Evidence
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LookedUpAbsent:
    """A look-up did not find the refund; a statement about now, no more.

    `counts` is True when no request can be on its way any more.
    """

    due_at: datetime
    counts: bool


@dataclass(frozen=True, slots=True)
class ProvenAbsent:
    """Definite evidence that no attempt was executed."""

    reason: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RefusalConfirmed:
    """After a refusal that followed an ambiguous attempt, a look-up found nothing."""


@dataclass(frozen=True, slots=True)
class Unresolvable:
    """Look-ups cannot decide any more: two people must."""

    reason: str


class Resolution(StrEnum):
    """What two people may decide about a refund in review."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REVERSED = "reversed"
    RESEND = "resend"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Two people decided; `RESEND` needs the key of the next generation.

    `executed_minor` is what was really paid; without it, what was asked for.
    """

    resolution: Resolution
    gateway_reference: str | None = None
    executed_minor: int | None = None
    next_idempotency_key: str | None = None
    next_merchant_reference: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceLost:
    """Two people decided that its gateway reference is another refund's."""


RefundEvent = (
    Edited
    | ApprovalsComplete
    | ApprovalsInvalid
    | Refused
    | Expired
    | Cancelled
    | Held
    | Released
    | Claimed
    | NotExecuted
    | Unanswered
    | Refusal
    | ProcessDied
    | GatewayWord
    | LookedUpAbsent
    | ProvenAbsent
    | RefusalConfirmed
    | Unresolvable
    | Resolved
    | ReferenceLost
)
