"""Backfill: what webhooks should have told is read at the gateway, refund by refund.

Invariant: it only reads; what it finds goes the way of every word, through `apply`,
and what is known already writes nothing, so that a second backfill changes no row. A
refund that cannot be asked about is counted as such, never passed over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.refund import RefundState
from refundwatch.domain.transition import apply
from refundwatch.errors import AccountUnknown
from refundwatch.flow.asking import question
from refundwatch.flow.pace import can_be_read
from refundwatch.gateways.contract import Absent, Found
from refundwatch.store.contract import (
    ApplyEvent,
    AuditNote,
    LookUpNow,
    RaiseAlarm,
    ToBackfill,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Refund
    from refundwatch.flow.asking import Answer
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Ran
    from refundwatch.gateways.contract import Heard
    from refundwatch.store.contract import CallRecord

PAGE: Final = 100
LONGEST_SECONDS: Final = 10.0
"""So long one call goes on before it says how far it came."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose refunds: not final, or final since `since`; `after` is the last id done."""

    account: str
    since: datetime
    after: str = ""


@dataclass(slots=True)
class Filled:
    """How far a backfill came; `after` is None at its end, `total` told at its start.

    `looked_up` are unknown refunds whose look-up was made due, `unreadable` those that
    the gateway cannot be asked about, `failed` those that got no answer now.
    """

    gateway: str
    done: int = 0
    read: int = 0
    changed: int = 0
    looked_up: int = 0
    unreadable: int = 0
    failed: int = 0
    total: int | None = None
    after: str | None = None
    changed_ids: list[str] = field(default_factory=list)


class Backfiller:
    """Reads what should have been heard of."""

    def __init__(self, equipment: Equipment) -> None:
        """Take what the rooms share."""
        self._at = equipment

    async def go_on(self, asked: Asked, principal: Principal) -> Filled:
        """Read refunds for a while from where the last call came to.

        Raises:
            AccountUnknown: the configuration has no such account.
        """
        paths = self._at.paths.of_account(asked.account)
        if not paths:
            message = f"There is no account {asked.account[:64]!a}."
            raise AccountUnknown(message, field="account")
        page = await self._at.store.read(
            ToBackfill(asked.account, asked.since, asked.after, PAGE)
        )
        filled = Filled(paths[0].gateway.capabilities.title)
        if not asked.after:
            filled.total = page.left
            await self._note(asked, principal)
        width = max(paths[0].concurrency // 2, 1)
        until = self._at.clock.monotonic() + LONGEST_SECONDS
        for start in range(0, len(page.refunds), width):
            if start and self._at.clock.monotonic() >= until:
                break
            some = page.refunds[start : start + width]
            await asyncio.gather(*(self._fill(it, filled, principal) for it in some))
            filled.done += len(some)
            filled.after = some[-1].id
        if filled.done >= page.left:
            filled.after = None
        return filled

    async def _note(self, asked: Asked, principal: Principal) -> None:
        data = {"account": asked.account, "since": asked.since.isoformat()}
        now = self._at.clock.now()
        await self._at.store.execute(
            AuditNote(now, "backfill:asked", principal.id, data)
        )

    async def _fill(self, refund: Refund, filled: Filled, principal: Principal) -> None:
        path = self._at.lanes.of_refund(refund)
        if path is None or not can_be_read(path.gateway.capabilities):
            filled.unreadable += 1
            return
        now = self._at.clock.now()
        if refund.state is RefundState.UNKNOWN:
            # What its absence means is for the room that looks up, and for it alone.
            await self._at.store.execute(LookUpNow(now, principal, refund.id))
            filled.looked_up += 1
            return
        polled = now if refund.state is RefundState.PENDING else None
        ask = question(refund, path, by_our_reference=False, asked_at=polled)
        if ask is None:
            filled.unreadable += 1
            return
        if not self._at.lanes.may_read(path):
            filled.failed += 1
            return
        async with self._at.lanes.lane(path):
            ran = await self._at.exchanges.ask(path, ask)
        self._at.lanes.obey(path, ran.calls)
        await self._take(refund, ran, filled)

    async def _take(self, refund: Refund, ran: Ran[Answer], filled: Filled) -> None:
        match ran.result:
            case Found(matches=matches) if matches:
                await self._at.exchanges.note(ran.calls[:-1])
                filled.read += 1
                if await self._apply(refund, matches, ran.last_call):
                    filled.changed += 1
                    filled.changed_ids.append(refund.id)
                return
            case Found() | Absent():
                filled.read += 1
                if refund.state is RefundState.PENDING:
                    await self._missing(refund)
            case _:
                filled.failed += 1
        await self._at.exchanges.note(ran.calls)

    async def _apply(
        self, refund: Refund, matches: Sequence[Heard], call: CallRecord | None
    ) -> bool:
        """Apply what is news; tell whether anything was."""
        changed, now = False, self._at.clock.now()
        for heard in matches:
            event = GatewayWord(heard.word, heard.evidence)
            would = apply(refund, event, now)
            if not would.changed and would.alarm is None:
                continue
            applied = await self._at.store.execute(
                ApplyEvent(now, refund.id, event, call)
            )
            call, refund = None, applied.after
            changed = changed or applied.changed
        if call is not None:
            await self._at.exchanges.note((call,))
        return changed

    async def _missing(self, refund: Refund) -> None:
        """Call people: the gateway accepted it, and now does not know it."""
        alarm = RaiseAlarm(
            self._at.clock.now(), "pending_not_found", "warning", refund.id
        )
        await self._at.store.execute(alarm)
