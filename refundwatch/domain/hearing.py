"""The gateway's word about a refund, whatever its source.

Invariant: a late, repeated or lower-ranking word never moves a refund back, and a fact
about money is booked even where it breaks what we believed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from refundwatch.domain.moving import (
    Applied,
    bounced,
    declined,
    ignored,
    in_review,
    moved,
    paid,
    to_sending,
)
from refundwatch.domain.refund import (
    FINAL,
    IN_FLIGHT,
    UNSENT,
    Booking,
    Evidence,
    Refund,
    RefundState,
    Word,
)
from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain import events as ev

S = RefundState

CONTRADICTION: Final = "refund:gateway:contradiction"
"""The audit kind of a word that speaks of something else than our row."""

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


def hear(refund: Refund, event: ev.GatewayWord, at: datetime) -> Applied:
    """Return what the gateway's word does to the refund."""
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
        return moved(refund, noted, kind)
    if refund.state in UNSENT:
        return _overtaken(refund, noted, event, at)
    steps = _steps(refund.state, event.word)
    if not steps:
        return _repeat(refund, noted, event.word, kind)
    return moved(refund, _walk(noted, steps, event, at), kind, *steps)


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
                refund = paid(refund, at)
            case S.SETTLED:
                refund = replace(refund, state=S.SETTLED)
            case S.DECLINED:
                refund = replace(
                    declined(refund, at), refused_code=event.evidence.failure_code
                )
            case S.REVERSED:
                refund = bounced(refund, at)
            case _:
                raise InvariantBroken(f"no gateway word leads to {step}")
    return refund


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
        return moved(refund, noted, kind)
    if noted.requires_action and not refund.requires_action:
        # The bank returned it and the customer must act: money may come back.
        after = replace(refund, requires_action=True)
        return replace(moved(refund, after, kind), alarm="refund_requires_action")
    if refund.gateway_reference is None and noted.gateway_reference is not None:
        after = replace(refund, gateway_reference=noted.gateway_reference)
        return moved(refund, after, kind)
    return ignored(refund, kind, "repeat_or_older")


def contradiction(refund: Refund, evidence: Evidence) -> str | None:
    """Name what the gateway echoes differently from our row, if anything.

    Where a gateway gives refunds no name but ours, ours says which one is meant,
    whatever people were shown for it.
    """
    amount_minor = refund.amount_minor
    theirs_is_ours = evidence.gateway_reference == refund.merchant_reference
    if refund.executed_minor is not None:
        amount_minor = refund.executed_minor
    pairs = (
        ("amount", evidence.amount_minor, amount_minor),
        ("currency", evidence.currency, refund.currency),
        ("payment", evidence.payment_reference, refund.payment_reference),
        ("reference", evidence.merchant_reference, refund.merchant_reference),
        (
            "gateway_reference",
            evidence.gateway_reference
            if refund.gateway_reference and not theirs_is_ours
            else None,
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
            return ignored(refund, kind, "repeat_or_older")
        after = replace(refund, last_status=difference)
        applied = moved(refund, after, kind)
    else:
        path = (*to_sending(refund.state), S.REVIEW)
        after = in_review(replace(refund, last_status=difference), difference)
        if event.evidence.gateway_reference and not refund.gateway_reference:
            after = replace(after, gateway_reference=event.evidence.gateway_reference)
        after = _sent_once(after, at)
        applied = moved(refund, after, kind, *path)
    return replace(applied, freeze=difference, alarm="refund_contradiction")


def _unseen(refund: Refund, event: ev.GatewayWord, kind: str, at: datetime) -> Applied:
    reason = f"unseen_status:{event.evidence.raw_status}"
    noted = _note(refund, event.evidence)
    unsent = refund.state in UNSENT
    # What stands as unsent but has a reference at the gateway must not be sent.
    nowhere = unsent and event.evidence.gateway_reference is None
    if nowhere or refund.state in FINAL or refund.state is S.REVIEW:
        if refund.last_status == event.evidence.raw_status:
            return ignored(refund, kind, "repeat_or_older")
        after = replace(refund, last_status=event.evidence.raw_status)
        return replace(moved(refund, after, kind), alarm="refund_unseen_status")
    after = in_review(_sent_once(noted, at) if unsent else noted, reason)
    path = (*to_sending(refund.state), S.REVIEW)
    return replace(moved(refund, after, kind, *path), alarm="refund_unseen_status")


def _too_late(refund: Refund, noted: Refund, word: Word, kind: str) -> Applied:
    """Book proof of execution after the end; the state stays, people are called."""
    overtaken = refund.state is S.DECLINED and refund.gateway_reference is not None
    if refund.state is S.REVERSED or (overtaken and word is Word.PENDING):
        # Its own failure came first: that it was once accepted is no news.
        return ignored(refund, kind, "repeat_or_older")
    where = {
        Word.PENDING: Booking.RESERVED,
        Word.SUCCEEDED: Booking.REFUNDED,
        Word.SETTLED: Booking.REFUNDED,
    }.get(word, Booking.FREE)
    if where is refund.booking or (
        where is Booking.RESERVED and refund.booking is Booking.REFUNDED
    ):
        return ignored(refund, kind, "repeat_or_older")
    applied = moved(refund, replace(noted, booking=where), kind)
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
        return moved(refund, after, kind, *to_sending(refund.state), *steps)
    if event.word is Word.FAILED:
        return ignored(refund, kind, "never_sent")
    reason = "executed_without_being_sent"
    after = _sent_once(in_review(noted, reason), at)
    return replace(
        moved(refund, after, kind, *to_sending(refund.state), S.REVIEW),
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
