"""One attempt: claim, send exactly the claimed request, say what came of it.

Invariant: the intent is durable before the first byte leaves, and only its request is
sent, once; an attempt whose bytes may have left ends as what the gateway said or as
unanswered, never as "not executed" by our own reasoning. Where this is cut short the
row stays `sending`, and becomes `unknown` when its lease ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from refundwatch.domain.events import GatewayWord, NotExecuted, Refusal, Unanswered
from refundwatch.domain.refund import IN_FLIGHT
from refundwatch.flow.exchange import drive
from refundwatch.flow.loops import trouble
from refundwatch.flow.ports import NeverSentError, NoAnswerError
from refundwatch.gateways.contract import (
    Heard,
    HttpRequest,
    NotProcessed,
    RefundInstruction,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.store.contract import (
    ApplyEvent,
    Claimed,
    ClaimLost,
    ClaimRefund,
    RaiseAlarm,
    StoredRequest,
)

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.routing import RouteNote
    from refundwatch.domain.transition import Applied
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Line
    from refundwatch.flow.ports import Clock, ConnectionPath
    from refundwatch.gateways.contract import HttpResponse, Outcome
    from refundwatch.store.contract import CallRecord

AttemptEvent = GatewayWord | NotExecuted | Unanswered | Refusal


def instruction_of(
    refund: Refund, path: ConnectionPath, captured_minor: int | None = None
) -> RefundInstruction:
    """Say to the adapter which refund is meant; amounts in ISO 4217 minor units."""
    return RefundInstruction(
        account=path.account,
        payment_reference=refund.payment_reference,
        merchant_reference=refund.merchant_reference,
        idempotency_key=refund.idempotency_key,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reason_code=refund.reason_code,
        gateway_reference=refund.gateway_reference,
        payment_captured_minor=captured_minor,
        accepted_at=refund.accepted_at,
        last_status=refund.last_status,
        created_at=refund.created_at,
    )


def to_store(request: HttpRequest) -> StoredRequest:
    """Give the part of a request that is stored and resent identically."""
    return StoredRequest(
        operation=request.operation,
        method=request.method,
        target=request.target,
        headers=request.headers,
        body=request.body,
    )


def from_store(stored: StoredRequest) -> HttpRequest:
    """Give the request that moves money, exactly as it was stored."""
    return HttpRequest(
        operation=stored.operation,
        method=stored.method,
        target=stored.target,
        headers=stored.headers,
        body=stored.body,
        moves_money=True,
    )


class AlteredOrderError(Exception):
    """The adapter wanted to send another order than the claimed one."""


@dataclass(slots=True)
class _Order:
    """The one order that may leave, and whether it may have left."""

    line: Line
    claimed: HttpRequest
    timeout_seconds: float
    lease_ends: float
    clock: Clock
    was_asked_for: bool = False
    short_of_funds: bool = False
    may_have_left: bool = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send what the adapter yields; of orders only the claimed one, once."""
        if not request.moves_money:
            return await self.line.send(request, self.timeout_seconds)
        if self.was_asked_for or request != self.claimed:
            raise AlteredOrderError
        self.was_asked_for = True
        try:
            return await self.line.send(request, self.timeout_seconds, self._leave)
        except NeverSentError:
            self.may_have_left = False
            raise

    def _leave(self) -> None:
        """Refuse on a short lease, at the last moment before the bytes leave."""
        if self.lease_ends - self.clock.monotonic() < self.timeout_seconds:
            raise NeverSentError("lease_too_short")
        self.may_have_left = True

    def calls(self) -> tuple[list[CallRecord], list[CallRecord], list[CallRecord]]:
        """Give the exchanges before the order (a token), its own, and those after."""
        made = self.line.calls
        operations = [call.operation for call in made]
        if self.claimed.operation not in operations:
            return made, [], []
        at = operations.index(self.claimed.operation)
        return made[:at], made[at : at + 1], made[at + 1 :]


class Attempts:
    """Opens attempts and brings each to its record."""

    def __init__(self, equipment: Equipment) -> None:
        """Work with the equipment of the house."""
        self._at = equipment

    async def make(
        self,
        refund: Refund,
        path: ConnectionPath,
        request: HttpRequest | None,
        route: tuple[RouteNote, ...] = (),
    ) -> Applied | ClaimLost:
        """Claim the refund, send its request, and record the outcome.

        With `request` None the stored one is sent again. `route` says why this
        connection was taken.
        """
        # Counted from before the claim: a slow commit shortens what is left.
        # And counted by one length throughout, whatever is configured meanwhile.
        lease_seconds = self._at.settings.lease_seconds
        lease_ends = self._at.clock.monotonic() + lease_seconds
        claimed = await self._claim(refund, path, request, route, lease_seconds)
        if isinstance(claimed, ClaimLost):
            return claimed
        self._at.ages.sent(claimed.refund)
        return await self._send(claimed, path, lease_ends, lease_seconds)

    async def _claim(
        self,
        refund: Refund,
        path: ConnectionPath,
        request: HttpRequest | None,
        route: tuple[RouteNote, ...],
        lease_seconds: int,
    ) -> Claimed | ClaimLost:
        now = self._at.clock.now()
        return await self._at.store.execute(
            ClaimRefund(
                at=now,
                about=refund,
                connection=path.id,
                request=to_store(request) if request is not None else None,
                lease_until=now + timedelta(seconds=lease_seconds),
                policy=self._at.policy(),
                route=route,
            )
        )

    async def _send(
        self,
        claimed: Claimed,
        path: ConnectionPath,
        lease_ends: float,
        lease_seconds: int,
    ) -> Applied:
        line = self._at.exchanges.line(path)
        order = _Order(
            line=line,
            claimed=from_store(claimed.request),
            timeout_seconds=min(path.timeout_seconds, lease_seconds / 2),
            lease_ends=lease_ends,
            clock=self._at.clock,
        )
        event = await self._outcome(claimed.refund, path, order)
        return await self._record(claimed.refund, event, order)

    async def _outcome(
        self, refund: Refund, path: ConnectionPath, order: _Order
    ) -> AttemptEvent:
        """Send, and classify what was observed: sent or not, answered or not."""
        instruction = instruction_of(refund, path)
        try:
            operation = path.gateway.refund(instruction, order.claimed)
            outcome = await drive(operation, order.send)
        except NoAnswerError as error:
            if order.may_have_left:
                return self._unanswered(refund, str(error))
            return self._not_executed(refund, str(error))
        except NeverSentError as error:
            if order.may_have_left:
                return self._unanswered(refund, f"after_order:{error}")
            return self._not_executed(refund, str(error))
        except Exception as error:  # noqa: BLE001 - the outcome must be recorded
            self._at.log.problem("attempt_broke", refund=refund.id, **trouble(error))
            if order.may_have_left:
                return self._unanswered(refund, "unreadable_answer")
            return self._not_executed(refund, "broken_before_send")
        if not order.was_asked_for:
            # The adapter judged without ordering: nothing of ours was executed.
            return self._not_executed(refund, "nothing_ordered")
        order.line.judge(outcome)
        self._at.lanes.obey(path, order.line.calls)
        return self._classified(refund, path, order, outcome)

    def _classified(
        self, refund: Refund, path: ConnectionPath, order: _Order, outcome: Outcome
    ) -> AttemptEvent:
        match outcome:
            case Heard(word=word, evidence=evidence):
                due_at = self._at.pace.first_poll(path.gateway.capabilities)
                return GatewayWord(word, evidence, due_at)
            case RefusedByGateway(code=code, may_be_echo=may_be_echo):
                order.short_of_funds = outcome.insufficient_funds
                return Refusal(
                    fence=refund.fence,
                    code=code,
                    may_be_echo=may_be_echo,
                    authoritative=path.gateway.capabilities.replay_is_authoritative,
                    due_at=self._at.pace.look_at(refund),
                )
            case Unsure(reason=reason, retry_after_seconds=wait, replayed=replayed):
                return self._unanswered(refund, reason, wait, key_stuck=replayed)
            case NotProcessed(reason=reason, retry_after_seconds=wait):
                return self._not_executed(refund, reason, wait)
            case Unauthorized(reason=reason, session_expired=expired):
                # A permission that is refused says nothing against the session.
                if expired and order.line.session_may_have_ended(outcome):
                    now = self._at.clock.now()
                    return NotExecuted(refund.fence, "session_expired", due_at=now)
                return self._not_executed(refund, reason)
            case _:
                assert_never(outcome)

    def _not_executed(
        self, refund: Refund, reason: str, at_least: float | None = None
    ) -> NotExecuted:
        due_at = self._at.pace.retry_at(refund, at_least)
        return NotExecuted(refund.fence, reason, due_at)

    def _unanswered(
        self,
        refund: Refund,
        reason: str,
        at_least: float | None = None,
        *,
        key_stuck: bool = False,
    ) -> Unanswered:
        due_at = self._at.pace.look_at(refund, at_least)
        return Unanswered(refund.fence, reason, due_at, key_stuck)

    async def _record(
        self, refund: Refund, event: AttemptEvent, order: _Order
    ) -> Applied:
        """Record what was observed in its order: the last word is the health's.

        The outcome is recorded even when what came before it cannot be.
        """
        before, own, after = order.calls()
        try:
            await self._at.exchanges.note(before)
        finally:
            applied = await self._at.store.execute(
                ApplyEvent(
                    self._at.clock.now(), refund.id, event, own[0] if own else None
                )
            )
        if applied.after.state not in IN_FLIGHT:
            self._at.ages.forget(refund.id)
        await self._at.exchanges.note(after)
        if order.short_of_funds:
            await self._warn_of_funds(refund)
        return applied

    async def _warn_of_funds(self, refund: Refund) -> None:
        await self._at.store.execute(
            RaiseAlarm(
                at=self._at.clock.now(),
                kind="insufficient_funds",
                severity="warning",
                subject=refund.account,
                detail={"currency": refund.currency},
            )
        )
