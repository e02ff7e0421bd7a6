"""How many approvals a refund needs, and which persons gave theirs.

Invariant: only approvals of the current revision count, one a person, and never that
of somebody who created or edited any revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.policy import required_approvals
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract import Policy
    from refundwatch.store.rows import SqlValue
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "decisions")


def creators_and_editors(tx: Transaction, refund_id: str) -> frozenset[str]:
    """Name whoever created or edited any revision."""
    context = tx.one(_SQL["context"], (refund_id,))
    creator = [context["created_by"]] if context is not None else []
    editors = (row["actor"] for row in tx.every(_SQL["editors"], (refund_id,)))
    return frozenset((*creator, *editors))


def approvers(tx: Transaction, refund: Refund) -> frozenset[str]:
    """Name the persons whose approval of the current revision counts."""
    rows = tx.every(_SQL["approvers"], (refund.id, refund.revision))
    return frozenset(row["actor"] for row in rows) - creators_and_editors(tx, refund.id)


def approvals_needed(tx: Transaction, refund: Refund, policy: Policy) -> int:
    """Say how many approvals the refund needs under `policy`, never fewer than before.

    What earlier refunds of the payment hold counts, so that splitting avoids no band;
    what came later does not, so that nobody can void an approval by asking for more.
    """
    values: dict[str, SqlValue] = {
        "payment": refund.payment_id,
        "refund": refund.id,
        "at": micros(refund.created_at),
    }
    row = tx.one(_SQL["earlier_sum"], values)
    standing = 0
    if row is not None:
        standing = row["amount_minor"] + (row["external_minor"] or 0)
    needed = required_approvals(
        policy.bands, refund.currency, standing + refund.amount_minor
    )
    return max(needed, refund.required_approvals)


def approvals_missing(tx: Transaction, refund: Refund, policy: Policy) -> int:
    """Say how many approvals are still missing."""
    needed = approvals_needed(tx, refund, policy)
    return max(needed - len(approvers(tx, refund)), 0) if needed else 0
