"""What a refund request becomes, and what refuses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.intake import (
    IntakeRules,
    PaymentBalance,
    RefundRequest,
    approvals_for,
    check_amount,
    payment_id,
    plan_refund,
)
from refundwatch.domain.policy import Band
from refundwatch.domain.refund import RefundState
from refundwatch.errors import (
    AmountExceedsRefundable,
    AmountInvalid,
    CurrencyMismatch,
    ExpectedRemainingMismatch,
    PaymentFrozen,
    RefundwatchError,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PAYMENT = PaymentBalance(
    "pay_1", "stripe-uk", "pi_1", "GBP", 10_000, 2_000, 1_000, None
)
BANDS = (Band("GBP", 5_000, 9_000),)
RULES = IntakeRules("shop.example", BANDS, 3600)
REQUEST = RefundRequest("r-1", 1_000, "GBP", "returned")


def test_small_request_is_queued_at_once_and_due() -> None:
    refund = plan_refund(REQUEST, PAYMENT, RULES, NOW)

    assert refund.state is RefundState.QUEUED
    assert refund.due_at == NOW
    assert refund.required_approvals == 0


def test_sum_of_the_payments_refunds_decides_the_band() -> None:
    request = replace(REQUEST, amount_minor=2_000)

    refund = plan_refund(request, PAYMENT, RULES, NOW)

    assert refund.state is RefundState.AWAITING_APPROVAL
    assert refund.required_approvals == 1
    assert refund.due_at is None


def test_currency_without_a_band_needs_approval() -> None:
    rules = replace(RULES, bands=())

    assert plan_refund(REQUEST, PAYMENT, rules, NOW).required_approvals == 2


def test_edit_does_not_count_its_own_reservation_twice() -> None:
    assert approvals_for(PAYMENT, 2_500, BANDS, own_minor=1_000) == 0


def test_same_request_gives_the_same_identity_for_ever() -> None:
    first = plan_refund(REQUEST, PAYMENT, RULES, NOW)
    again = plan_refund(REQUEST, PAYMENT, RULES, NOW)

    assert first == again
    assert len(first.idempotency_key) == 32
    assert len(first.merchant_reference) == 20


def test_other_request_gives_another_key() -> None:
    other = plan_refund(replace(REQUEST, request_id="r-2"), PAYMENT, RULES, NOW)

    first = plan_refund(REQUEST, PAYMENT, RULES, NOW)
    assert other.idempotency_key != first.idempotency_key
    assert other.id != first.id


@pytest.mark.parametrize(
    ("request_", "payment", "error"),
    [
        (replace(REQUEST, amount_minor=0), PAYMENT, AmountInvalid),
        (replace(REQUEST, amount_minor=-1), PAYMENT, AmountInvalid),
        (replace(REQUEST, amount_minor=2**53), PAYMENT, AmountInvalid),
        (replace(REQUEST, currency="EUR"), PAYMENT, CurrencyMismatch),
        (REQUEST, replace(PAYMENT, frozen="dispute"), PaymentFrozen),
        (replace(REQUEST, amount_minor=7_001), PAYMENT, AmountExceedsRefundable),
        (
            replace(REQUEST, expected_remaining_minor=6_999),
            PAYMENT,
            ExpectedRemainingMismatch,
        ),
    ],
)
def test_request_that_cannot_stand_is_refused_naming_the_field(
    request_: RefundRequest, payment: PaymentBalance, error: type[RefundwatchError]
) -> None:
    with pytest.raises(error) as caught:
        plan_refund(request_, payment, RULES, NOW)
    assert caught.value.field is not None


def test_exactly_the_remaining_amount_is_accepted() -> None:
    request = replace(REQUEST, amount_minor=7_000, expected_remaining_minor=7_000)

    assert plan_refund(request, PAYMENT, RULES, NOW).amount_minor == 7_000


def test_payment_id_is_stable_and_differs_by_account() -> None:
    first = payment_id("shop.example", "stripe-uk", "pi_1")

    assert first == payment_id("shop.example", "stripe-uk", "pi_1")
    assert first != payment_id("shop.example", "stripe-de", "pi_1")


@given(st.integers(-10, 20_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_accepted_amounts_never_exceed_what_is_captured(
    amount: int, refunded: int, reserved: int
) -> None:
    payment = replace(PAYMENT, refunded_minor=refunded, reserved_minor=reserved)

    try:
        check_amount(payment, amount, "GBP")
    except RefundwatchError:
        return
    assert amount > 0
    assert amount + refunded + reserved <= payment.captured_minor
