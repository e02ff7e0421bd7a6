"""Statements of root operators and of whoever logs in, built from what was asked.

Invariant: what is signed was built here, from what its signer typed and was shown.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.api.deciding import nonce_text
from refundwatch.domain.enrolment import Act, Enrolment, parse_enrolment
from refundwatch.domain.login import Login
from refundwatch.domain.policy import Role
from refundwatch.security.sshsig import namespace, parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from refundwatch.api.models_operators import ChallengeView

PROPOSAL_LIFETIME: Final = timedelta(days=2)

__all__ = [
    "Act",
    "build_enrolment",
    "build_login",
    "enrol_namespace",
    "login_namespace",
    "parse_enrolment",
    "public_key_of_line",
    "root_line",
]


def build_login(
    challenge: ChallengeView, actor: str, key: str, spki_sha256: str | None
) -> bytes:
    """Give the bytes that answer a challenge over the line that was really used."""
    return Login(
        instance=challenge.instance,
        actor=actor,
        key=key,
        server_spki_sha256=spki_sha256,
        nonce=challenge.nonce,
        issued_at=challenge.issued_at,
        expires_at=challenge.expires_at,
    ).statement()


def build_enrolment(
    act: str,
    person: str,
    *,
    instance: str,
    previous: str,
    reason: str,
    now: datetime,
    nonce: bytes,
    public_key: str | None = None,
    key: str | None = None,
    roles: Iterable[str] | None = None,
    valid_until: datetime | None = None,
) -> bytes:
    """Give the bytes of a statement about a person.

    Raises:
        StatementInvalid: the fields do not fit the act.
        PublicKeyInvalid: the key cannot sign here.
    """
    line, fingerprint = None, key
    if public_key is not None:
        parsed = parse_public_key(public_key)
        line, fingerprint = parsed.line, parsed.fingerprint
    issued_at = now.replace(microsecond=0)
    return Enrolment(
        instance=instance,
        act=Act(act),
        person=person,
        key=fingerprint,
        public_key=line,
        roles=None if roles is None else frozenset(Role(name) for name in roles),
        reason=reason,
        previous=previous,
        nonce=nonce_text(nonce),
        issued_at=issued_at,
        expires_at=issued_at + PROPOSAL_LIFETIME,
        valid_until=valid_until,
    ).statement()


def public_key_of_line(text: str) -> tuple[str, str]:
    """Give a public key's line without its comment, and its fingerprint.

    Raises:
        PublicKeyInvalid: it is none that can sign here.
    """
    key = parse_public_key(text)
    return key.line, key.fingerprint


def root_line(person: str, public_key: str, roles: Iterable[str]) -> str:
    """Give the root file's line of a person.

    Raises:
        PublicKeyInvalid: the key cannot sign here.
    """
    line, _ = public_key_of_line(public_key)
    named = ",".join(sorted(Role(name).value for name in roles))
    return f'{person} roles="{named}" {line}'


def login_namespace(instance: str) -> str:
    """Name the namespace in which people log in."""
    return namespace("login", instance)


def enrol_namespace(instance: str) -> str:
    """Name the namespace in which roots speak of operators."""
    return namespace("enrol", instance)
