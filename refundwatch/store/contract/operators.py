"""Operators, their signed statements and their sessions.

Invariant: as `refundwatch.store.contract` says; who an operator is follows from signed
statements alone, which are kept as they were signed and replayed at every start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from refundwatch.store.contract.base import Command, Query

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.domain.roster import RootLine, Roster


class Signatures(Protocol):
    """Checks signatures; `refundwatch.security.authority` offers it."""

    def check(
        self, message: bytes, signature: str, purpose: str, key_line: str, /
    ) -> None:
        """Raise SignatureRefused unless the key signed the message for this purpose."""
        ...

    def fingerprint(self, key_line: str, /) -> str:
        """Give a public key's fingerprint, or raise PublicKeyInvalid."""
        ...


@dataclass(frozen=True, slots=True)
class SignedText:
    """A statement as its signer sent it: the very bytes, and the armored signature."""

    statement: bytes
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenRoster(Command["RosterOpened"]):
    """Replay every statement that is in force on top of the root file's lines.

    Without root lines nobody signs: only a sandbox may begin so. What does not hold
    (changed, left out, not signed by enough roots) leaves nobody
    but the roots, raises an alarm and is named.
    """

    at: datetime
    instance: str
    roots: tuple[RootLine, ...]


@dataclass(frozen=True, slots=True)
class RosterOpened:
    """Who the operators are; `broken` says which statement did not hold, and why."""

    roster: Roster | None
    broken: str | None


@dataclass(frozen=True, slots=True)
class ProposeEnrolment(Command["EnrolmentRow"]):
    """Store a statement with its first signature; enough signatures put it in force.

    Raises:
        EnrolmentRefused, StatementInvalid, DecisionDenied: nothing was stored.
    """

    at: datetime
    principal: Principal
    signed: SignedText


@dataclass(frozen=True, slots=True)
class SignEnrolment(Command["EnrolmentRow"]):
    """Add another root operator's signature to a statement that was proposed.

    Raises:
        EnrolmentUnknown, EnrolmentRefused, DecisionDenied: nothing was stored.
    """

    at: datetime
    principal: Principal
    sha256: str
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """A statement as it stands: `number` is its place in force, None while it waits."""

    sha256: str
    statement: bytes
    proposed_at: datetime
    number: int | None
    in_force_at: datetime | None
    signers: tuple[str, ...]
    waiting_for: int


@dataclass(frozen=True, slots=True)
class ListEnrolments(Query[tuple[EnrolmentRow, ...]]):
    """List statements, newest first."""

    limit: int = 500


@dataclass(frozen=True, slots=True)
class LogHead:
    """How many entries the log has, and the root over them."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class ReadHead(Command[LogHead]):
    """Read the log's head as it stands when this is done."""


@dataclass(frozen=True, slots=True)
class OpenSession(Command[None]):
    """Store a session that a person's key opened."""

    at: datetime
    session_id: str
    secret_sha256: bytes = field(repr=False)
    person: str
    key: str
    changes: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EndSession(Command[None]):
    """End a session at once; a session that is not there is no error."""

    at: datetime
    actor: str
    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class TouchSession(Command[None]):
    """Note when a session was last used."""

    at: datetime
    session_id: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it stands; its row was written by the daemon itself."""

    session_id: str
    secret_sha256: bytes = field(repr=False)
    person: str
    key: str
    changes: int
    opened_at: datetime
    expires_at: datetime
    last_used_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class GetSession(Query[SessionRow | None]):
    """Find a session; one that the daemon did not write is none."""

    session_id: str
