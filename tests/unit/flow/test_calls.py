from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.flow.calls import understood
from refundwatch.gateways.contract import LookupFailed, NotShown, PaymentUnreadable
from refundwatch.store.contract import CallRecord
from tests.unit.gateways.driving import NOW

if TYPE_CHECKING:
    from refundwatch.gateways.contract import PaymentRead

CALL = CallRecord(
    connection="a/main",
    operation="read_payment",
    started_at=NOW,
    duration_ms=1,
    outcome="ok",
    sent=True,
    status=200,
)


@pytest.mark.parametrize(
    ("outcome", "result", "expected"),
    [
        ("ok", PaymentUnreadable("E00040", missing=True), "refused"),
        ("refused", PaymentUnreadable("http_404", missing=True), "refused"),
        ("server_error", PaymentUnreadable("http_500", missing=True), "server_error"),
        ("ok", PaymentUnreadable("no_amount"), "malformed"),
        ("ok", PaymentUnreadable("key", unauthorized=True), "unauthorized"),
    ],
)
def test_payment_that_a_gateway_does_not_know_says_nothing_against_it(
    outcome: str, result: PaymentRead | PaymentUnreadable, expected: str
) -> None:
    judged = understood(replace(CALL, outcome=outcome), result)
    assert judged.outcome == expected
    assert judged.error is not None


@pytest.mark.parametrize(
    "result",
    [PaymentUnreadable("captured_not_told", untold_in="GBP"), NotShown()],
)
def test_a_whole_answer_that_tells_less_says_nothing_against_a_gateway(
    result: PaymentUnreadable | NotShown,
) -> None:
    assert understood(CALL, result) == CALL


@pytest.mark.parametrize(
    ("outcome", "result", "expected"),
    [
        ("ok", LookupFailed("E00040", unknown_there=True), "refused"),
        ("refused", LookupFailed("http_404", unknown_there=True), "refused"),
        ("server_error", LookupFailed("http_500", unknown_there=True), "server_error"),
        ("ok", LookupFailed("no_transaction"), "malformed"),
    ],
)
def test_refund_that_a_gateway_does_not_show_yet_says_nothing_against_it(
    outcome: str, result: LookupFailed, expected: str
) -> None:
    judged = understood(replace(CALL, outcome=outcome), result)
    assert judged.outcome == expected
