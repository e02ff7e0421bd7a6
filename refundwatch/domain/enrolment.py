"""What root operators say about operators, as the bytes that they sign.

Invariant: a statement names one person and everything that shall hold of it, and the
head of the history of statements that its signers saw (`previous`), so that none about
the same person can be left out or put in between; its bytes are canonical.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from refundwatch.domain.canonical import canonical_bytes
from refundwatch.domain.policy import Role, check_principal_id
from refundwatch.domain.stating import Stated, time_text
from refundwatch.errors import StatementInvalid, TextInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue

ENROLMENT_TYPE: Final = "operator.enrolment"
ENROLMENT_VERSION: Final = 1
FIRST_PREVIOUS: Final = "0" * 64
_FIELDS: Final = frozenset(
    {
        "act",
        "expires_at",
        "instance",
        "issued_at",
        "key",
        "nonce",
        "person",
        "previous",
        "public_key",
        "reason",
        "roles",
        "type",
        "v",
        "valid_from",
        "valid_until",
    }
)
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_REASON: Final = re.compile(r"[a-z0-9_.-]{1,64}")


class Act(StrEnum):
    """What is done about a person."""

    ENROL = "enrol"
    ROLE = "role"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One statement about one person.

    `enrol` adds `public_key`, whose fingerprint is `key`; with `roles` these are all
    that the person then has, without it keeps those it has. `role` sets `roles`.
    `revoke` ends `key`, or the person with all its keys when `key` is None.

    Raises:
        StatementInvalid: the fields do not fit the act.
    """

    instance: str
    act: Act
    person: str
    key: str | None
    public_key: str | None
    roles: frozenset[Role] | None
    reason: str
    previous: str
    nonce: str
    issued_at: datetime
    expires_at: datetime
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what could be read in two ways."""
        try:
            check_principal_id(self.person)
        except TextInvalid as error:
            raise _invalid("person", "names nobody") from error
        if not self.person.startswith("person:"):
            raise _invalid("person", "is no person")
        if self.key is not None and not _FINGERPRINT.fullmatch(self.key):
            raise _invalid("key", "is no SHA256: fingerprint")
        if not _REASON.fullmatch(self.reason):
            raise _invalid("reason", "is no code")
        adds = self.act is Act.ENROL
        if adds != (self.public_key is not None) or (adds and self.key is None):
            raise _invalid("public_key", "stands with an enrolment, and with its key")
        if (self.act is Act.ROLE) and (self.roles is None or self.key is not None):
            raise _invalid("roles", "stand with a change of roles, without a key")
        if self.act is Act.REVOKE and self.roles is not None:
            raise _invalid("roles", "do not stand with a revocation")
        if not adds and (self.valid_from or self.valid_until):
            raise _invalid("valid_from", "stands with an enrolment alone")

    def statement(self) -> bytes:
        """Give the canonical bytes that are signed and stored."""
        roles = None if self.roles is None else sorted(self.roles)
        stated: dict[str, JsonValue] = {
            "v": ENROLMENT_VERSION,
            "type": ENROLMENT_TYPE,
            "instance": self.instance,
            "act": self.act,
            "person": self.person,
            "key": self.key,
            "public_key": self.public_key,
            "roles": None if roles is None else [str(role) for role in roles],
            "reason": self.reason,
            "previous": self.previous,
            "nonce": self.nonce,
            "issued_at": time_text(self.issued_at, "issued_at"),
            "expires_at": time_text(self.expires_at, "expires_at"),
            "valid_from": _optional_time(self.valid_from, "valid_from"),
            "valid_until": _optional_time(self.valid_until, "valid_until"),
        }
        return canonical_bytes(stated)

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the statement, in hex: its name."""
        return sha256(self.statement()).hexdigest()


def parse_enrolment(statement: bytes) -> Enrolment:
    """Read bytes back into the statement that gives exactly these bytes.

    Raises:
        StatementInvalid: not canonical, a field unknown, missing or of another type.
    """
    read = Stated.parse(statement, _FIELDS, ENROLMENT_TYPE, ENROLMENT_VERSION)
    return Enrolment(
        instance=read.text("instance"),
        act=read.one_of("act", Act),
        person=read.text("person"),
        key=read.optional_text("key"),
        public_key=read.optional_text("public_key"),
        roles=_roles(read.stated),
        reason=read.text("reason"),
        previous=read.digest("previous"),
        nonce=read.nonce("nonce"),
        issued_at=read.time("issued_at"),
        expires_at=read.time("expires_at"),
        valid_from=read.optional_time("valid_from"),
        valid_until=read.optional_time("valid_until"),
    )


def _roles(stated: Mapping[str, JsonValue]) -> frozenset[Role] | None:
    found = stated["roles"]
    if found is None:
        return None
    if not isinstance(found, list) or found != sorted({str(it) for it in found}):
        raise _invalid("roles", "are not a sorted list of roles")
    try:
        return frozenset(Role(str(name)) for name in found)
    except ValueError as error:
        raise _invalid("roles", "hold one that there is not") from error


def _optional_time(moment: datetime | None, name: str) -> str | None:
    return None if moment is None else time_text(moment, name)


def _invalid(name: str, problem: str) -> StatementInvalid:
    return StatementInvalid(f"{name} {problem}.", field=name)
