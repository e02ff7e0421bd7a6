"""Tokens of people and machines: make, list, show, rotate, end.

Invariant: as `daemon.routes` says; a token's secret leaves once, in the answer that
made it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon import present_tokens
from daemon.problems import Forbidden
from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models_tokens as mt
from refundwatch.domain.policy import SYSTEM, Denial, Role, may_grant
from refundwatch.errors import TextInvalid, TokenUnknown
from refundwatch.security import tokens
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from refundwatch.domain.machine import MachineGrant


async def list_tokens(call: Call) -> Answer:
    """List every token, without secrets."""
    rows = await call.hub.store.read(c.ListTokens())
    return Answer(mt.TokensView(items=[present_tokens.token(row) for row in rows]))


async def create_token(call: Call) -> Answer:
    """Make a token; the daemon's own user may make the first admin's."""
    body = call.model(mt.TokenBody)
    roles = frozenset(Role(name) for name in body.roles)
    grant = await _known_grant(call, body.grant)
    first = call.principal == SYSTEM
    denial = _owner_may(body, roles) if first else None
    if not first:
        denial = may_grant(call.principal, body.principal, roles)
    if denial is not None:
        raise Forbidden(denial.sentence, f"policy.{denial.code}")
    minted, now = tokens.mint(), call.now
    row = await call.hub.store.execute(
        c.CreateToken(
            at=now,
            actor=call.principal.id,
            token_id=minted.id,
            secret_sha256=minted.secret_sha256,
            principal=body.principal,
            roles=roles,
            expires_at=now + timedelta(days=body.expires_in_days),
            first_admin=first,
            grant=grant,
        )
    )
    return Answer(mt.NewTokenView(token=present_tokens.token(row), secret=minted.text))


async def show_token(call: Call) -> Answer:
    """Show one token."""
    return Answer(present_tokens.token(await _token(call)))


async def rotate_token(call: Call) -> Answer:
    """Make a token in another's place; both count until the overlap ends."""
    body = call.model(mt.RotateBody)
    old = await _token(call)
    denial = may_grant(call.principal, old.principal, old.roles)
    if denial is not None:
        raise Forbidden(denial.sentence, f"policy.{denial.code}")
    minted, now = tokens.mint(), call.now
    row = await call.hub.store.execute(
        c.RotateToken(
            at=now,
            actor=call.principal.id,
            old_id=old.token_id,
            token_id=minted.id,
            secret_sha256=minted.secret_sha256,
            expires_at=now + timedelta(days=body.expires_in_days),
            old_until=now + timedelta(hours=body.overlap_hours),
        )
    )
    view = present_tokens.token(row)
    return Answer(mt.NewTokenView(token=view, secret=minted.text))


async def revoke_token(call: Call) -> Answer:
    """End a token at once."""
    row = await call.hub.store.execute(
        c.RevokeToken(call.now, call.principal.id, call.parts["token"])
    )
    return Answer(present_tokens.token(row))


async def _token(call: Call) -> c.TokenRow:
    found = await call.hub.store.read(c.GetToken(call.parts["token"]))
    if found is None:
        raise TokenUnknown(f"There is no token {call.parts['token'][:32]!a}.")
    return found.token


async def _known_grant(call: Call, body: mt.GrantBody | None) -> MachineGrant:
    """Refuse gateways that no account is at: such a token would reach nothing."""
    grant = present_tokens.grant_of(body)
    if grant.gateways:
        accounts = await call.hub.store.read(c.ListAccounts())
        strange = sorted(grant.gateways - {it.gateway for it in accounts})
        if strange:
            message = f"No account is at {strange[0]!a}."
            raise TextInvalid(message, field="grant.gateways")
    return grant


def _owner_may(body: mt.TokenBody, roles: frozenset[Role]) -> Denial | None:
    """Let the machine's owner open the door once, and do nothing else."""
    admin = roles == {Role.ADMIN} and body.grant is None
    if admin and body.principal.startswith("person:"):
        return None
    return Denial(
        "first_admin_only",
        "Without a token, only the first admin's can be made: a person, role admin.",
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "tokens.list": list_tokens,
    "tokens.create": create_token,
    "tokens.show": show_token,
    "tokens.rotate": rotate_token,
    "tokens.revoke": revoke_token,
}
