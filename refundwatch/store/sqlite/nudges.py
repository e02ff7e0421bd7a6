"""What moves a refund besides a decision about its content.

Invariant: approvals that came in time never expire, and only a refund that was not
sent is held; looking again changes nothing but the time of the look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refundwatch.domain import events as ev
from refundwatch.domain.policy import SYSTEM, Permission, may
from refundwatch.domain.refund import RefundState
from refundwatch.domain.transition import Applied, apply
from refundwatch.errors import StateConflict
from refundwatch.store.contract import ExpireApprovals, HoldUnsent, LookUpNow
from refundwatch.store.rows import micros, refund_from_row
from refundwatch.store.sql import named_queries
from refundwatch.store.sqlite.approvals import approvers
from refundwatch.store.sqlite.denial import denied
from refundwatch.store.sqlite.registry import unit

if TYPE_CHECKING:
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "decisions")
S = RefundState


@unit(ExpireApprovals)
def _expire(tx: Transaction, command: ExpireApprovals) -> tuple[str, ...]:
    expired = []
    for row in tx.every(_SQL["expiring"], (micros(command.at),)):
        refund = refund_from_row(row)
        complete = len(approvers(tx, refund)) >= refund.required_approvals
        if refund.state is S.HELD and complete:
            # It was approved in time; what it waits for is somebody's release.
            continue
        applied = apply(refund, ev.Expired(), command.at)
        tx.save_applied(applied, command.at, SYSTEM.id)
        expired.append(refund.id)
    return tuple(expired)


@unit(LookUpNow)
def _look_up_now(tx: Transaction, command: LookUpNow) -> None:
    principal, refund = command.principal, tx.load_refund(command.refund_id)
    denial = may(principal, Permission.REFUND_LOOKUP)
    if denial is not None:
        raise denied(denial, command.at, principal.id, refund.id, "lookup")
    if refund.state not in {S.UNKNOWN, S.PENDING}:
        raise StateConflict(refund.id, refund.state, "look up")
    kind = "refund:lookup:requested"
    applied = Applied(refund, replace(refund, due_at=command.at), kind)
    if applied.changed:
        tx.save_applied(applied, command.at, principal.id)
    else:
        tx.append_to_refund(command.at, kind, principal.id, refund.id, {})
        tx.touch("lookup", "poll")


@unit(HoldUnsent)
def _hold_unsent(tx: Transaction, command: HoldUnsent) -> None:
    refund = tx.load_refund(command.refund_id)
    if refund.state is not S.QUEUED:
        return
    applied = apply(refund, ev.Held(command.reason), command.at)
    if command.alarm is not None:
        applied = replace(applied, alarm=command.alarm)
    tx.save_applied(applied, command.at, SYSTEM.id)
