"""What webhooks brought, or should have brought.

Invariant: as `daemon.routes` says; a backfill goes on where its caller says it came
to, so that nothing runs on when the caller has left.
"""

from __future__ import annotations

from typing import Final

from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models as m
from refundwatch.errors import TextInvalid
from refundwatch.flow.backfill import Asked


async def backfill(call: Call) -> Answer:
    """Read an account's refunds at its gateway for a while."""
    body = call.model(m.BackfillBody)
    if body.since > call.now:
        raise TextInvalid("A backfill begins in the past.", field="since")
    asked = Asked(call.parts["account"], body.since, body.after)
    filled = await call.hub.backfiller.go_on(asked, call.principal)
    return Answer(
        m.BackfillView(
            account=asked.account,
            gateway=filled.gateway,
            done=filled.done,
            read=filled.read,
            changed=filled.changed,
            changed_ids=filled.changed_ids,
            looked_up=filled.looked_up,
            unreadable=filled.unreadable,
            failed=filled.failed,
            total=filled.total,
            after=filled.after,
        )
    )


HANDLERS: Final[dict[str, RouteHandler]] = {"accounts.backfill": backfill}
