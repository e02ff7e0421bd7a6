"""Alarms, tokens, notes and the calendar.

Invariant: as `refundwatch.store.contract` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from refundwatch.domain.machine import MachineGrant
from refundwatch.store.contract.base import Command
from refundwatch.store.contract.rows import AlarmRow, TokenRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from refundwatch.domain.circuit import Part
    from refundwatch.domain.policy import Principal, Role
    from refundwatch.store.contract.orders import Signing


@dataclass(frozen=True, slots=True)
class RaiseAlarm(Command[int]):
    """Open an alarm, or find the open one of the same kind and subject."""

    at: datetime
    kind: str
    severity: str
    subject: str
    detail: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(Command[AlarmRow]):
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
class SetCircuit(Command[None]):
    """Open or close a circuit by hand; the reason code is audited, its text sealed.

    `lasts` is how long it stays open before probes may close it; None until somebody
    does. A person signs it once root operators are known. Raises ConnectionUnknown,
    DecisionDenied, StatementInvalid, or TextInvalid (over 7 days).
    """

    at: datetime
    principal: Principal
    connection: str
    part: Part
    opens: bool
    lasts: timedelta | None
    reason_code: str
    reason_text: str | None = field(default=None, repr=False)
    signing: Signing | None = None


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
class ListenForWebhooks(Command[tuple[str, ...]]):
    """Learn how often webhooks come, and call people where they are missing.

    A silence longer than usual opens `webhook_silence` and, for accounts that are
    `readable`, makes their pending refunds due at once, again and again until the next
    delivery, which closes the alarm. Returns the accounts that are silent.
    """

    patient: ClassVar[bool] = True

    at: datetime
    readable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateToken(Command[TokenRow]):
    """Store a token's hash; `first_admin` is refused when any admin token exists.

    Raises DecisionDenied or TextInvalid where principal, roles, grant and lifetime do
    not go together.
    """

    at: datetime
    actor: str
    token_id: str
    secret_sha256: bytes = field(repr=False)
    principal: str = ""
    roles: frozenset[Role] = frozenset()
    expires_at: datetime | None = None
    first_admin: bool = False
    grant: MachineGrant = field(default_factory=MachineGrant)


@dataclass(frozen=True, slots=True)
class RotateToken(Command[TokenRow]):
    """Put a new token in an old one's place, with its principal, roles and grant.

    The old one ends at `old_until`, or earlier where it would anyway. Raises
    TokenUnknown, or TokenConflict where the old one counts no more.
    """

    at: datetime
    actor: str
    old_id: str
    token_id: str
    secret_sha256: bytes = field(repr=False)
    expires_at: datetime
    old_until: datetime


@dataclass(frozen=True, slots=True)
class NoteTokenUse(Command[None]):
    """Remember that a token was shown; no audited change, and only coarsely true."""

    at: datetime
    token_id: str


@dataclass(frozen=True, slots=True)
class ProveTokens(Command[tuple[str, ...]]):
    """Look at every token's row, and give the ids that the daemon did not write.

    Each of them raises an alarm. The first time, tokens from before there were proofs
    are taken over if the log tells of their making.
    """

    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeToken(Command[TokenRow]):
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
