"""Whether a refund request may stand, and the refund it becomes.

Invariant: what is planned here never promises more than the payment holds; the
store's guarded statement still decides, because only it sees every rival.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.idempotency import derive_key, merchant_reference
from refundwatch.domain.policy import required_approvals
from refundwatch.domain.refund import Refund, RefundState
from refundwatch.errors import (
    AmountExceedsRefundable,
    AmountInvalid,
    CurrencyMismatch,
    ExpectedRemainingMismatch,
    PaymentFrozen,
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.policy import Band

MAX_MINOR: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class PaymentBalance:
    """A payment as intake sees it; amounts in minor units of `currency`."""

    id: str
    account: str
    gateway_reference: str
    currency: str
    captured_minor: int
    refunded_minor: int
    reserved_minor: int
    frozen: str | None

    @property
    def refundable_minor(self) -> int:
        """Give what may still be asked for; never below zero."""
        left = self.captured_minor - self.refunded_minor - self.reserved_minor
        return max(left, 0)


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What the caller asked for."""

    request_id: str
    amount_minor: int
    currency: str
    reason_code: str
    expected_remaining_minor: int | None = None


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """The instance whose keys are made, and the bands that ask for approvals."""

    instance: str
    bands: tuple[Band, ...]
    approvals_expiry_seconds: int


def payment_id(instance: str, account: str, gateway_reference: str) -> str:
    """Derive our id of a payment; the same payment has the same id for ever."""
    # A caller's request id is never empty, so no refund shares this text.
    return "pay_" + merchant_reference(instance, account, gateway_reference, "", 0)[2:]


def check_amount(
    payment: PaymentBalance, amount_minor: int, currency: str, own_minor: int = 0
) -> None:
    """Refuse an amount that the payment cannot give back.

    `own_minor` is what the refund itself holds reserved already (an edit).

    Raises:
        AmountInvalid, CurrencyMismatch, PaymentFrozen, AmountExceedsRefundable.
    """
    if not 0 < amount_minor <= MAX_MINOR:
        message = f"The amount must be from 1 to {MAX_MINOR} minor units."
        raise AmountInvalid(message, field="amount_minor")
    if currency != payment.currency:
        message = f"Payment {payment.id} is in {payment.currency}, not {currency}."
        raise CurrencyMismatch(message, field="currency")
    if payment.frozen is not None:
        message = f"Payment {payment.id} is frozen: {payment.frozen}."
        raise PaymentFrozen(message, field="payment")
    refundable = payment.refundable_minor + own_minor
    if amount_minor > refundable:
        raise exceeds(payment, amount_minor, refundable)


def exceeds(
    payment: PaymentBalance, amount_minor: int, refundable_minor: int
) -> AmountExceedsRefundable:
    """Word the refusal of an amount above what is refundable."""
    message = (
        f"{amount_minor} minor units asked, but payment {payment.id} has "
        f"{refundable_minor} refundable ({payment.captured_minor} captured, "
        f"{payment.refunded_minor} refunded, {payment.reserved_minor} reserved)."
    )
    return AmountExceedsRefundable(message, field="amount_minor")


def plan_refund(
    request: RefundRequest,
    payment: PaymentBalance,
    rules: IntakeRules,
    at: datetime,
) -> Refund:
    """Turn an acceptable request into the refund that stands for it.

    Raises:
        AmountInvalid, CurrencyMismatch, PaymentFrozen, ExpectedRemainingMismatch,
        AmountExceedsRefundable: the request is refused as a whole.
    """
    expected = request.expected_remaining_minor
    check_amount(payment, request.amount_minor, request.currency)
    if expected is not None and expected != payment.refundable_minor:
        message = (
            f"{expected} minor units were expected to be refundable, payment "
            f"{payment.id} has {payment.refundable_minor}."
        )
        raise ExpectedRemainingMismatch(message, field="expected_remaining_minor")
    needed = approvals_for(payment, request.amount_minor, rules.bands)
    identity = (
        rules.instance,
        payment.account,
        payment.gateway_reference,
        request.request_id,
        0,
    )
    reference = merchant_reference(*identity)
    expiry = at + timedelta(seconds=rules.approvals_expiry_seconds)
    return Refund(
        id="rf_" + reference[2:],
        request_id=request.request_id,
        account=payment.account,
        payment_id=payment.id,
        payment_reference=payment.gateway_reference,
        amount_minor=request.amount_minor,
        currency=request.currency,
        reason_code=request.reason_code,
        merchant_reference=reference,
        idempotency_key=derive_key(*identity),
        created_at=at,
        state=RefundState.AWAITING_APPROVAL if needed else RefundState.QUEUED,
        required_approvals=needed,
        approvals_expire_at=expiry if needed else None,
        due_at=None if needed else at,
    )


def approvals_for(
    payment: PaymentBalance,
    amount_minor: int,
    bands: tuple[Band, ...],
    own_minor: int = 0,
) -> int:
    """Say how many approvals a refund needs, counting the payment's other refunds.

    Splitting one refund into several must not avoid a band, so the sum counts.
    """
    standing = payment.refunded_minor + payment.reserved_minor - own_minor
    return required_approvals(bands, payment.currency, standing + amount_minor)
