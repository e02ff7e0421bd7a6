"""What every kind of move is made of.

Invariant: `moved` lets a refund walk along rows of `TRANSITIONS` only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from refundwatch.domain.refund import (
    TRANSITIONS,
    UNSENT,
    Booking,
    Refund,
    RefundState,
)
from refundwatch.errors import InvariantBroken, StateConflict

if TYPE_CHECKING:
    from datetime import datetime

S = RefundState


@dataclass(frozen=True, slots=True)
class Move:
    """One step along a row of `TRANSITIONS`."""

    before: RefundState
    after: RefundState


@dataclass(frozen=True, slots=True)
class Applied:
    """What an event did; `kind` is the audit kind of what happened.

    `changed` is False for a repeat, an older word or a stale fence: then nothing is
    stored, and `ignored` says why. `freeze` and `alarm` are reason codes for the
    payment and the operator.
    """

    before: Refund
    after: Refund
    kind: str
    moves: tuple[Move, ...] = ()
    freeze: str | None = None
    alarm: str | None = None
    ignored: str | None = None

    @property
    def changed(self) -> bool:
        """Tell whether there is anything to store."""
        return self.before != self.after or bool(self.moves)

    @property
    def reserved_delta_minor(self) -> int:
        """Give the change of the payment's reserved amount, in minor units."""
        return _standing(self.after, Booking.RESERVED) - _standing(
            self.before, Booking.RESERVED
        )

    @property
    def refunded_delta_minor(self) -> int:
        """Give the change of the payment's refunded amount, in minor units."""
        return _standing(self.after, Booking.REFUNDED) - _standing(
            self.before, Booking.REFUNDED
        )


def _standing(refund: Refund, side: Booking) -> int:
    if refund.booking is not side:
        return 0
    if side is Booking.REFUNDED and refund.executed_minor is not None:
        return refund.executed_minor
    return refund.amount_minor


def doubtful(refund: Refund, at: datetime, due_at: datetime) -> Refund:
    """Mark an attempt that may or may not have been executed."""
    return replace(
        refund,
        state=S.UNKNOWN,
        ambiguous=True,
        unknown_since=refund.unknown_since or at,
        due_at=due_at,
    )


def declined(refund: Refund, at: datetime) -> Refund:
    """End the refund as certainly not executed; the amount is free again."""
    return replace(
        refund,
        state=S.DECLINED,
        booking=Booking.FREE,
        requires_action=False,
        final_at=at,
        due_at=None,
    )


def in_review(refund: Refund, reason: str) -> Refund:
    """Hand the refund to people; its amount stays where it stands."""
    return replace(refund, state=S.REVIEW, review_reason=reason, due_at=None)


def paid(refund: Refund, at: datetime) -> Refund:
    """Book the amount as refunded."""
    return replace(
        refund,
        state=S.SUCCEEDED,
        booking=Booking.REFUNDED,
        accepted_at=refund.accepted_at or at,
        succeeded_at=refund.succeeded_at or at,
        final_at=refund.final_at or at,
        requires_action=False,
        due_at=None,
    )


def bounced(refund: Refund, at: datetime) -> Refund:
    """End the refund whose money came back."""
    return replace(
        refund,
        state=S.REVERSED,
        booking=Booking.FREE,
        final_at=refund.final_at or at,
        requires_action=False,
        due_at=None,
    )


def to_sending(state: RefundState) -> tuple[RefundState, ...]:
    """Give the rows that lead from an unsent state to `sending`."""
    if state is S.QUEUED:
        return (S.SENDING,)
    return (S.QUEUED, S.SENDING) if state in UNSENT else ()


def demand(refund: Refund, action: str, *states: RefundState) -> None:
    """Refuse an action that does not fit the state.

    Raises:
        StateConflict: the refund stands elsewhere.
    """
    if refund.state not in states:
        raise StateConflict(refund.id, refund.state, action)


def ignored(refund: Refund, kind: str, why: str) -> Applied:
    """Change nothing, and say why."""
    return Applied(before=refund, after=refund, kind=kind, ignored=why)


def moved(before: Refund, after: Refund, kind: str, *path: RefundState) -> Applied:
    """Walk the path and give what came of it.

    Raises:
        InvariantBroken: a step is no row of the table.
    """
    state = before.state
    moves = []
    for step in path:
        if step not in TRANSITIONS[state]:
            raise InvariantBroken(f"{before.id}: {state} may not become {step}")
        moves.append(Move(state, step))
        state = step
    if state is not after.state:
        raise InvariantBroken(f"{before.id}: the path ends in {state}")
    ignored = None if moves or before != after else "repeat_or_older"
    return Applied(before, after, kind, tuple(moves), ignored=ignored)
