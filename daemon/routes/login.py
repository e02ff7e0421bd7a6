"""Logging in and out: what is asked of a key, and what it is worth.

Invariant: what a stranger hears is what an operator hears, until the key has spoken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.auth import bearer
from refundwatch.api import models_operators as o
from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from aiohttp import web
    from pydantic import BaseModel

    from daemon.hub import Hub
    from daemon.login import Logins
    from refundwatch.domain.policy import Principal


@dataclass(frozen=True, slots=True)
class Meeting:
    """A request of somebody who logs in or out."""

    hub: Hub
    logins: Logins
    request: web.Request
    principal: Principal | None
    body: BaseModel | None


Meet = Callable[[Meeting], Awaitable["BaseModel"]]


async def challenge(meeting: Meeting) -> o.ChallengeView:
    """Ask for a signature."""
    body = meeting.body
    if not isinstance(body, o.ChallengeBody):
        raise InvariantBroken("The route promised a challenge's body.")
    peer = meeting.request.remote or "local"
    nonce, made = meeting.logins.challenge(body.actor, body.key, peer)
    return o.ChallengeView(
        nonce=nonce,
        instance=meeting.hub.instance,
        issued_at=made.issued_at,
        expires_at=made.expires_at,
    )


async def answer(meeting: Meeting) -> o.SessionView:
    """Open a session for a good signature."""
    body, transport = meeting.body, meeting.request.transport
    if not isinstance(body, o.AnswerBody):
        raise InvariantBroken("The route promised an answer's body.")
    tls = transport is not None and transport.get_extra_info("sslcontext") is not None
    message = body.message.encode("utf-8")
    token, until, person = await meeting.logins.answer(message, body.signature, tls=tls)
    return o.SessionView(token=token, person=person, expires_at=until)


async def log_out(meeting: Meeting) -> o.LoggedOutView:
    """End the session that the request came with."""
    if meeting.principal is None:
        raise InvariantBroken("Nobody logs out who is not known.")
    who = meeting.principal.id
    await meeting.logins.log_out(bearer(meeting.request), who)
    return o.LoggedOutView(person=who)


PERSONAL: Final[dict[str, Meet]] = {
    "login.challenge": challenge,
    "login.answer": answer,
    "logout": log_out,
}
