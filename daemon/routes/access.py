"""Who the caller is, tokens, and the log.

Invariant: as `daemon.routes` says; a token's secret leaves once, in the answer that
made it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from daemon import present
from daemon.problems import Forbidden
from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models as m
from refundwatch.domain.policy import SYSTEM, Denial, Role, may_grant
from refundwatch.security import tokens
from refundwatch.store import contract as c


async def me(call: Call) -> Answer:
    """Say who the caller is."""
    return Answer(present_me(call))


def present_me(call: Call) -> m.MeView:
    """Say who the caller is and what its roles allow."""
    return m.MeView.model_validate(
        {
            "principal": call.principal.id,
            "roles": sorted(role.value for role in call.principal.roles),
            "permissions": sorted(call.principal.permissions),
        }
    )


async def read_audit(call: Call) -> Answer:
    """Read the log from a sequence on."""
    start, limit = call.integer("start", 0), call.integer("limit", 500)
    rows = await call.hub.store.read(c.ReadAudit(start, limit))
    last = await call.hub.store.read(c.LastSeq())
    following = rows[-1].seq + 1 if rows else None
    return Answer(
        m.AuditPage(
            items=[present.audit_row(row) for row in rows],
            next=following if following is not None and following <= last else None,
            size=last + 1,
        )
    )


async def list_tokens(call: Call) -> Answer:
    """List every token, without secrets."""
    rows = await call.hub.store.read(c.ListTokens())
    return Answer(m.TokensView(items=[present.token(row) for row in rows]))


async def create_token(call: Call) -> Answer:
    """Make a token; the daemon's own user may make the first admin's."""
    body = call.model(m.TokenBody)
    roles = frozenset(Role(name) for name in body.roles)
    first = call.principal == SYSTEM
    denial = _owner_may(body, roles) if first else None
    if not first:
        denial = may_grant(call.principal, body.principal, roles)
    if denial is not None:
        raise Forbidden(denial.sentence, f"policy.{denial.code}")
    minted = tokens.mint()
    row = await call.hub.store.execute(
        c.CreateToken(
            at=call.now,
            actor=call.principal.id,
            token_id=minted.id,
            secret_sha256=minted.secret_sha256,
            principal=body.principal,
            roles=roles,
            expires_at=call.now + timedelta(days=body.expires_in_days),
            first_admin=first,
        )
    )
    return Answer(m.NewTokenView(token=present.token(row), secret=minted.text))


async def revoke_token(call: Call) -> Answer:
    """End a token at once."""
    row = await call.hub.store.execute(
        c.RevokeToken(call.now, call.principal.id, call.parts["token"])
    )
    return Answer(present.token(row))


def _owner_may(body: m.TokenBody, roles: frozenset[Role]) -> Denial | None:
    """Let the machine's owner open the door once, and do nothing else."""
    if roles == {Role.ADMIN} and body.principal.startswith("person:"):
        return None
    return Denial(
        "first_admin_only",
        "Without a token, only the first admin's can be made: a person, role admin.",
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "me": me,
    "audit.read": read_audit,
    "tokens.list": list_tokens,
    "tokens.create": create_token,
    "tokens.revoke": revoke_token,
}
