"""Who the caller is, and the log.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from typing import Final

from daemon import present
from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models as m
from refundwatch.store import contract as c


async def me(call: Call) -> Answer:
    """Say who the caller is."""
    return Answer(present_me(call))


def present_me(call: Call) -> m.MeView:
    """Say who the caller is and what its roles or scopes allow."""
    machine = call.principal.machine
    return m.MeView.model_validate(
        {
            "principal": call.principal.id,
            "roles": sorted(role.value for role in call.principal.roles),
            "permissions": sorted(call.principal.permissions),
            "scopes": sorted(machine.scopes) if machine is not None else [],
            "signs": call.principal.is_person and call.hub.people.roster is not None,
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


HANDLERS: Final[dict[str, RouteHandler]] = {
    "me": me,
    "audit.read": read_audit,
}
