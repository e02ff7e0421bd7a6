"""The line that matters: what the gateways truly executed is what we say.

Invariant: every executed refund is accounted for by name, or the run fails naming it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.api.models import RefundView
    from refundwatch.demo.sandbox_admin import Execution

PAID: Final = frozenset({"succeeded", "settled"})
OPEN: Final = frozenset({"sending", "unknown", "pending", "review"})
NOT_APPROVED: Final = frozenset({"awaiting_approval", "refused", "expired"})
MOST_OPEN: Final = 0.01
LEAST_EXECUTED: Final = 0.95


@dataclass(slots=True)
class Balance:
    """What the comparison found; `failures` is empty when all is well."""

    refunds: int = 0
    executed: int = 0
    open_listed: list[str] = field(default_factory=list)
    wrong_amounts: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    approved: int = 0
    unpaid_claims: int = 0

    @property
    def balanced(self) -> bool:
        """Tell whether every execution is accounted for."""
        return not self.failures


def compare(refunds: Sequence[RefundView], executions: Sequence[Execution]) -> Balance:
    """Hold our books against the gateways' ledger, refund by refund and payment."""
    balance = Balance(refunds=len(refunds))
    ours = {refund.merchant_reference: refund for refund in refunds}
    by_reference: defaultdict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        if execution.ever_executed:
            by_reference[execution.merchant_reference].append(execution)
    for reference, found in by_reference.items():
        _judge(balance, ours.get(reference), found)
    executed = {
        reference
        for reference, found in by_reference.items()
        if any(one.executed for one in found)
    }
    for refund in refunds:
        if refund.state in PAID and refund.merchant_reference not in executed:
            balance.unpaid_claims += 1
            why = (
                "but its gateway took it back and nobody told us"
                if refund.merchant_reference in by_reference
                else "never executed"
            )
            balance.failures.append(f"{refund.id} is {refund.state}, {why}")
    _sum_payments(balance, refunds, executions)
    _thresholds(balance, refunds, executed)
    return balance


def _judge(balance: Balance, refund: RefundView | None, found: list[Execution]) -> None:
    name = found[0].merchant_reference or found[0].refund_id
    if len(found) > 1:
        balance.failures.append(f"{name} was executed {len(found)} times")
    standing = [one for one in found if one.executed]
    if not standing:
        return
    balance.executed += 1
    if refund is None:
        balance.failures.append(f"{name} was executed and is nobody's refund")
    elif refund.state in OPEN:
        balance.open_listed.append(f"{refund.id} {refund.state}")
        if standing[0].amount_minor != refund.amount.minor:
            balance.wrong_amounts.append(refund.id)
            if refund.state != "review":
                balance.failures.append(f"{refund.id}: wrong amount, not in review")
    elif refund.state not in PAID:
        balance.failures.append(f"{refund.id} is {refund.state}, but was executed")
    elif standing[0].amount_minor != refund.amount.minor:
        balance.failures.append(f"{refund.id}: another amount was executed")


def _sum_payments(
    balance: Balance, refunds: Sequence[RefundView], executions: Sequence[Execution]
) -> None:
    """Sum both sides by payment; what is listed open counts as it was executed."""
    theirs: defaultdict[tuple[str, str], int] = defaultdict(int)
    ours: defaultdict[tuple[str, str], int] = defaultdict(int)
    amounts = {
        one.merchant_reference: one.amount_minor for one in executions if one.executed
    }
    for one in executions:
        if one.executed:
            theirs[one.account, one.payment] += one.amount_minor
    for refund in refunds:
        key = (refund.account, refund.payment_reference)
        if refund.state in PAID:
            ours[key] += refund.amount.minor
        elif refund.state in OPEN:
            ours[key] += amounts.get(refund.merchant_reference, 0)
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs[key] != ours[key]:
            account, payment = key
            balance.failures.append(
                f"payment {payment} of {account}: {theirs[key]} executed, "
                f"{ours[key]} in our books"
            )


def _thresholds(
    balance: Balance, refunds: Sequence[RefundView], executed: set[str]
) -> None:
    left_open = sum(refund.state in OPEN for refund in refunds)
    if left_open > MOST_OPEN * len(refunds):
        balance.failures.append(f"{left_open} of {len(refunds)} refunds are still open")
    approved = [
        refund
        for refund in refunds
        if refund.state not in NOT_APPROVED
        and not (refund.state == "cancelled" and refund.first_sent_at is None)
    ]
    balance.approved = len(approved)
    done = sum(refund.merchant_reference in executed for refund in approved)
    if approved and done < LEAST_EXECUTED * len(approved):
        balance.failures.append(
            f"only {done} of {len(approved)} approved refunds were executed"
        )
