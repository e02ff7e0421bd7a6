"""Decisions of people and policy, before anything is sent.

Invariant: a decision that does not fit the refund's state is refused, never bent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from refundwatch.domain import events as ev
from refundwatch.domain.moving import Applied, demand, moved
from refundwatch.domain.refund import UNSENT, Booking, Refund, RefundState
from refundwatch.errors import StateConflict

if TYPE_CHECKING:
    from datetime import datetime

S = RefundState

Decision = (
    ev.Edited
    | ev.ApprovalsComplete
    | ev.ApprovalsInvalid
    | ev.Refused
    | ev.Expired
    | ev.Cancelled
    | ev.Held
    | ev.Released
)


def decide(refund: Refund, event: Decision, at: datetime) -> Applied:
    """Return what a decision does to the refund, or refuse it."""
    match event:
        case ev.Edited():
            demand(refund, "edit", S.AWAITING_APPROVAL, S.HELD)
            return _edit(refund, event)
        case ev.ApprovalsComplete():
            demand(refund, "approve", S.AWAITING_APPROVAL)
            after = replace(refund, state=S.QUEUED, due_at=at)
            return moved(refund, after, "refund:approved", S.QUEUED)
        case ev.ApprovalsInvalid():
            demand(refund, "ask approval for", S.QUEUED)
            after = _awaiting(refund, event.required_approvals, event)
            return moved(refund, after, "refund:approvals:void", S.AWAITING_APPROVAL)
        case ev.Refused():
            demand(refund, "refuse", S.AWAITING_APPROVAL)
            return _close(refund, "refund:refused", S.REFUSED, at)
        case ev.Expired():
            demand(refund, "expire", S.AWAITING_APPROVAL, S.HELD)
            return _close(refund, "refund:expired", S.EXPIRED, at)
        case ev.Cancelled():
            return _cancel(refund, at)
        case ev.Held():
            demand(refund, "hold", S.AWAITING_APPROVAL, S.QUEUED)
            after = replace(refund, state=S.HELD, hold_reason=event.reason, due_at=None)
            return moved(refund, after, "refund:held", S.HELD)
        case ev.Released():
            demand(refund, "release", S.HELD)
            return _release(refund, event, at)
        case _:
            assert_never(event)


def _edit(refund: Refund, event: ev.Edited) -> Applied:
    """An edit after a send would change what the stored key stands for."""
    if refund.attempts:
        raise StateConflict(refund.id, refund.state, "edit a refund once sent")
    after = replace(
        _awaiting(refund, event.required_approvals, event),
        revision=refund.revision + 1,
        amount_minor=event.amount_minor,
        reason_code=event.reason_code,
    )
    return moved(refund, after, "refund:edited", S.AWAITING_APPROVAL)


def _awaiting(
    refund: Refund, required: int, event: ev.Edited | ev.ApprovalsInvalid
) -> Refund:
    return replace(
        refund,
        state=S.AWAITING_APPROVAL,
        required_approvals=required,
        approvals_expire_at=event.approvals_expire_at,
        hold_reason=None,
        due_at=None,
    )


def _cancel(refund: Refund, at: datetime) -> Applied:
    demand(refund, "cancel", *UNSENT)
    if refund.ambiguous:
        raise StateConflict(
            refund.id, refund.state, "cancel a refund that may have been executed"
        )
    return _close(refund, "refund:cancelled", S.CANCELLED, at)


def _release(refund: Refund, event: ev.Released, at: datetime) -> Applied:
    if event.approvals_complete:
        after = replace(refund, state=S.QUEUED, hold_reason=None, due_at=at)
        return moved(refund, after, "refund:released", S.QUEUED)
    after = replace(
        refund,
        state=S.AWAITING_APPROVAL,
        hold_reason=None,
        approvals_expire_at=event.approvals_expire_at,
    )
    return moved(refund, after, "refund:released", S.AWAITING_APPROVAL)


def _close(refund: Refund, kind: str, state: RefundState, at: datetime) -> Applied:
    after = replace(
        refund,
        state=state,
        booking=Booking.FREE,
        hold_reason=None,
        final_at=at,
        due_at=None,
    )
    return moved(refund, after, kind, state)
