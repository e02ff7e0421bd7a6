"""Open questions: what became of refunds that were sent and not answered (P7).

Invariant: an unknown refund is asked about for ever, by our own reference; it is sent
again only where `after_absence` allows, with the stored bytes and the stored key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from refundwatch.domain.events import GatewayWord, LookedUpAbsent
from refundwatch.domain.refund import IN_FLIGHT
from refundwatch.domain.resolve import (
    ResendSameKey,
    ResolveRules,
    after_absence,
    safe_window_seconds,
)
from refundwatch.flow.asking import question
from refundwatch.flow.exchange import Ran, Silent
from refundwatch.flow.lanes import Share, pinned_note
from refundwatch.flow.loops import Room
from refundwatch.gateways.contract import (
    Absent,
    Found,
    Lookup,
    LookupFailed,
    NotShown,
)
from refundwatch.store.contract import ApplyEvent, ClaimLost, DueLookups, Postpone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.domain.resolve import AfterAbsence
    from refundwatch.flow.asking import Answer
    from refundwatch.flow.attempt import Attempts
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import Heard
    from refundwatch.store.contract import CallRecord, DueWork

FROZEN_PATIENCE_SECONDS: Final = 3600
"""So long a doubt waits for its frozen payment; then its absence goes to people."""

LEAST_IN_FLIGHT_SECONDS: Final = 120
"""A request may be on its way this long at least, whatever the settings say."""

_MOST_FAILURES_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Question:
    """One look: whose, over which connection, asked when, and is its payment frozen."""

    refund: Refund
    path: ConnectionPath
    asked_at: datetime
    frozen: bool


class Resolver(Room[str]):
    """Looks up what is unknown."""

    name: ClassVar[str] = "resolve"
    wakes_on: ClassVar[frozenset[str]] = frozenset({"lookup"})

    def __init__(self, equipment: Equipment, attempts: Attempts) -> None:
        """Open with nothing under way."""
        super().__init__(equipment, equipment.settings.lookup_concurrency)
        self._attempts = attempts
        self._share = Share(equipment.paths, equipment.lanes)
        self._failures: dict[str, int] = {}

    async def step(self) -> int:
        """Start looking up what is due."""
        at = self.look()
        self.jobs.most = self.at.settings.lookup_concurrency
        await self.at.lanes.see_health(self.at.store)

        def due(seen: frozenset[str]) -> DueLookups:
            return DueLookups(at, self.jobs.free, seen, self._share.full_accounts())

        return await self.fill(due, lambda work: work.refund.id, self._start)

    async def _start(self, work: DueWork) -> bool:
        path = self.at.lanes.of_refund(work.refund)
        if path is None:
            # The account left the configuration: nobody can ask any more.
            self.park(work.refund.id)
            return False
        leave = self._share.enter(path)
        if leave is None:
            return False
        self.jobs.start(work.refund.id, self._resolve(work, path), leave)
        return True

    async def _resolve(self, work: DueWork, path: ConnectionPath) -> None:
        refund, frozen = work.refund, work.payment.frozen is not None
        async with self.at.lanes.lane(path):
            one = _Question(refund, path, self.at.clock.now(), frozen)
            ran = await self._asked(one)
            self.at.lanes.obey(path, ran.calls)
            await self.at.exchanges.note(ran.calls[:-1])
            match ran.result:
                case Found(matches=matches) if matches:
                    await self._adopt(one, matches, ran)
                case Found() | Absent() | NotShown():
                    await self._absent(one, ran)
                case LookupFailed(retry_after_seconds=wait):
                    await self._postpone(refund, ran.last_call, wait)
                case Silent():
                    await self._postpone(refund, ran.last_call)
                case _:
                    assert_never(ran.result)

    async def _asked(self, one: _Question) -> Ran[Answer]:
        """Ask by our reference; a gateway that cannot be asked knows of nothing."""
        ask = question(one.refund, one.path, by_our_reference=True)
        if ask is None:
            return Ran(Absent(), ())
        return await self.at.exchanges.ask(one.path, ask)

    # --- found -------------------------------------------------------------------

    async def _adopt(
        self, one: _Question, matches: Sequence[Heard], ran: Ran[Answer]
    ) -> None:
        """Apply each word: a second reference at the gateway contradicts by itself."""
        due_at = self.at.pace.first_poll(one.path.gateway.capabilities)
        call = ran.last_call
        for heard in matches:
            event = GatewayWord(heard.word, heard.evidence, due_at)
            await self.at.store.execute(
                ApplyEvent(self.at.clock.now(), one.refund.id, event, call)
            )
            call = None
        self._close(one.refund.id)

    # --- not found ---------------------------------------------------------------

    async def _absent(self, one: _Question, ran: Ran[Answer]) -> None:
        following = self._following(one, shown=not isinstance(ran.result, NotShown))
        if isinstance(following, ResendSameKey):
            await self._resend(one.refund, ran)
            return
        if isinstance(following, LookedUpAbsent) and following.counts:
            self.at.ages.absent(one.refund)
        applied = await self.at.store.execute(
            ApplyEvent(self.at.clock.now(), one.refund.id, following, ran.last_call)
        )
        self._failures.pop(one.refund.id, None)
        if applied.after.state not in IN_FLIGHT:
            self._close(one.refund.id)

    def _following(self, one: _Question, *, shown: bool) -> AfterAbsence:
        """Say what absence means, with a veto of the monotonic clock.

        Where the gateway `shown` nothing of it, its look-up is as good as none.
        """
        rules = self._rules(one)
        rules = replace(rules, has_lookup=rules.has_lookup and shown)
        safe = safe_window_seconds(rules.key_window_seconds)
        age = self.at.ages.of(one.refund, max(safe, rules.resend_within_seconds))
        if one.frozen and age >= FROZEN_PATIENCE_SECONDS:
            rules = replace(rules, resends=False)
        following = after_absence(one.refund, rules, age, one.asked_at)
        if isinstance(following, LookedUpAbsent):
            return following
        in_flight = max(rules.in_flight_seconds, rules.evidence_seconds)
        apart = rules.settle_delay_seconds
        if isinstance(following, ResendSameKey):
            in_flight = apart = rules.resend_wait_seconds
        missing = self.at.ages.missing_seconds(one.refund, in_flight, apart)
        if missing > 0:
            # The wall clock ran ahead: by the monotonic one it is too early.
            # Whole seconds: the rest of one could be less than a clock can tell.
            due_at = self.at.clock.now() + timedelta(seconds=ceil(missing))
            return LookedUpAbsent(due_at, counts=False)
        return following

    def _rules(self, one: _Question) -> ResolveRules:
        capabilities = one.path.gateway.capabilities
        settings = self.at.settings
        # A key may be valid for the connection alone that it was first sent over.
        is_own = one.path.id == one.refund.connection
        return ResolveRules(
            has_lookup=capabilities.lookup is not Lookup.NONE,
            key_window_seconds=capabilities.key_window_seconds if is_own else 0,
            complete_listing=capabilities.complete_listing,
            backoff_seconds=settings.backoff_seconds,
            settle_delay_seconds=max(
                settings.settle_delay_seconds,
                settings.scaled(capabilities.lookup_delay_seconds),
            ),
            resend_within_seconds=capabilities.resend_within_seconds if is_own else 0,
            in_flight_seconds=max(
                settings.in_flight_seconds, settings.scaled(LEAST_IN_FLIGHT_SECONDS)
            ),
            evidence_seconds=settings.scaled(capabilities.evidence_seconds),
            resend_wait_seconds=settings.scaled(capabilities.resend_wait_seconds),
        )

    async def _resend(self, refund: Refund, ran: Ran[Answer]) -> None:
        """Send the stored request again, over the connection that it went over."""
        path = self.at.lanes.pinned(refund)
        if path is None or self.closing:
            await self._postpone(refund, ran.last_call)
            return
        await self.at.exchanges.note(ran.calls[-1:])
        done = await self._attempts.make(refund, path, None, pinned_note(path))
        if isinstance(done, ClaimLost):
            self.at.lanes.forget_health()
            self.at.log.event("resend_lost", refund=refund.id, reason=done.reason)
            await self._postpone(refund, None)
            return
        self._failures.pop(refund.id, None)
        if done.after.state not in IN_FLIGHT:
            self._close(refund.id)

    # --- no answer ---------------------------------------------------------------

    async def _postpone(
        self, refund: Refund, call: CallRecord | None, wait: float | None = None
    ) -> None:
        tries = self._failures.get(refund.id, 0)
        if len(self._failures) >= _MOST_FAILURES_KEPT:
            self._failures.clear()
        self._failures[refund.id] = tries + 1
        counted = replace(refund, lookups=refund.lookups + tries)
        due_at = self.at.pace.look_at(counted, wait)
        await self.at.store.execute(
            Postpone(self.at.clock.now(), refund.id, due_at, call)
        )

    def _close(self, refund_id: str) -> None:
        self._failures.pop(refund_id, None)
        self.at.ages.forget(refund_id)
