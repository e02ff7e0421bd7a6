"""The wire of people: login, sessions, and who the operators are.

Invariant: as `refundwatch.api.models`; a statement travels as the very text that was
signed, and a secret leaves once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from refundwatch.api.models import Body, View
from refundwatch.api.words import RoleName

Fingerprint = Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
Person = Annotated[
    str,
    StringConstraints(pattern=r"^person:[a-z0-9]([a-z0-9._@+-]{0,126}[a-z0-9])?$"),
]
Signature = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]
Statement = Annotated[str, StringConstraints(min_length=2, max_length=16_384)]


class ChallengeBody(Body):
    """Who wants to log in, with which key."""

    actor: Person
    key: Fingerprint


class ChallengeView(View):
    """What to sign; the same for operators and for strangers."""

    nonce: str
    instance: str
    issued_at: datetime
    expires_at: datetime


class AnswerBody(Body):
    """The signed statement of a login."""

    message: Statement
    signature: Signature


class SessionView(View):
    """A session's token: shown once, it ends by itself."""

    token: str
    person: str
    expires_at: datetime


class LoggedOutView(View):
    """The session is over."""

    person: str


class OperatorKeyView(View):
    """A key as it was enrolled."""

    fingerprint: str
    public_key: str
    root: bool
    valid_from: datetime | None
    valid_until: datetime | None
    revoked_at: datetime | None


class OperatorView(View):
    """A person, its roles and its keys."""

    person: str
    root: bool
    roles: list[RoleName]
    keys: list[OperatorKeyView]


class OperatorsView(View):
    """Every operator; `head` names the last statement that is in force."""

    items: list[OperatorView]
    head: str
    number: int
    needed: int


class EnrolmentBody(Body):
    """A statement about an operator with its first signature."""

    statement: Statement
    signature: Signature


class CosignBody(Body):
    """Another root operator's signature of a statement."""

    signature: Signature


class EnrolmentView(View):
    """A statement as it stands; `number` is its place once it is in force."""

    sha256: str
    statement: str
    proposed_at: datetime
    number: int | None
    in_force_at: datetime | None
    signers: list[str]
    waiting_for: int


class EnrolmentsView(View):
    """Statements about operators, newest first."""

    items: list[EnrolmentView] = Field(default_factory=list)


class HeadView(View):
    """How long the audit log is, and its root in hex."""

    size: int
    root: str
