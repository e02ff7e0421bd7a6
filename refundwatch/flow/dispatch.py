"""Room two: refunds whose turn it is are claimed, sent, and recorded.

Invariant: of one payment at most one refund is on its way; slow gateways fill their own
lanes and keep nobody else from sending; after the room closes no claim is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from refundwatch.errors import NotExpressible
from refundwatch.flow.attempt import instruction_of
from refundwatch.flow.earlier import Earlier
from refundwatch.flow.exchange import order_of
from refundwatch.flow.loops import Room
from refundwatch.flow.originals import Original, Originals
from refundwatch.flow.places import Places
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import (
    Heard,
    HttpRequest,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.store.contract import ClaimLost, DueSends, HoldUnsent, Postpone

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.routing import RouteNote
    from refundwatch.flow.attempt import Attempts
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpResponse, Outcome
    from refundwatch.store.contract import DueWork

_LOST_SECONDS: Final = 1
"""A refund whose claim was lost is left alone this long: its row has just changed."""

_HEARD_SECONDS: Final = 15
"""One of which a delivery speaks waits for that, and asks its gateway no sooner."""

_DELIVERY_WAITS: Final = "delivery_waits"
_NOT_EXPRESSIBLE: Final = "not_expressible"
_NOT_REFUNDABLE: Final = "not_refundable"
_EXECUTED_ELSEWHERE: Final = "executed_elsewhere"


class Dispatcher(Room[str]):
    """Sends what is queued."""

    name: ClassVar[str] = "dispatch"
    wakes_on: ClassVar[frozenset[str]] = frozenset({"send"})

    def __init__(self, equipment: Equipment, attempts: Attempts) -> None:
        """Open with nothing under way."""
        super().__init__(equipment, equipment.settings.dispatch_concurrency)
        self._attempts = attempts
        self._originals = Originals(equipment)
        self._earlier = Earlier(equipment)
        self._payments: set[str] = set()
        self._places = Places(equipment.paths, self.jobs.most)

    async def step(self) -> int:
        """Start sending what is due and has a place on its connection."""
        at = self.look()
        self._places.wanted = self.at.settings.dispatch_concurrency
        self.jobs.most = self._places.most
        await self.at.lanes.see_health(self.at.store)
        unconfigured: set[str] = set()

        def due(seen: frozenset[str]) -> DueSends:
            busy = self.at.lanes.busy_accounts() | self._places.full() | unconfigured
            return DueSends(at, self.jobs.free, seen, busy)

        async def start(work: DueWork) -> bool:
            if not self.at.paths.of_account(work.refund.account):
                unconfigured.add(work.refund.account)
            return await self._start(work)

        return await self.fill(due, lambda work: work.refund.id, start)

    async def _start(self, work: DueWork) -> bool:
        """Start one refund if its payment is free and a connection has a place."""
        account, payment = work.refund.account, work.payment.id
        path, notes = self.at.lanes.choose_noted(account)
        if path is None or payment in self._payments:
            return False
        if account in self._places.full():
            return False
        lane = self.at.lanes.lane(path)
        await lane.acquire()
        self._payments.add(payment)
        self._places.take(account)

        def leave() -> None:
            self._payments.discard(payment)
            self._places.leave(account)
            lane.release()

        self.jobs.start(work.refund.id, self._send(work, path, notes), leave)
        return True

    async def _send(
        self, work: DueWork, path: ConnectionPath, notes: tuple[RouteNote, ...]
    ) -> None:
        original = await self._originals.ready(work, path)
        if original is None or not await self._earlier.is_clear(work.refund, path):
            return
        request = await self._built(work.refund, path, original)
        if request is None or self.closing:
            return
        done = await self._attempts.make(work.refund, path, request, notes)
        if isinstance(done, ClaimLost):
            self.at.lanes.forget_health()
            heard = done.reason == _DELIVERY_WAITS
            self.park(work.refund.id, _HEARD_SECONDS if heard else _LOST_SECONDS)
            self.at.log.event("claim_lost", refund=work.refund.id, reason=done.reason)

    async def _built(
        self, refund: Refund, path: ConnectionPath, original: Original
    ) -> HttpRequest | None:
        """Build the order; one that the gateway cannot be told is held for people."""
        line = self.at.exchanges.line(path)

        async def send(request: HttpRequest) -> HttpResponse:
            return await line.send(request, path.timeout_seconds)

        instruction = instruction_of(refund, path, original.captured_minor)
        try:
            built = await order_of(path.gateway.refund(instruction), send)
            if not isinstance(built, HttpRequest):
                line.judge(built)
                line.session_may_have_ended(built)
                self.at.lanes.obey(path, line.calls)
        except NotExpressible:
            built = RefusedByGateway(_NOT_EXPRESSIBLE)
        except (NeverSentError, NoAnswerError):
            self.park(refund.id)
            return None
        finally:
            await self.at.exchanges.note(line.calls)
        if isinstance(built, HttpRequest):
            return built
        await self._judged(refund, built)
        return None

    async def _judged(self, refund: Refund, outcome: Outcome) -> None:
        """Follow an adapter that looked and did not order: wait, or ask people."""
        match outcome:
            case RefusedByGateway(code=code):
                await self._hold(refund, code)
            case Heard():
                await self._hold(refund, _EXECUTED_ELSEWHERE)
            case Unauthorized():
                await self._postpone(refund, None)
            case (
                NotProcessed(retry_after_seconds=wait)
                | Unsure(retry_after_seconds=wait)
            ):
                await self._postpone(refund, wait)
            case _:
                assert_never(outcome)

    async def _postpone(self, refund: Refund, at_least: float | None) -> None:
        due_at = self.at.pace.retry_at(refund, at_least)
        await self.at.store.execute(Postpone(self.at.clock.now(), refund.id, due_at))

    async def _hold(self, refund: Refund, reason: str) -> None:
        alarm = reason if reason == _NOT_EXPRESSIBLE else _NOT_REFUNDABLE
        await self.at.store.execute(
            HoldUnsent(self.at.clock.now(), refund.id, reason, alarm=alarm)
        )
