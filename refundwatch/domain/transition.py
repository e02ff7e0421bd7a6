"""`apply`: the one function that moves a refund.

Invariant: `apply` returns a refund whose state was reached over rows of
`TRANSITIONS` only; a late, repeated or lower-ranking word never moves a refund back,
and a fact about money is booked even where it breaks what we believed.
A negative conclusion of our own counts only under the fence of the attempt it speaks
of; a word of the gateway counts whatever the fence says, because truth does not
expire.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from refundwatch.domain import events as ev
from refundwatch.domain.deciding import decide
from refundwatch.domain.hearing import CONTRADICTION, contradiction, hear
from refundwatch.domain.moving import (
    Applied,
    Move,
    bounced,
    declined,
    demand,
    doubtful,
    ignored,
    in_review,
    moved,
    paid,
)
from refundwatch.domain.refund import Booking, Refund, RefundState
from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CONTRADICTION", "Applied", "Move", "apply", "contradiction"]

S = RefundState


def apply(refund: Refund, event: ev.RefundEvent, at: datetime) -> Applied:
    """Return what `event`, which became known at `at`, does to `refund`.

    Raises:
        StateConflict: a person's decision does not fit the refund's state.
        InvariantBroken: a move outside the table; a bug, never input.
    """
    match event:
        case (
            ev.Edited()
            | ev.ApprovalsComplete()
            | ev.ApprovalsInvalid()
            | ev.Refused()
            | ev.Expired()
            | ev.Cancelled()
            | ev.Held()
            | ev.Released()
        ):
            return decide(refund, event, at)
        case ev.Claimed():
            return _claim(refund, event, at)
        case ev.NotExecuted() | ev.Unanswered() | ev.Refusal():
            return _end_attempt(refund, event, at)
        case ev.ProcessDied():
            return _abandon(refund, event, at)
        case ev.GatewayWord():
            return hear(refund, event, at)
        case (
            ev.LookedUpAbsent()
            | ev.ProvenAbsent()
            | ev.RefusalConfirmed()
            | ev.Unresolvable()
        ):
            return _look(refund, event, at)
        case ev.Resolved():
            return _resolve(refund, event, at)
        case ev.ReferenceLost():
            demand(refund, "take the reference of", S.REVIEW)
            after = replace(refund, gateway_reference=None)
            return moved(refund, after, "refund:reference:lost")
        case _:
            assert_never(event)


# --- one attempt ------------------------------------------------------------------


def _claim(refund: Refund, event: ev.Claimed, at: datetime) -> Applied:
    demand(refund, "send", S.QUEUED, S.UNKNOWN)
    if refund.booking is not Booking.RESERVED:
        raise InvariantBroken(f"{refund.id} is claimed without its reservation")
    after = replace(
        refund,
        state=S.SENDING,
        connection=event.connection,
        fence=refund.fence + 1,
        attempts=refund.attempts + 1,
        first_sent_at=refund.first_sent_at or at,
        last_sent_at=at,
        due_at=None,
        negative_lookup_at=None,
    )
    return moved(refund, after, "refund:attempt:opened", S.SENDING)


def _end_attempt(
    refund: Refund, event: ev.NotExecuted | ev.Unanswered | ev.Refusal, at: datetime
) -> Applied:
    if refund.state is not S.SENDING or refund.fence != event.fence:
        return ignored(refund, "refund:attempt:stale", "stale_fence")
    match event:
        case ev.NotExecuted():
            # A harmless attempt proves nothing about an earlier ambiguous one.
            state = S.UNKNOWN if refund.ambiguous else S.QUEUED
            first = refund.first_sent_at if refund.ambiguous else None
            after = replace(
                refund, state=state, first_sent_at=first, due_at=event.due_at
            )
            return moved(refund, after, "refund:attempt:not_executed", state)
        case ev.Unanswered():
            stuck = refund.key_stuck or event.key_stuck
            after = replace(doubtful(refund, at, event.due_at), key_stuck=stuck)
            return moved(refund, after, "refund:attempt:unanswered", S.UNKNOWN)
        case ev.Refusal():
            return _refused_by_gateway(refund, event, at)
        case _:
            assert_never(event)


def _refused_by_gateway(refund: Refund, event: ev.Refusal, at: datetime) -> Applied:
    """After an ambiguous attempt a refusal can be the echo of our own success.

    So it can after an earlier generation, which people took for not executed.
    """
    doubt = refund.ambiguous and (event.may_be_echo or not event.authoritative)
    doubt = doubt or (refund.generation > 0 and event.may_be_echo)
    after = replace(
        refund,
        refused_code=event.code,
        refusal_may_be_echo=event.may_be_echo,
        last_status=event.code,
    )
    if doubt:
        after = replace(doubtful(after, at, event.due_at), negative_lookup_at=None)
        return moved(refund, after, "refund:attempt:refused_in_doubt", S.UNKNOWN)
    return moved(refund, declined(after, at), "refund:attempt:declined", S.DECLINED)


def _abandon(refund: Refund, event: ev.ProcessDied, at: datetime) -> Applied:
    if refund.state is not S.SENDING:
        return ignored(refund, "refund:attempt:stale", "not_sending")
    after = doubtful(refund, at, event.due_at)
    return moved(refund, after, "refund:attempt:abandoned", S.UNKNOWN)


# --- look-ups and people ----------------------------------------------------------


def _look(
    refund: Refund,
    event: ev.LookedUpAbsent | ev.ProvenAbsent | ev.RefusalConfirmed | ev.Unresolvable,
    at: datetime,
) -> Applied:
    if refund.state is not S.UNKNOWN:
        return ignored(refund, "refund:lookup:stale", "not_unknown")
    match event:
        case ev.LookedUpAbsent():
            earlier = refund.negative_lookup_at
            if earlier is not None and earlier > at:
                # Stamped by a clock that was ahead: it is no look of the past.
                earlier = None
            after = replace(
                refund,
                lookups=refund.lookups + 1,
                negative_lookup_at=earlier or (at if event.counts else None),
                due_at=event.due_at,
            )
            return moved(refund, after, "refund:lookup:absent")
        case ev.ProvenAbsent():
            after = replace(
                refund,
                state=S.QUEUED,
                ambiguous=False,
                unknown_since=None,
                negative_lookup_at=None,
                due_at=event.due_at,
            )
            return moved(refund, after, "refund:attempt:proven_absent", S.QUEUED)
        case ev.RefusalConfirmed():
            return moved(
                refund,
                declined(refund, at),
                "refund:attempt:declined",
                S.DECLINED,
            )
        case ev.Unresolvable():
            after = in_review(refund, event.reason)
            return replace(
                moved(refund, after, "refund:review:opened", S.REVIEW),
                alarm="refund_unresolvable",
            )
        case _:
            assert_never(event)


def _resolve(refund: Refund, event: ev.Resolved, at: datetime) -> Applied:
    demand(refund, "resolve", S.REVIEW)
    base = replace(
        refund,
        review_reason=None,
        requires_action=False,
        gateway_reference=event.gateway_reference or refund.gateway_reference,
    )
    kind = "refund:resolved"
    match event.resolution:
        case ev.Resolution.SUCCEEDED:
            other = event.executed_minor not in (None, refund.amount_minor)
            executed = event.executed_minor if other else None
            after = replace(paid(base, at), executed_minor=executed)
            return moved(refund, after, kind, S.SUCCEEDED)
        case ev.Resolution.DECLINED:
            return moved(refund, declined(base, at), kind, S.DECLINED)
        case ev.Resolution.REVERSED:
            return moved(refund, bounced(base, at), kind, S.REVERSED)
        case ev.Resolution.RESEND:
            return moved(refund, _next_generation(base, event, at), kind, S.QUEUED)
        case _:
            assert_never(event.resolution)


def _next_generation(refund: Refund, event: ev.Resolved, at: datetime) -> Refund:
    """Only two people's "proven not executed" may give a refund another key."""
    if event.next_idempotency_key is None or event.next_merchant_reference is None:
        raise InvariantBroken(f"{refund.id} is resent without its next key")
    return replace(
        refund,
        state=S.QUEUED,
        booking=Booking.RESERVED,
        generation=refund.generation + 1,
        idempotency_key=event.next_idempotency_key,
        merchant_reference=event.next_merchant_reference,
        gateway_reference=None,
        executed_minor=None,
        ambiguous=False,
        key_stuck=False,
        refused_code=None,
        refusal_may_be_echo=False,
        first_sent_at=None,
        unknown_since=None,
        negative_lookup_at=None,
        due_at=at,
    )
