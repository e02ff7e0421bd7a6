"""What webhooks brought, or should have brought.

Invariant: as `daemon.routes` says; a backfill goes on where its caller says it came
to, so that nothing runs on when the caller has left.
"""

from __future__ import annotations

from typing import Final

from daemon import present
from daemon.routes.call import Answer, Call, RouteHandler
from refundwatch.api import models as m
from refundwatch.errors import DeliveryUnknown, TextInvalid
from refundwatch.flow.backfill import Asked
from refundwatch.store import contract as c


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


async def list_deliveries(call: Call) -> Answer:
    """List webhook items, newest first."""
    page = await call.hub.store.read(
        c.ListDeliveries(
            limit=call.integer("limit", 50),
            cursor=call.text("cursor"),
            account=call.text("account"),
            state=call.text("state"),
        )
    )
    items = [present.delivery(row) for row in page.items]
    return Answer(m.DeliveryPage(items=items, next_cursor=page.next_cursor))


async def show(call: Call) -> Answer:
    """Show a webhook item."""
    return Answer(await _shown(call))


async def replay(call: Call) -> Answer:
    """Put a webhook item through the inbox once more."""
    await call.hub.store.execute(
        c.ReplayDelivery(call.now, call.principal, _number(call))
    )
    return Answer(await _shown(call))


async def _shown(call: Call) -> m.DeliveryDetailView:
    number = _number(call)
    row = await call.hub.store.read(c.GetDelivery(number))
    if row is None:
        raise DeliveryUnknown(f"There is no delivery {number}.", field="delivery")
    return present.delivery_detail(row)


def _number(call: Call) -> int:
    text = call.parts["delivery"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 - 2^53
        raise DeliveryUnknown(f"There is no delivery {text}.", field="delivery")
    return int(text)


HANDLERS: Final[dict[str, RouteHandler]] = {
    "accounts.backfill": backfill,
    "deliveries.list": list_deliveries,
    "deliveries.show": show,
    "deliveries.replay": replay,
}
