"""Who calls, and whether it may: the one place that checks both.

Invariant: no handler runs before its route's permission was checked against the
caller's roles as they stand now; a wrong token tells nothing about why it is wrong.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Final, NoReturn

from daemon import machines
from daemon.problems import Forbidden, TooManyTries, TooOften, Unauthenticated
from daemon.throttle import Throttle
from refundwatch.domain.policy import SYSTEM, Denial, Permission, Principal, may
from refundwatch.errors import (
    CeilingReached,
    InvariantBroken,
    RefundwatchError,
    StoreFull,
    TokenOutOfReach,
)
from refundwatch.security import tokens
from refundwatch.store.contract import AuditNote, GetToken, RaiseAlarm

if TYPE_CHECKING:
    from aiohttp import web

    from daemon.hub import Hub
    from daemon.login import Logins
    from daemon.throttle import Rate
    from refundwatch.api.paths import Route
    from refundwatch.store.contract import TokenRow

_FAILURES_PER_SECOND: Final = 0.2
_FAILURES_AT_ONCE: Final = 20
_STRANGERS_REMEMBERED: Final = 1_000
_WRONG: Final = "The token is missing, wrong, expired or revoked."
LIMITS: Final = frozenset({TokenOutOfReach.code, CeilingReached.code})
"""The codes of what a machine's token may not reach."""

LOGIN_NEEDED: Final = Denial(
    "login_needed", "A person's token only reads: log in with your key."
)
READING_SECONDS: Final = 60
"""Reading the log is noted once in so many seconds for each who reads it."""

_UCRED: Final = struct.Struct("3i")


class Doorkeeper:
    """Turns a request's token into a principal, and a principal into a yes or no."""

    def __init__(self, hub: Hub, rate: Rate, logins: Logins) -> None:
        """Guard one hub, whose callers may ask so often."""
        self._hub = hub
        self._logins = logins
        self._by_address = Throttle(hub.clock, rate.per_second, rate.burst)
        self._by_principal = Throttle(hub.clock, rate.per_second, rate.burst)
        self._failures = Throttle(hub.clock, _FAILURES_PER_SECOND, _FAILURES_AT_ONCE)
        self._denials = Throttle(hub.clock, 1.0, 20)
        self._readings = Throttle(hub.clock, 1 / READING_SECONDS, 1)
        self._uses = machines.UseNotes(hub)
        self._strangers: set[str] = set()

    async def admit(self, request: web.Request, route: Route) -> Principal:
        """Return who calls, once it is clear that the caller may.

        Raises:
            Unauthenticated, TooManyTries, Forbidden: the request ends here.
        """
        address = machines.peer_address(request)
        if address is not None:
            self._pace(self._by_address, address)
        if route.bootstrap and is_owner(request):
            return SYSTEM
        principal = await self.identify(request)
        self._pace(self._by_principal, principal.id)
        must_log_in = principal.is_person and self._hub.people.roster is not None
        if must_log_in and not _may_without_login(request, route):
            # A token that was stolen may look; whoever changes something shows a key.
            await self.deny(principal, LOGIN_NEEDED, route.name, "policy")
        denial = machines.place_denial(principal, request)
        if denial is not None:
            await self.deny(principal, denial, route.name, "token")
        await self.permit(principal, route.permission, route.name)
        denial = machines.operation_denial(principal, route)
        if denial is not None:
            await self.deny(principal, denial, route.name, "token")
        return principal

    def _pace(self, throttle: Throttle, key: str) -> None:
        """Refuse who asks too often, before anything is looked up or read for it.

        Raises:
            TooOften: it says when to come again.
        """
        if not throttle.allow(key):
            self._hub.count("requests_throttled")
            raise TooOften(throttle.wait_seconds(key))

    async def identify(self, request: web.Request) -> Principal:
        """Return the principal whose token the request carries."""
        token = bearer(request)
        principal = await self.principal_of(token)
        if principal is not None:
            return principal
        peer = request.remote or "local"
        self._hub.count("auth_failures")
        if token is None:
            # Who shows no token guesses none, and is told what is missing, always.
            raise Unauthenticated(_WRONG)
        # A good token always counts: behind one address (a proxy, the socket) stand
        # many callers, and one of them must not lock out the others.
        if not self._failures.allow(peer):
            raise TooManyTries(
                "Too many wrong tokens from here; wait a minute.",
                self._failures.wait_seconds(peer),
            )
        self._hub.log.problem("auth:refused", peer=peer, path=request.path)
        raise Unauthenticated(_WRONG)

    async def principal_of(self, token: str | None) -> Principal | None:
        """Return the principal of a token that counts now, else None."""
        if token is None:
            return None
        if token.startswith(tokens.SESSION_PREFIX):
            return await self._logins.principal_of(token)
        try:
            presented = tokens.parse(token)
        except RefundwatchError:
            return None
        try:
            known = await self._hub.store.read(GetToken(presented.id))
        except InvariantBroken as error:
            # Limits that cannot be read must not count as none.
            self._hub.log.problem("token:unreadable", detail=error.message)
            return None
        if known is None or not tokens.matches(presented, known.secret_sha256):
            return None
        row = known.token
        if not known.proven:
            await self._call_people(row)
            return None
        expired = row.expires_at is not None and row.expires_at <= self._hub.clock.now()
        if expired or row.revoked_at is not None:
            return None
        await self._uses.note(row.token_id)
        return self._as_it_is_now(machines.principal_of(row))

    async def _call_people(self, row: TokenRow) -> None:
        """Raise an alarm about a token whose row the daemon did not write, once."""
        if row.token_id in self._strangers:
            return
        if len(self._strangers) >= _STRANGERS_REMEMBERED:
            self._strangers.clear()
        self._strangers.add(row.token_id)
        alarm = RaiseAlarm(
            at=self._hub.clock.now(),
            kind="token_row_unproven",
            severity="critical",
            subject=row.token_id,
            detail={"principal": row.principal},
        )
        await self._hub.store.execute(alarm)

    def _as_it_is_now(self, principal: Principal) -> Principal:
        """Give a person the roles of the roster, where it knows the person."""
        roster = self._hub.people.roster
        if roster is not None and principal.id in roster.operators:
            return roster.principal(principal.id)
        return principal

    async def permit(
        self, principal: Principal, permission: Permission | None, what: str
    ) -> None:
        """Raise Forbidden, audited, unless the principal may."""
        if permission is None:
            return
        denial = may(principal, permission)
        if denial is None:
            return
        await self.deny(principal, denial, what, "policy")

    async def deny(
        self, principal: Principal, denial: Denial, what: str, realm: str
    ) -> NoReturn:
        """Write a denial down and raise it."""
        code = f"{realm}.{denial.code}"
        await self.note_denial(
            principal, what, denial.code if realm == "policy" else code
        )
        raise Forbidden(denial.sentence, code)

    async def note_denial(self, principal: Principal, what: str, code: str) -> None:
        """Write a denial down, so often that a flood of them fills no log."""
        self._hub.count("auth_denials")
        if self._denials.allow(principal.id):
            await self._hub.store.execute(
                AuditNote(
                    at=self._hub.clock.now(),
                    kind="access:denied",
                    actor=principal.id,
                    data={"operation": what, "code": code},
                )
            )

    async def note_reading(self, principal: Principal) -> None:
        """Write down who reads the log, once in a while.

        Coarsely, for an entry about each page would be read as the next page. Whoever
        must find out what fills a disk may read although that cannot be written down.
        """
        if not self._readings.allow(principal.id):
            return
        note = AuditNote(self._hub.clock.now(), "audit:read", principal.id, {})
        try:
            await self._hub.store.execute(note)
        except StoreFull:
            self._hub.log.problem("audit:reading_unwritten", actor=principal.id)


def _may_without_login(request: web.Request, route: Route) -> bool:
    """Tell whether a person's request needs no session: it reads, or is signed."""
    session = (bearer(request) or "").startswith(tokens.SESSION_PREFIX)
    return session or route.signed or route.method == "GET"


def bearer(request: web.Request) -> str | None:
    """Return the token of the Authorization header, if there is one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def is_owner(request: web.Request) -> bool:
    """Tell whether the daemon's own user calls over the Unix socket without a token."""
    if "Authorization" in request.headers or request.transport is None:
        return False
    sock = request.transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return False
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(credentials)
    return bool(uid == os.getuid())
