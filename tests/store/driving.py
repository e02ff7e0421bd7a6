from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Evidence, Word
from refundwatch.domain.transition import Applied
from refundwatch.store.contract import Command
from refundwatch.store.sqlite.registry import unit
from tests.making import START

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Store
    from refundwatch.store.sqlite.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Drive(Command[Applied]):
    """Let an event happen to a refund, without a gateway."""

    refund_id: str
    event: ev.RefundEvent
    at: datetime


@unit(Drive)
def _drive(tx: Transaction, command: Drive) -> Applied:
    refund = tx.load_refund(command.refund_id)
    applied = tx.apply_event(refund, command.event, command.at)
    tx.save_applied(applied, command.at, "system")
    return applied


async def drive(
    store: Store, refund: Refund, *happened: ev.RefundEvent, at: datetime = START
) -> Refund:
    """Let events happen in order; give the refund after them."""
    for event in happened:
        refund = (await store.execute(Drive(refund.id, event, at))).after
    return refund


def claimed() -> ev.Claimed:
    return ev.Claimed("stripe-uk/main")


def unanswered(fence: int = 1) -> ev.Unanswered:
    return ev.Unanswered(fence, "timeout", START)


def word(said: Word, **evidence: object) -> ev.GatewayWord:
    stated = Evidence(source="webhook", raw_status=said.value, **evidence)  # type: ignore[arg-type]
    return ev.GatewayWord(said, stated)


async def in_review(store: Store, refund: Refund) -> Refund:
    """Bring a queued refund into review over an unanswered attempt."""
    return await drive(
        store,
        refund,
        claimed(),
        unanswered(refund.fence + 1),
        ev.Unresolvable("absent_outside_window"),
    )
