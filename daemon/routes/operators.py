"""Operators, what roots said about them, and the head of the log that people sign.

Invariant: as `daemon.routes` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models_operators as o
from refundwatch.domain.roster import Roster
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from refundwatch.domain.roster import Operator


async def list_all(call: Call) -> Answer:
    """List operators by name."""
    roster = call.hub.people.roster or Roster(call.hub.instance)
    return Answer(
        o.OperatorsView(
            items=[_operator(it) for _, it in sorted(roster.operators.items())],
            head=roster.head,
            number=roster.number,
            needed=roster.needed(call.now),
        )
    )


async def statements(call: Call) -> Answer:
    """List statements, newest first."""
    rows = await call.hub.store.read(c.ListEnrolments())
    return Answer(o.EnrolmentsView(items=[_enrolment(row) for row in rows]))


async def propose(call: Call) -> Answer:
    """Propose a statement with its first signature."""
    body = call.model(o.EnrolmentBody)
    signed = c.SignedText(body.statement.encode("utf-8"), body.signature)
    row = await call.hub.store.execute(
        c.ProposeEnrolment(call.now, call.principal, signed)
    )
    return Answer(_enrolment(row))


async def sign(call: Call) -> Answer:
    """Add a root operator's signature."""
    body = call.model(o.CosignBody)
    row = await call.hub.store.execute(
        c.SignEnrolment(
            call.now, call.principal, call.parts["statement"], body.signature
        )
    )
    return Answer(_enrolment(row))


async def head(call: Call) -> Answer:
    """Say how long the log is, and its root."""
    found = await call.hub.store.execute(c.ReadHead())
    return Answer(o.HeadView(size=found.size, root=found.root.hex()))


def _operator(it: Operator) -> o.OperatorView:
    return o.OperatorView.model_validate(
        {
            "person": it.person,
            "root": it.root,
            "roles": sorted(role.value for role in it.roles),
            "keys": [
                {
                    "fingerprint": key.fingerprint,
                    "public_key": key.line,
                    "root": key.root,
                    "valid_from": key.valid_from,
                    "valid_until": key.valid_until,
                    "revoked_at": key.revoked_at,
                }
                for key in it.keys.values()
            ],
        }
    )


def _enrolment(row: c.EnrolmentRow) -> o.EnrolmentView:
    return o.EnrolmentView(
        sha256=row.sha256,
        statement=row.statement.decode("utf-8"),
        proposed_at=row.proposed_at,
        number=row.number,
        in_force_at=row.in_force_at,
        signers=list(row.signers),
        waiting_for=row.waiting_for,
    )


HANDLERS: Final[dict[str, RouteHandler]] = {
    "operators.list": list_all,
    "operators.statements": statements,
    "operators.propose": propose,
    "operators.sign": sign,
    "audit.head": head,
}
