"""What the operator can ask of the daemon, one method a question.

Invariant: a request that changes something is sent once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from refundwatch.api.ordering import OrderAct, send_circuit, send_unfreeze

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from refundwatch.api.client import ApiClient
    from refundwatch.api.drafts import SignedDecision
    from tui.proposal import Proposal
    from tui.screens.order import ConfirmedOrder

AWAITING: Final = "state:awaiting_approval"


class Desk:
    """The operator API as the dashboard uses it."""

    def __init__(self, opened: Callable[[], Awaitable[ApiClient]]) -> None:
        """Ask through the client that `opened` gives, open."""
        self._opened = opened

    async def page(
        self, filter_text: str, offset: int, limit: int, *, oldest_first: bool = False
    ) -> m.RefundPage:
        """Read the refunds of some lines of a list."""
        return await (await self._opened()).call(
            "refunds.list",
            m.RefundPage,
            query={
                "filter": filter_text or None,
                "offset": offset,
                "limit": limit,
                "oldest_first": oldest_first,
            },
        )

    async def show(self, refund_id: str) -> m.RefundDetailView:
        """Read a refund, whole."""
        return await (await self._opened()).call(
            "refunds.show", m.RefundDetailView, parts={"refund": refund_id}
        )

    async def metrics(self, window_seconds: int) -> m.MetricsView:
        """Read the three numbers over a window."""
        return await (await self._opened()).call(
            "metrics", m.MetricsView, query={"window": window_seconds}
        )

    async def acknowledge(self, alarm_id: int) -> m.AlarmView:
        """Note that we have seen an alarm."""
        return await (await self._opened()).call(
            "alarms.acknowledge", m.AlarmView, parts={"alarm": str(alarm_id)}
        )

    async def send(self, proposal: Proposal, signed: SignedDecision | None) -> str:
        """Send a decision with its signature; return what it did, in a sentence."""
        name = f"refunds.{proposal.action}"
        parts = {"refund": proposal.refund.id}
        if proposal.action == "lookup":
            looked = await (await self._opened()).call(name, m.RefundView, parts=parts)
            return f"{looked.id} is looked up now."
        body = proposal.body()
        if signed is not None and body is not None:
            body = signed.put_into(body)
        decided = await (await self._opened()).call(
            name, m.DecidedView, parts=parts, body=body
        )
        refund = decided.refund
        said = f"{refund.id} is now: {refund.state_word}."
        if decided.waiting_for:
            said += f" Still needed: {decided.waiting_for}."
        return said

    async def payment(self, payment_id: str) -> m.PaymentView:
        """Read a payment."""
        return await (await self._opened()).call(
            "payments.show", m.PaymentView, parts={"payment": payment_id}
        )

    async def send_order(self, order: ConfirmedOrder) -> str:
        """Send an order with its signature; return what it did, in a sentence."""
        client, asked = await self._opened(), order.asked
        if asked.act is OrderAct.UNFREEZE:
            payment = await send_unfreeze(client, asked, order.signed)
            return f"{payment.id} is frozen no more."
        connection = await send_circuit(client, asked, order.signed)
        part = asked.detail["part"]
        stopped = asked.act is OrderAct.TRIP
        return f"{connection.id}: {part} {'stopped' if stopped else 'go on'}."
