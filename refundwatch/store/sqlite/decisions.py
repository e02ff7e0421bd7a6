"""What people decide about a refund: recorded as a statement, then acted on.

Invariant: a decision is stored as the bytes of its statement in the unit that acts on
it; it speaks of exactly the revision and content that the person was shown; nobody
approves what they created or edited, and one person is never two.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.events import Resolution
from refundwatch.domain.intake import approvals_for, check_amount
from refundwatch.domain.policy import (
    SYSTEM,
    Denial,
    Permission,
    may,
    may_approve,
    may_resolve,
)
from refundwatch.domain.refund import Refund, RefundState
from refundwatch.domain.transition import Applied, apply
from refundwatch.errors import (
    RefundUnknown,
    StaleRevision,
    StateConflict,
    TextInvalid,
)
from refundwatch.store.contract import AuditNote, Decided, DecideRefund
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.approvals import (
    approvals_missing,
    approvals_needed,
    approvers,
    creators_and_editors,
)
from refundwatch.store.sqlite.denial import NotedStale, denied
from refundwatch.store.sqlite.proving import flaw
from refundwatch.store.sqlite.registry import unit
from refundwatch.store.sqlite.resolutions import resolve, same_word
from refundwatch.store.sqlite.statements import Case, content_sha256, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from refundwatch.domain.canonical import JsonValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "decisions")
S = RefundState

_PERMISSIONS: Final = {
    Verdict.REFUSE: Permission.REFUND_REFUSE,
    Verdict.EDIT: Permission.REFUND_EDIT,
    Verdict.CANCEL: Permission.REFUND_CANCEL,
    Verdict.HOLD: Permission.REFUND_HOLD,
    Verdict.RELEASE: Permission.REFUND_RELEASE,
}


@unit(DecideRefund)
def _decide_refund(tx: Transaction, command: DecideRefund) -> Decided:
    case = _open_case(tx, command)
    denial = _denial(tx, case)
    if denial is not None:
        raise denied(
            denial,
            command.at,
            command.principal.id,
            case.refund.id,
            command.decision,
            data={"revision": command.revision},
        )
    _must_be_shown(case)
    _must_be_proven(tx, case)
    return _ACTS[command.decision](tx, case)


def _open_case(tx: Transaction, command: DecideRefund) -> Case:
    command = replace(command, principal=tx.as_it_is_now(command.principal))
    refund = tx.load_refund(command.refund_id)
    context = tx.one(_SQL["context"], (refund.id,))
    if context is None:
        raise RefundUnknown(f"There is no refund {refund.id}.")
    return Case(command, refund, context["gateway"], context["reviews"])


def _denial(tx: Transaction, case: Case) -> Denial | None:
    principal = case.command.principal
    match case.command.decision:
        case Verdict.APPROVE:
            return may_approve(
                principal,
                creators_and_editors(tx, case.refund.id),
                approvers(tx, case.refund),
            )
        case Verdict.RESOLVE:
            return may_resolve(principal, same_word(tx, case))
        case verdict:
            return may(principal, _PERMISSIONS[verdict]) or _only_own(tx, case)


def _only_own(tx: Transaction, case: Case) -> Denial | None:
    """Let a machine change and withdraw what it asked for itself, and nothing else."""
    principal = case.command.principal
    if principal.is_person or tx.roster is None:
        return None
    if case.command.decision not in {Verdict.EDIT, Verdict.CANCEL}:
        return Denial("people_only", "Only a person may decide this.")
    if principal.id not in creators_and_editors(tx, case.refund.id):
        return Denial("not_own", "A machine changes only what it requested itself.")
    return None


_PAYS: Final = frozenset({Verdict.APPROVE, Verdict.EDIT, Verdict.RELEASE})
"""What brings a refund nearer to being sent; a resend by two people does too."""


def _must_be_proven(tx: Transaction, case: Case) -> None:
    """Refuse to bring nearer to its send what the daemon did not write itself."""
    command = case.command
    pays = command.decision in _PAYS or command.resolution is Resolution.RESEND
    broken = flaw(tx, case.refund) if pays else None
    if broken is not None:
        sentence = (
            "The row of this refund was changed by somebody else than the daemon "
            f"({broken}): it can be ended, never sent."
        )
        raise denied(
            Denial("row_unproven", sentence),
            command.at,
            case.actor,
            case.refund.id,
            command.decision,
            data={"changed": broken},
        )


def _must_be_shown(case: Case) -> None:
    """Refuse a decision about other content than the row now has."""
    command, refund = case.command, case.refund
    if not command.reason_code:
        raise TextInvalid("A decision has a reason code.", field="reason_code")
    if command.decision is Verdict.APPROVE and command.request_sha256 is None:
        raise TextInvalid(
            "An approval names the content it is about.", field="request_sha256"
        )
    shown = command.request_sha256 in {None, content_sha256(refund)}
    if command.revision != refund.revision or not shown:
        sentence = (
            f"Refund {refund.id} has revision {refund.revision} now; what was shown "
            f"was revision {command.revision} or other content."
        )
        if command.decision is not Verdict.APPROVE:
            raise StaleRevision(sentence, field="revision")
        # A yes to other content may be a race, and may be an attempt: it is kept.
        raise NotedStale(
            sentence,
            AuditNote(
                at=command.at,
                kind="refund:decision:denied",
                actor=case.actor,
                data={
                    "action": command.decision.value,
                    "reason": "stale_revision",
                    "revision": command.revision,
                },
                refund_id=refund.id,
            ),
        )


# --- what each decision does ------------------------------------------------------


def _approve(tx: Transaction, case: Case) -> Decided:
    command, refund = case.command, case.refund
    if refund.state is not S.AWAITING_APPROVAL:
        raise StateConflict(refund.id, refund.state, "approve")
    recorded = record(tx, case)
    needed = approvals_needed(tx, refund, command.policy)
    missing = max(needed - len(approvers(tx, refund)), 0)
    data = {**recorded, "missing": missing}
    if missing:
        return _wait_for_more(tx, case, needed, data)
    applied = apply(refund, ev.ApprovalsComplete(), command.at)
    tx.save_applied(applied, command.at, case.actor, data)
    return Decided(applied.after, 0)


def _wait_for_more(
    tx: Transaction, case: Case, needed: int, data: Mapping[str, JsonValue]
) -> Decided:
    """Keep an approval that is not the last one; the policy may now ask for more."""
    command, refund = case.command, case.refund
    kind = "refund:approval:given"
    after = replace(refund, required_approvals=needed)
    applied = Applied(refund, after, kind)
    if applied.changed:
        tx.save_applied(applied, command.at, case.actor, data)
    else:
        tx.append_to_refund(command.at, kind, case.actor, refund.id, data)
    return Decided(after, approvals_missing(tx, after, command.policy))


def _refuse(tx: Transaction, case: Case) -> Decided:
    return _move(tx, case, ev.Refused(case.command.reason_code))


def _cancel(tx: Transaction, case: Case) -> Decided:
    if case.command.at_gateway:
        return _ask_to_cancel(tx, case)
    return _move(tx, case, ev.Cancelled())


def _ask_to_cancel(tx: Transaction, case: Case) -> Decided:
    """Record that somebody asks; the refund ends by its gateway's word alone."""
    refund, at = case.refund, case.command.at
    if refund.state is not S.PENDING:
        raise StateConflict(refund.id, refund.state, "be cancelled at its gateway")
    kind = "refund:cancel:asked"
    tx.append_to_refund(at, kind, case.actor, refund.id, record(tx, case))
    return Decided(refund, 0)


def _hold(tx: Transaction, case: Case) -> Decided:
    return _move(tx, case, ev.Held(case.command.reason_code))


def _release(tx: Transaction, case: Case) -> Decided:
    command, refund = case.command, case.refund
    needed = approvals_needed(tx, refund, command.policy)
    complete = len(approvers(tx, refund)) >= needed
    asked = replace(refund, required_approvals=needed)
    event = ev.Released(complete, None if complete else _expiry(command))
    applied = replace(apply(asked, event, command.at), before=refund)
    return _save(tx, case, applied)


def _move(tx: Transaction, case: Case, event: ev.RefundEvent) -> Decided:
    return _save(tx, case, apply(case.refund, event, case.command.at))


def _save(tx: Transaction, case: Case, applied: Applied) -> Decided:
    data = record(tx, case)
    tx.save_applied(applied, case.command.at, case.actor, data)
    return _decided(tx, case, applied.after)


def _decided(tx: Transaction, case: Case, refund: Refund) -> Decided:
    waiting = refund.state is S.AWAITING_APPROVAL
    policy = case.command.policy
    return Decided(refund, approvals_missing(tx, refund, policy) if waiting else 0)


def _edit(tx: Transaction, case: Case) -> Decided:
    """Change the request: the reservation follows under its guard, approvals fall."""
    command, refund = case.command, case.refund
    amount = refund.amount_minor
    if command.amount_minor is not None:
        amount = command.amount_minor
    reason = command.refund_reason_code or refund.reason_code
    # The state is asked first: a refund that may not be edited has no amount to check.
    apply(refund, _edited(case, refund.amount_minor, reason, 1), command.at)
    payment = tx.load_balance(refund.payment_id)
    check_amount(payment, amount, refund.currency, own_minor=refund.amount_minor)
    needed = approvals_for(
        payment, amount, command.policy.bands, own_minor=refund.amount_minor
    )
    if refund.state is S.HELD:
        # An edit lifts the hold, so somebody else must have looked at it.
        needed = max(needed, 1)
    applied = apply(refund, _edited(case, amount, reason, needed), command.at)
    data = record(tx, case, amount_minor=amount)
    tx.save_applied(applied, command.at, case.actor, data, guarded=True)
    if needed:
        return _decided(tx, case, applied.after)
    approved = apply(applied.after, ev.ApprovalsComplete(), command.at)
    tx.save_applied(approved, command.at, SYSTEM.id, {"missing": 0})
    return Decided(approved.after, 0)


def _edited(case: Case, amount_minor: int, reason_code: str, needed: int) -> ev.Edited:
    return ev.Edited(amount_minor, reason_code, needed, _expiry(case.command))


def _expiry(command: DecideRefund) -> datetime:
    return command.at + timedelta(seconds=command.policy.approvals_expiry_seconds)


_ACTS: Final[Mapping[Verdict, Callable[[Transaction, Case], Decided]]] = {
    Verdict.APPROVE: _approve,
    Verdict.REFUSE: _refuse,
    Verdict.EDIT: _edit,
    Verdict.CANCEL: _cancel,
    Verdict.HOLD: _hold,
    Verdict.RELEASE: _release,
    Verdict.RESOLVE: resolve,
}
