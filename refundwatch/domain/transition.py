"""`apply`: the one function that moves a refund.

Invariant: `apply` returns a refund whose state was reached over rows of
`TRANSITIONS` only; a late, repeated or lower-ranking word never moves a refund back,
and a fact about money is booked even where it breaks what we believed.
A negative conclusion of our own counts only under the fence of the attempt it speaks
of; a word of the gateway counts whatever the fence says, because truth does not
expire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from refundwatch.domain import events as ev
from refundwatch.domain.refund import (
    FINAL,
    IN_FLIGHT,
    TRANSITIONS,
    UNSENT,
    Booking,
    Evidence,
    Refund,
    RefundState,
    Word,
)
from refundwatch.errors import InvariantBroken, StateConflict

if TYPE_CHECKING:
    from datetime import datetime

S = RefundState

CONTRADICTION: Final = "refund:gateway:contradiction"
"""The audit kind of a word that speaks of something else than our row."""


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
    return refund.amount_minor if refund.booking is side else 0


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
            return _decide(refund, event, at)
        case ev.Claimed():
            return _claim(refund, event, at)
        case ev.NotExecuted() | ev.Unanswered() | ev.Refusal():
            return _end_attempt(refund, event, at)
        case ev.ProcessDied():
            return _abandon(refund, event, at)
        case ev.GatewayWord():
            return _hear(refund, event, at)
        case (
            ev.LookedUpAbsent()
            | ev.ProvenAbsent()
            | ev.RefusalConfirmed()
            | ev.Unresolvable()
        ):
            return _look(refund, event, at)
        case ev.Resolved():
            return _resolve(refund, event, at)
        case _:
            assert_never(event)


# --- decisions of people and policy, before anything is sent ----------------------

_Decision = (
    ev.Edited
    | ev.ApprovalsComplete
    | ev.ApprovalsInvalid
    | ev.Refused
    | ev.Expired
    | ev.Cancelled
    | ev.Held
    | ev.Released
)


def _decide(refund: Refund, event: _Decision, at: datetime) -> Applied:
    match event:
        case ev.Edited():
            _demand(refund, "edit", S.AWAITING_APPROVAL, S.HELD)
            return _edit(refund, event)
        case ev.ApprovalsComplete():
            _demand(refund, "approve", S.AWAITING_APPROVAL)
            after = replace(refund, state=S.QUEUED, due_at=at)
            return _moved(refund, after, "refund:approved", S.QUEUED)
        case ev.ApprovalsInvalid():
            _demand(refund, "ask approval for", S.QUEUED)
            after = _awaiting(refund, event.required_approvals, event)
            return _moved(refund, after, "refund:approvals:void", S.AWAITING_APPROVAL)
        case ev.Refused():
            _demand(refund, "refuse", S.AWAITING_APPROVAL)
            return _close(refund, "refund:refused", S.REFUSED, at)
        case ev.Expired():
            _demand(refund, "expire", S.AWAITING_APPROVAL, S.HELD)
            return _close(refund, "refund:expired", S.EXPIRED, at)
        case ev.Cancelled():
            return _cancel(refund, at)
        case ev.Held():
            _demand(refund, "hold", S.AWAITING_APPROVAL, S.QUEUED)
            after = replace(refund, state=S.HELD, hold_reason=event.reason, due_at=None)
            return _moved(refund, after, "refund:held", S.HELD)
        case ev.Released():
            _demand(refund, "release", S.HELD)
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
    return _moved(refund, after, "refund:edited", S.AWAITING_APPROVAL)


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
    _demand(refund, "cancel", *UNSENT)
    if refund.ambiguous:
        raise StateConflict(
            refund.id, refund.state, "cancel a refund that may have been executed"
        )
    return _close(refund, "refund:cancelled", S.CANCELLED, at)


def _release(refund: Refund, event: ev.Released, at: datetime) -> Applied:
    if event.approvals_complete:
        after = replace(refund, state=S.QUEUED, hold_reason=None, due_at=at)
        return _moved(refund, after, "refund:released", S.QUEUED)
    after = replace(
        refund,
        state=S.AWAITING_APPROVAL,
        hold_reason=None,
        approvals_expire_at=event.approvals_expire_at,
    )
    return _moved(refund, after, "refund:released", S.AWAITING_APPROVAL)


def _close(refund: Refund, kind: str, state: RefundState, at: datetime) -> Applied:
    after = replace(
        refund,
        state=state,
        booking=Booking.FREE,
        hold_reason=None,
        final_at=at,
        due_at=None,
    )
    return _moved(refund, after, kind, state)


# --- one attempt ------------------------------------------------------------------


def _claim(refund: Refund, event: ev.Claimed, at: datetime) -> Applied:
    _demand(refund, "send", S.QUEUED, S.UNKNOWN)
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
    return _moved(refund, after, "refund:attempt:opened", S.SENDING)


def _end_attempt(
    refund: Refund, event: ev.NotExecuted | ev.Unanswered | ev.Refusal, at: datetime
) -> Applied:
    if refund.state is not S.SENDING or refund.fence != event.fence:
        return _ignored(refund, "refund:attempt:stale", "stale_fence")
    match event:
        case ev.NotExecuted():
            # A harmless attempt proves nothing about an earlier ambiguous one.
            state = S.UNKNOWN if refund.ambiguous else S.QUEUED
            first = refund.first_sent_at if refund.ambiguous else None
            after = replace(
                refund, state=state, first_sent_at=first, due_at=event.due_at
            )
            return _moved(refund, after, "refund:attempt:not_executed", state)
        case ev.Unanswered():
            stuck = refund.key_stuck or event.key_stuck
            after = replace(_doubtful(refund, at, event.due_at), key_stuck=stuck)
            return _moved(refund, after, "refund:attempt:unanswered", S.UNKNOWN)
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
        after = replace(_doubtful(after, at, event.due_at), negative_lookup_at=None)
        return _moved(refund, after, "refund:attempt:refused_in_doubt", S.UNKNOWN)
    return _moved(refund, _declined(after, at), "refund:attempt:declined", S.DECLINED)


def _doubtful(refund: Refund, at: datetime, due_at: datetime) -> Refund:
    return replace(
        refund,
        state=S.UNKNOWN,
        ambiguous=True,
        unknown_since=refund.unknown_since or at,
        due_at=due_at,
    )


def _declined(refund: Refund, at: datetime) -> Refund:
    return replace(
        refund,
        state=S.DECLINED,
        booking=Booking.FREE,
        requires_action=False,
        final_at=at,
        due_at=None,
    )


def _abandon(refund: Refund, event: ev.ProcessDied, at: datetime) -> Applied:
    if refund.state is not S.SENDING:
        return _ignored(refund, "refund:attempt:stale", "not_sending")
    after = _doubtful(refund, at, event.due_at)
    return _moved(refund, after, "refund:attempt:abandoned", S.UNKNOWN)


# --- look-ups and people ----------------------------------------------------------


def _look(
    refund: Refund,
    event: ev.LookedUpAbsent | ev.ProvenAbsent | ev.RefusalConfirmed | ev.Unresolvable,
    at: datetime,
) -> Applied:
    if refund.state is not S.UNKNOWN:
        return _ignored(refund, "refund:lookup:stale", "not_unknown")
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
            return _moved(refund, after, "refund:lookup:absent")
        case ev.ProvenAbsent():
            after = replace(
                refund,
                state=S.QUEUED,
                ambiguous=False,
                unknown_since=None,
                negative_lookup_at=None,
                due_at=event.due_at,
            )
            return _moved(refund, after, "refund:attempt:proven_absent", S.QUEUED)
        case ev.RefusalConfirmed():
            return _moved(
                refund,
                _declined(refund, at),
                "refund:attempt:declined",
                S.DECLINED,
            )
        case ev.Unresolvable():
            after = _in_review(refund, event.reason)
            return replace(
                _moved(refund, after, "refund:review:opened", S.REVIEW),
                alarm="refund_unresolvable",
            )
        case _:
            assert_never(event)


def _in_review(refund: Refund, reason: str) -> Refund:
    return replace(refund, state=S.REVIEW, review_reason=reason, due_at=None)


def _resolve(refund: Refund, event: ev.Resolved, at: datetime) -> Applied:
    _demand(refund, "resolve", S.REVIEW)
    base = replace(
        refund,
        review_reason=None,
        requires_action=False,
        gateway_reference=event.gateway_reference or refund.gateway_reference,
    )
    kind = "refund:resolved"
    match event.resolution:
        case ev.Resolution.SUCCEEDED:
            return _moved(refund, _paid(base, at), kind, S.SUCCEEDED)
        case ev.Resolution.DECLINED:
            return _moved(refund, _declined(base, at), kind, S.DECLINED)
        case ev.Resolution.REVERSED:
            return _moved(refund, _bounced(base, at), kind, S.REVERSED)
        case ev.Resolution.RESEND:
            return _moved(refund, _next_generation(base, event, at), kind, S.QUEUED)
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
        ambiguous=False,
        key_stuck=False,
        refused_code=None,
        refusal_may_be_echo=False,
        first_sent_at=None,
        unknown_since=None,
        negative_lookup_at=None,
        due_at=at,
    )


# --- the gateway's word -----------------------------------------------------------

_AFTER_SEND: Final[dict[Word, tuple[RefundState, ...]]] = {
    Word.PENDING: (S.PENDING,),
    Word.SUCCEEDED: (S.SUCCEEDED,),
    Word.SETTLED: (S.SUCCEEDED, S.SETTLED),
    Word.FAILED: (S.DECLINED,),
    Word.REVERSED: (S.SUCCEEDED, S.REVERSED),
}
_AFTER_SUCCESS: Final[dict[Word, tuple[RefundState, ...]]] = {
    Word.SETTLED: (S.SETTLED,),
    Word.FAILED: (S.REVERSED,),
    Word.REVERSED: (S.REVERSED,),
}


def _hear(refund: Refund, event: ev.GatewayWord, at: datetime) -> Applied:
    kind = f"refund:gateway:{event.word}"
    difference = contradiction(refund, event.evidence)
    if difference is not None:
        return _contradicted(refund, event, at, difference)
    if event.word is Word.UNSEEN:
        return _unseen(refund, event, kind, at)
    noted = _note(refund, event.evidence)
    if refund.state in FINAL:
        return _too_late(refund, noted, event.word, kind)
    if refund.state is S.REVIEW:
        return _moved(refund, noted, kind)
    if refund.state in UNSENT:
        return _overtaken(refund, noted, event, at)
    steps = _steps(refund.state, event.word)
    if not steps:
        return _repeat(refund, noted, event.word, kind)
    return _moved(refund, _walk(noted, steps, event, at), kind, *steps)


def _steps(state: RefundState, word: Word) -> tuple[RefundState, ...]:
    if state in IN_FLIGHT:
        return _AFTER_SEND[word]
    if state is S.PENDING:
        return () if word is Word.PENDING else _AFTER_SEND[word]
    if state is S.SUCCEEDED:
        return _AFTER_SUCCESS.get(word, ())
    return () if word is Word.SETTLED else _AFTER_SUCCESS.get(word, ())


def _walk(
    refund: Refund,
    steps: tuple[RefundState, ...],
    event: ev.GatewayWord,
    at: datetime,
) -> Refund:
    for step in steps:
        match step:
            case S.PENDING:
                refund = replace(
                    refund,
                    state=S.PENDING,
                    accepted_at=refund.accepted_at or at,
                    due_at=event.due_at,
                )
            case S.SUCCEEDED:
                refund = _paid(refund, at)
            case S.SETTLED:
                refund = replace(refund, state=S.SETTLED)
            case S.DECLINED:
                refund = replace(
                    _declined(refund, at), refused_code=event.evidence.failure_code
                )
            case S.REVERSED:
                refund = _bounced(refund, at)
            case _:
                raise InvariantBroken(f"no gateway word leads to {step}")
    return refund


def _paid(refund: Refund, at: datetime) -> Refund:
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


def _bounced(refund: Refund, at: datetime) -> Refund:
    return replace(
        refund,
        state=S.REVERSED,
        booking=Booking.FREE,
        final_at=refund.final_at or at,
        requires_action=False,
        due_at=None,
    )


def _note(refund: Refund, evidence: Evidence) -> Refund:
    return replace(
        refund,
        gateway_reference=refund.gateway_reference or evidence.gateway_reference,
        last_status=evidence.raw_status,
        requires_action=evidence.requires_action,
    )


def _repeat(refund: Refund, noted: Refund, word: Word, kind: str) -> Applied:
    """A repeat may still bring a reference or a flag that we did not have."""
    if word is Word.PENDING and refund.state is S.PENDING:
        return _moved(refund, noted, kind)
    if noted.requires_action and not refund.requires_action:
        # The bank returned it and the customer must act: money may come back.
        after = replace(refund, requires_action=True)
        return replace(_moved(refund, after, kind), alarm="refund_requires_action")
    if refund.gateway_reference is None and noted.gateway_reference is not None:
        after = replace(refund, gateway_reference=noted.gateway_reference)
        return _moved(refund, after, kind)
    return _ignored(refund, kind, "repeat_or_older")


def contradiction(refund: Refund, evidence: Evidence) -> str | None:
    """Name what the gateway echoes differently from our row, if anything."""
    pairs = (
        ("amount", evidence.amount_minor, refund.amount_minor),
        ("currency", evidence.currency, refund.currency),
        ("payment", evidence.payment_reference, refund.payment_reference),
        ("reference", evidence.merchant_reference, refund.merchant_reference),
        (
            "gateway_reference",
            evidence.gateway_reference if refund.gateway_reference else None,
            refund.gateway_reference,
        ),
    )
    for name, theirs, ours in pairs:
        if theirs is not None and theirs != ours:
            return f"{name}_mismatch"
    return None


def _contradicted(
    refund: Refund, event: ev.GatewayWord, at: datetime, difference: str
) -> Applied:
    kind = CONTRADICTION
    if refund.state in FINAL or refund.state is S.REVIEW:
        if refund.last_status == difference:
            return _ignored(refund, kind, "repeat_or_older")
        after = replace(refund, last_status=difference)
        applied = _moved(refund, after, kind)
    else:
        path = (*_to_sending(refund.state), S.REVIEW)
        after = _in_review(replace(refund, last_status=difference), difference)
        if event.evidence.gateway_reference and not refund.gateway_reference:
            after = replace(after, gateway_reference=event.evidence.gateway_reference)
        after = _sent_once(after, at)
        applied = _moved(refund, after, kind, *path)
    return replace(applied, freeze=difference, alarm="refund_contradiction")


def _unseen(refund: Refund, event: ev.GatewayWord, kind: str, at: datetime) -> Applied:
    reason = f"unseen_status:{event.evidence.raw_status}"
    noted = _note(refund, event.evidence)
    unsent = refund.state in UNSENT
    # What stands as unsent but has a reference at the gateway must not be sent.
    nowhere = unsent and event.evidence.gateway_reference is None
    if nowhere or refund.state in FINAL or refund.state is S.REVIEW:
        if refund.last_status == event.evidence.raw_status:
            return _ignored(refund, kind, "repeat_or_older")
        after = replace(refund, last_status=event.evidence.raw_status)
        return replace(_moved(refund, after, kind), alarm="refund_unseen_status")
    after = _in_review(_sent_once(noted, at) if unsent else noted, reason)
    path = (*_to_sending(refund.state), S.REVIEW)
    return replace(_moved(refund, after, kind, *path), alarm="refund_unseen_status")


def _too_late(refund: Refund, noted: Refund, word: Word, kind: str) -> Applied:
    """Book proof of execution after the end; the state stays, people are called."""
    overtaken = refund.state is S.DECLINED and refund.gateway_reference is not None
    if refund.state is S.REVERSED or (overtaken and word is Word.PENDING):
        # Its own failure came first: that it was once accepted is no news.
        return _ignored(refund, kind, "repeat_or_older")
    where = {
        Word.PENDING: Booking.RESERVED,
        Word.SUCCEEDED: Booking.REFUNDED,
        Word.SETTLED: Booking.REFUNDED,
    }.get(word, Booking.FREE)
    if where is refund.booking or (
        where is Booking.RESERVED and refund.booking is Booking.REFUNDED
    ):
        return _ignored(refund, kind, "repeat_or_older")
    applied = _moved(refund, replace(noted, booking=where), kind)
    if where is Booking.FREE:
        return applied
    return replace(
        applied, freeze="executed_after_end", alarm="refund_executed_after_end"
    )


def _overtaken(
    refund: Refund, noted: Refund, event: ev.GatewayWord, at: datetime
) -> Applied:
    """Hear of a refund that stands as unsent: never lose it, never trust it."""
    kind = f"refund:gateway:{event.word}"
    if refund.attempts:
        # The attempt that was thought harmless was executed after all.
        steps = _AFTER_SEND[event.word]
        after = _walk(replace(noted, hold_reason=None), steps, event, at)
        return _moved(refund, after, kind, *_to_sending(refund.state), *steps)
    if event.word is Word.FAILED:
        return _ignored(refund, kind, "never_sent")
    reason = "executed_without_being_sent"
    after = _sent_once(_in_review(noted, reason), at)
    return replace(
        _moved(refund, after, kind, *_to_sending(refund.state), S.REVIEW),
        freeze=reason,
        alarm="refund_executed_unsent",
    )


def _sent_once(refund: Refund, at: datetime) -> Refund:
    return replace(
        refund,
        hold_reason=None,
        first_sent_at=refund.first_sent_at or at,
        approvals_expire_at=None,
    )


def _to_sending(state: RefundState) -> tuple[RefundState, ...]:
    if state is S.QUEUED:
        return (S.SENDING,)
    return (S.QUEUED, S.SENDING) if state in UNSENT else ()


# --- the net under everything -----------------------------------------------------


def _demand(refund: Refund, action: str, *states: RefundState) -> None:
    if refund.state not in states:
        raise StateConflict(refund.id, refund.state, action)


def _ignored(refund: Refund, kind: str, why: str) -> Applied:
    return Applied(before=refund, after=refund, kind=kind, ignored=why)


def _moved(before: Refund, after: Refund, kind: str, *path: RefundState) -> Applied:
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
