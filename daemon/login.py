"""Persons log in: a challenge, its one signed answer, and the session that follows.

Invariant: strangers and operators get the same challenge; a challenge is used up by its
first answer, good or bad; a session ends with its key, with other roles, with idleness.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from daemon.problems import TooManyTries, Unauthenticated
from daemon.throttle import Throttle
from daemon.tls import spki_sha256
from refundwatch.domain.login import parse_login
from refundwatch.domain.roster import Roster
from refundwatch.errors import SignatureRefused, StatementInvalid, TokenInvalid
from refundwatch.security import tokens
from refundwatch.store.contract import (
    AuditNote,
    EndSession,
    GetSession,
    OpenSession,
    TouchSession,
)

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.hub import Hub
    from refundwatch.domain.login import Login
    from refundwatch.domain.policy import Principal
    from refundwatch.store.contract import SessionRow, Signatures

CHALLENGE_SECONDS: Final = 60
IDLE: Final = timedelta(minutes=15)
ABSOLUTE: Final = timedelta(hours=8)
PURPOSE: Final = "login"
_PER_ACTOR: Final = 5
_PER_ADDRESS: Final = 20
_MINUTE: Final = 60.0
_WAIT_SECONDS: Final = 12
_MOST_CHALLENGES: Final = 4096
_NOTED_AFTER: Final = timedelta(seconds=60)
_NONCE_BYTES: Final = 32
_REFUSED: Final = "The answer is not accepted."


@dataclass(frozen=True, slots=True)
class Challenge:
    """What was asked of whom; the nonce itself is known to the asked alone."""

    actor: str
    key: str
    issued_at: datetime
    expires_at: datetime


class Logins:
    """Every challenge that is open, and the sessions' use, of one hub."""

    def __init__(self, hub: Hub, certificate: Path | None = None) -> None:
        """Know where the certificate is that the daemon shows, if it shows one."""
        self._hub = hub
        self._certificate = certificate
        self._open: OrderedDict[bytes, Challenge] = OrderedDict()
        self._actors = Throttle(hub.clock, _PER_ACTOR / _MINUTE, _PER_ACTOR)
        self._addresses = Throttle(hub.clock, _PER_ADDRESS / _MINUTE, _PER_ADDRESS)
        self._used: dict[str, datetime] = {}
        self._noted: dict[str, datetime] = {}

    def challenge(self, actor: str, key: str, peer: str) -> tuple[str, Challenge]:
        """Give a nonce to whoever asks, known or not.

        Raises:
            TooManyTries: for this actor and key, or from this address; nobody else is
                locked out by it.
        """
        if not self._addresses.allow(peer) or not self._actors.allow(f"{actor} {peer}"):
            raise TooManyTries(
                "Too many logins from here; wait a minute.", _WAIT_SECONDS
            )
        now = self._hub.clock.now().replace(microsecond=0)
        made = Challenge(actor, key, now, now + timedelta(seconds=CHALLENGE_SECONDS))
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        self._open[_digest(nonce)] = made
        if len(self._open) > _MOST_CHALLENGES:
            self._open.popitem(last=False)
        return nonce, made

    async def answer(
        self, message: bytes, signature: str, *, tls: bool
    ) -> tuple[str, datetime, str]:
        """Give a session's token for a good answer, its end, and the person.

        Raises:
            Unauthenticated: the answer does not count; the log says why.
        """
        actor = "system"
        try:
            said = parse_login(message)
            challenge = self._open.pop(_digest(said.nonce), None)
            actor = said.actor
            self._check(said, challenge, message, signature, tls=tls)
        except StatementInvalid as error:
            await self._refuse(actor, "statement_invalid", error.message)
        except SignatureRefused as error:
            await self._refuse(actor, error.reason_code, None)
        return await self.open_session(said.actor, said.key)

    async def open_session(self, person: str, key: str) -> tuple[str, datetime, str]:
        """Open a session for a person whose key was proven; give its token."""
        now = self._hub.clock.now()
        roster = self._roster()
        minted = tokens.mint(prefix=tokens.SESSION_PREFIX)
        expires_at = now + ABSOLUTE
        await self._hub.store.execute(
            OpenSession(
                at=now,
                session_id=minted.id,
                secret_sha256=minted.secret_sha256,
                person=person,
                key=key,
                changes=roster.operators[person].changes,
                expires_at=expires_at,
            )
        )
        return minted.text, expires_at, person

    async def principal_of(self, token: str) -> Principal | None:
        """Give the person whose session a token is, as it is now; else None."""
        row = await self._session(token)
        if row is None:
            return None
        operator = self._roster().operators.get(row.person)
        now = self._hub.clock.now()
        if operator is None or operator.changes != row.changes:
            return None
        key = operator.keys.get(row.key)
        last = max(row.last_used_at, self._used.get(row.session_id, row.last_used_at))
        idle = now - last > IDLE
        if key is None or not key.counts(now) or idle or row.expires_at <= now:
            return None
        self._used[row.session_id] = now
        await self._note_use(row, now)
        return self._roster().principal(row.person)

    async def log_out(self, token: str | None, actor: str) -> None:
        """End the session of a token."""
        row = None if token is None else await self._session(token)
        if row is not None:
            self._used.pop(row.session_id, None)
            await self._hub.store.execute(
                EndSession(self._hub.clock.now(), actor, row.session_id, "logged_out")
            )

    async def _session(self, token: str) -> SessionRow | None:
        try:
            presented = tokens.parse(token)
        except TokenInvalid:
            return None
        row = await self._hub.store.read(GetSession(presented.id))
        if row is None or not tokens.matches(presented, row.secret_sha256):
            return None
        return None if row.ended_at is not None else row

    async def _note_use(self, row: SessionRow, now: datetime) -> None:
        noted = self._noted.get(row.session_id, row.last_used_at)
        if now - noted >= _NOTED_AFTER:
            self._noted[row.session_id] = now
            await self._hub.store.execute(TouchSession(now, row.session_id))

    def _check(
        self,
        said: Login,
        challenge: Challenge | None,
        message: bytes,
        signature: str,
        *,
        tls: bool,
    ) -> None:
        if challenge is None:
            raise SignatureRefused("challenge_unknown")
        told = (said.actor, said.key, said.issued_at, said.expires_at)
        if told != (
            challenge.actor,
            challenge.key,
            challenge.issued_at,
            challenge.expires_at,
        ):
            raise SignatureRefused("answers_another_challenge")
        if said.instance != self._hub.instance:
            raise SignatureRefused("other_instance")
        # Read each time: a certificate is renewed while the daemon runs.
        if said.server_spki_sha256 != (spki_sha256(self._certificate) if tls else None):
            raise SignatureRefused("other_server_key")
        now = self._hub.clock.now()
        if now > challenge.expires_at:
            raise SignatureRefused("challenge_expired")
        key = self._roster().key(said.actor, said.key)
        if key is None or not key.counts(now):
            raise SignatureRefused("key_unknown")
        self._signatures().check(message, signature, PURPOSE, key.line)

    async def _refuse(self, actor: str, code: str, detail: str | None) -> None:
        self._hub.count("auth_failures")
        self._hub.log.problem("login:refused", actor=actor, reason=code, detail=detail)
        await self._hub.store.execute(
            AuditNote(
                at=self._hub.clock.now(),
                kind="login:refused",
                actor="system",
                data={"claimed": actor[:140], "reason": code},
            )
        )
        raise Unauthenticated(_REFUSED)

    def _roster(self) -> Roster:
        return self._hub.people.roster or Roster(self._hub.instance)

    def _signatures(self) -> Signatures:
        return self._hub.people.signatures


def _digest(nonce: str) -> bytes:
    return sha256(nonce.encode("ascii")).digest()
