"""The demo's verdict: what is wrong is named for what it is."""

from __future__ import annotations

import pytest

from refundwatch.demo.balance import compare
from refundwatch.demo.sandbox_admin import Execution
from tests.unit.commands.views import refund


def execution(*, bounced: bool) -> Execution:
    it = refund()
    return Execution(
        account=it.account,
        payment=it.payment_reference,
        refund_id="re_1",
        merchant_reference=it.merchant_reference,
        amount_minor=it.amount.minor,
        asked_minor=it.amount.minor,
        currency=it.amount.currency,
        executed=not bounced,
        ever_executed=True,
        source="api",
    )


@pytest.mark.parametrize(
    ("executions", "word"),
    [
        ([], "never executed"),
        ([execution(bounced=True)], "but its gateway took it back and nobody told us"),
    ],
)
def test_paid_refund_without_its_money_is_named(
    executions: list[Execution], word: str
) -> None:
    paid = refund(state="succeeded")
    found = compare([paid], executions)
    assert not found.balanced
    assert found.failures[0] == f"{paid.id} is succeeded, {word}"
    assert found.unpaid_claims == 1


def test_executed_refund_balances() -> None:
    found = compare([refund(state="succeeded")], [execution(bounced=False)])
    assert (found.balanced, found.executed, found.unpaid_claims) == (True, 1, 0)
