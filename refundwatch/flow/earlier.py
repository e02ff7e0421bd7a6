"""Before a refund goes out: was it executed already, unknown to this database?

Invariant: where the gateway can be asked, nothing leaves under a later key before it
has answered about each earlier one; what it finds goes the way of every word, through
`apply`, and ends with people. After the log's end was lost (a restored backup) the
same is asked about the key itself, and what cannot be asked about waits for people.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import GatewayWord
from refundwatch.domain.idempotency import merchant_reference
from refundwatch.domain.refund import Word
from refundwatch.flow.asking import question
from refundwatch.flow.pace import RETRY_CAP_SECONDS
from refundwatch.gateways.contract import Absent, Found, NotShown
from refundwatch.store.contract import (
    ApplyEvent,
    GetRefund,
    HoldUnsent,
    LostUntil,
    Postpone,
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.asking import Answer
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Ran
    from refundwatch.flow.ports import ConnectionPath

_CAME_BACK: Final = frozenset({Word.FAILED, Word.REVERSED})
_MOST_TRIES_KEPT: Final = 10_000
_LOST: Final = "log_end_lost"


class Earlier:
    """Looks behind the keys that two people took for not executed."""

    def __init__(self, equipment: Equipment) -> None:
        """Start with nothing tried."""
        self._at = equipment
        self._tries: dict[str, int] = {}
        self._lost_until: datetime | None = None
        self._knows_loss = False

    async def is_clear(self, refund: Refund, path: ConnectionPath) -> bool:
        """Tell whether the refund may go on; else it was moved or postponed."""
        if await self._may_be_lost(refund) and not await self._was_not_sent(
            refund, path
        ):
            return False
        for generation in range(refund.generation):
            if not await self._is_absent(refund, path, generation):
                return False
        self._tries.pop(refund.id, None)
        return True

    async def _may_be_lost(self, refund: Refund) -> bool:
        """Tell whether a send of it may be missing here since the log lost its end."""
        if not self._knows_loss:
            # A loss is accepted before any room works, so one look is enough.
            self._lost_until = await self._at.store.read(LostUntil())
            self._knows_loss = True
        sent, lost = refund.last_sent_at, self._lost_until
        return lost is not None and (sent is None or sent < lost)

    async def _was_not_sent(self, refund: Refund, path: ConnectionPath) -> bool:
        ask = question(refund, path, by_our_reference=True)
        if ask is not None:
            ran = await self._at.exchanges.ask(path, ask)
            self._at.lanes.obey(path, ran.calls)
            able = path.gateway.capabilities
            # A payment that was read tells by its sum what a list may lack.
            tells = able.complete_listing or able.reads_payment
            if tells and not isinstance(ran.result, NotShown):
                return await self._judged(refund, ran)
            if not isinstance(ran.result, Absent | NotShown):
                return await self._judged(refund, ran)
            await self._at.exchanges.note(ran.calls)
        if await self._was_released(refund):
            return True
        now = self._at.clock.now()
        await self._at.store.execute(
            HoldUnsent(now, refund.id, _LOST, alarm="refund_may_be_lost")
        )
        return False

    async def _was_released(self, refund: Refund) -> bool:
        """Tell whether a person let exactly this revision go on since the loss."""
        detail = await self._at.store.read(GetRefund(refund.id))
        lost = self._lost_until
        return detail is not None and any(
            it.kind is Verdict.RELEASE
            and it.revision == refund.revision
            and (lost is None or it.at >= lost)
            for it in detail.decisions
        )

    async def _is_absent(
        self, refund: Refund, path: ConnectionPath, generation: int
    ) -> bool:
        reference = merchant_reference(
            self._at.settings.instance,
            refund.account,
            refund.payment_reference,
            refund.request_id,
            generation,
        )
        asked_about = replace(
            refund, merchant_reference=reference, gateway_reference=None
        )
        ask = question(asked_about, path, by_our_reference=True)
        if ask is None:
            return True
        ran = await self._at.exchanges.ask(path, ask)
        self._at.lanes.obey(path, ran.calls)
        return await self._judged(refund, ran)

    async def _judged(self, refund: Refund, ran: Ran[Answer]) -> bool:
        match ran.result:
            case Found(matches=matches):
                standing = [one for one in matches if one.word not in _CAME_BACK]
            case Absent() | NotShown():
                # What two people decided stands where the gateway cannot tell.
                standing = []
            case _:
                await self._postpone(refund, ran)
                return False
        await self._at.exchanges.note(ran.calls)
        for heard in standing:
            event = GatewayWord(heard.word, heard.evidence)
            now = self._at.clock.now()
            await self._at.store.execute(ApplyEvent(now, refund.id, event))
        return not standing

    async def _postpone(self, refund: Refund, ran: Ran[Answer]) -> None:
        tries = self._tries.get(refund.id, 0)
        if len(self._tries) >= _MOST_TRIES_KEPT:
            self._tries.clear()
        self._tries[refund.id] = tries + 1
        due_at = self._at.pace.after_tries(
            refund.id, tries, cap_seconds=RETRY_CAP_SECONDS
        )
        await self._at.exchanges.note(ran.calls[:-1])
        await self._at.store.execute(
            Postpone(self._at.clock.now(), refund.id, due_at, ran.last_call)
        )
