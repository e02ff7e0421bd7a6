"""Accepted refunds whose end is not heard of: ask, where the gateway can be asked.

Invariant: a poll is a read; what it finds goes the way of every word, through `apply`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.refund import RefundState
from refundwatch.flow.asking import question
from refundwatch.flow.exchange import Silent
from refundwatch.flow.lanes import Share
from refundwatch.flow.loops import Room
from refundwatch.flow.pace import FAR
from refundwatch.gateways.contract import Absent, Found, LookupFailed, NotShown
from refundwatch.store.contract import ApplyEvent, DuePolls, Postpone, RaiseAlarm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import Heard
    from refundwatch.store.contract import CallRecord, DueWork

_MOST_FAILURES_KEPT: Final = 100_000


class Poller(Room[str]):
    """Asks about what is pending."""

    name: ClassVar[str] = "poll"
    wakes_on: ClassVar[frozenset[str]] = frozenset({"poll"})

    def __init__(self, equipment: Equipment) -> None:
        """Open with nothing under way."""
        super().__init__(equipment, equipment.settings.lookup_concurrency)
        self._share = Share(equipment.paths, equipment.lanes)
        self._failures: dict[str, int] = {}

    async def step(self) -> int:
        """Start asking about what is due."""
        at = self.look()
        self.jobs.most = self.at.settings.lookup_concurrency

        def due(seen: frozenset[str]) -> DuePolls:
            return DuePolls(at, self.jobs.free, seen, self._share.full_accounts())

        return await self.fill(due, lambda work: work.refund.id, self._start)

    async def _start(self, work: DueWork) -> bool:
        path = self.at.lanes.of_refund(work.refund)
        if path is None:
            self.park(work.refund.id)
            return False
        leave = self._share.enter(path)
        if leave is None:
            return False
        self.jobs.start(work.refund.id, self._poll(work.refund, path), leave)
        return True

    async def _poll(self, refund: Refund, path: ConnectionPath) -> None:
        now = self.at.clock.now()
        ask = question(refund, path, by_our_reference=False, asked_at=now)
        if ask is None:
            # Its end comes by webhook or report; there is nobody to ask.
            await self._again_at(refund, now + FAR)
            return
        async with self.at.lanes.lane(path):
            ran = await self.at.exchanges.ask(path, ask)
        self.at.lanes.obey(path, ran.calls)
        await self.at.exchanges.note(ran.calls[:-1])
        match ran.result:
            case Found(matches=matches) if matches:
                await self._apply(refund, matches, ran.last_call)
            case Found() | Absent():
                await self._missing(refund, ran.last_call)
            case NotShown():
                self._failures.pop(refund.id, None)
                due_at = self.at.pace.next_poll(refund)
                await self._again_at(refund, due_at, ran.last_call)
            case LookupFailed(retry_after_seconds=wait):
                await self._failed(refund, ran.last_call, wait)
            case Silent():
                await self._failed(refund, ran.last_call, None)
            case _:
                assert_never(ran.result)

    async def _apply(
        self, refund: Refund, matches: Sequence[Heard], call: CallRecord | None
    ) -> None:
        self._failures.pop(refund.id, None)
        state = refund.state
        for heard in matches:
            event = GatewayWord(heard.word, heard.evidence)
            applied = await self.at.store.execute(
                ApplyEvent(self.at.clock.now(), refund.id, event, call)
            )
            call, state = None, applied.after.state
        if state is RefundState.PENDING:
            await self._again_at(refund, self.at.pace.next_poll(refund))

    async def _missing(self, refund: Refund, call: CallRecord | None) -> None:
        """Call people: the gateway accepted it, and now does not know it."""
        await self.at.store.execute(
            RaiseAlarm(
                at=self.at.clock.now(),
                kind="pending_not_found",
                severity="warning",
                subject=refund.id,
            )
        )
        await self._again_at(refund, self.at.pace.next_poll(refund), call)

    async def _failed(
        self, refund: Refund, call: CallRecord | None, wait: float | None
    ) -> None:
        tries = self._failures.get(refund.id, 0)
        if len(self._failures) >= _MOST_FAILURES_KEPT:
            self._failures.clear()
        self._failures[refund.id] = tries + 1
        cap = self.at.settings.poll_repeat_seconds
        due_at = self.at.pace.after_tries(refund.id, tries, wait, cap)
        await self._again_at(refund, due_at, call)

    async def _again_at(
        self, refund: Refund, due_at: datetime, call: CallRecord | None = None
    ) -> None:
        await self.at.store.execute(
            Postpone(self.at.clock.now(), refund.id, due_at, call)
        )
