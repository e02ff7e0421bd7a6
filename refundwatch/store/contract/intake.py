"""Payments, invoices, refund requests, and what people decide about them.

Invariant: as `refundwatch.store.contract` says; a bulk command is all or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from refundwatch.store.contract.base import Command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.domain.decision import Verdict
    from refundwatch.domain.events import Resolution
    from refundwatch.domain.policy import Principal
    from refundwatch.domain.refund import Refund
    from refundwatch.store.contract.base import Policy
    from refundwatch.store.contract.operators import SignedText
    from refundwatch.store.contract.orders import Signing


@dataclass(frozen=True, slots=True)
class InvoiceShare:
    """The part of a payment that pays one invoice, in the payment's minor units."""

    number: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """An invoice; `amount_minor` in minor units of `currency`."""

    number: str
    amount_minor: int
    currency: str
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment as its caller declares it; personal fields are sealed.

    `customer` may hold `name`, `email`, `account`, `last_four`.
    """

    account: str
    gateway_reference: str
    captured_minor: int
    currency: str
    captured_at: datetime | None = None
    order_reference: str | None = None
    invoices: tuple[InvoiceShare, ...] = ()
    customer: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why one row of a bulk command was refused; `index` counts from 0."""

    index: int
    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What a bulk command did; with any problem nothing at all was stored.

    `ids` holds one id per row, in order, when there is no problem.
    """

    created: int
    unchanged: int
    ids: tuple[str, ...] = ()
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class PutPayments(Command[BulkReport]):
    """Store payments all or nothing; a repeat of the same content changes nothing.

    The same account and reference with another amount, currency or invoice share is
    a problem. Invoices named by a share and not yet known are created from it.
    """

    at: datetime
    actor: str
    payments: tuple[NewPayment, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PutInvoices(Command[BulkReport]):
    """Store invoices all or nothing; a repeat of the same content changes nothing."""

    at: datetime
    actor: str
    invoices: tuple[NewInvoice, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RecordPaymentRead(Command[None]):
    """Book what the gateway says of a payment before its first send.

    With `captured_minor` None the payment is marked `declared` (the gateway cannot
    tell). A refunded amount that is not ours is booked as external. Facts are booked
    even when they break a limit; the break freezes the payment and alarms.
    """

    at: datetime
    payment_id: str
    captured_minor: int | None
    refunded_minor: int | None
    currency: str | None
    disputed: bool


@dataclass(frozen=True, slots=True)
class UnfreezePayment(Command[None]):
    """Lift a freeze; the reason code is audited, its text sealed.

    A person signs it once root operators are known. Raises PaymentUnknown,
    PaymentConflict, PaymentFrozen, DecisionDenied, or StatementInvalid.
    """

    at: datetime
    principal: Principal
    payment_id: str
    reason_code: str
    reason_text: str | None
    signing: Signing | None = None


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund request; `payment` is our payment id or the gateway's reference.

    `account` is needed with a gateway reference. `expected_remaining_minor` must
    equal the refundable amount when given.
    """

    request_id: str
    payment: str
    amount_minor: int
    currency: str
    reason_code: str
    account: str | None = None
    reason_text: str | None = field(default=None, repr=False)
    expected_remaining_minor: int | None = None
    invoice: str | None = None


@dataclass(frozen=True, slots=True)
class CreateRefund(Command["CreatedRefund"]):
    """Reserve and store one refund (P1), or return the one of the same request.

    Raises:
        RequestConflict: the request id is known with another body.
        PaymentUnknown, PaymentFrozen, AmountExceedsRefundable, CurrencyMismatch,
        ExpectedRemainingMismatch: nothing was stored.
    """

    at: datetime
    principal: Principal
    refund: NewRefund
    policy: Policy


@dataclass(frozen=True, slots=True)
class CreatedRefund:
    """The refund of a request; `created` is False when it stood already."""

    refund: Refund
    created: bool


@dataclass(frozen=True, slots=True)
class CreateRefunds(Command[BulkReport]):
    """Store many refunds all or nothing."""

    at: datetime
    principal: Principal
    refunds: tuple[NewRefund, ...]
    policy: Policy
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DecideRefund(Command["Decided"]):
    """Record a person's decision as its statement's bytes, and act on it.

    `revision` and `request_sha256` are what the client displayed; when they do not
    fit the row the decision is refused. An approval must name both. A resolution
    needs a second, different person who says the same; until then the refund stays in
    review. An edit changes `amount_minor` and the refund's own `refund_reason_code`,
    where given; `reason_code` says why anybody decided. A cancellation `at_gateway`
    only records that a person asks for it: the refund is pending, and stays so until
    its gateway says otherwise. A person signs the statement of exactly this; a machine
    edits and cancels what it requested itself, and decides nothing else. With a reason
    text comes the salt of its commitment.

    Raises:
        RefundUnknown, StaleRevision, StateConflict, DecisionDenied: nothing stored.
    """

    at: datetime
    principal: Principal
    refund_id: str
    decision: Verdict
    revision: int
    request_sha256: str | None
    reason_code: str
    policy: Policy
    reason_text: str | None = field(default=None, repr=False)
    amount_minor: int | None = None
    refund_reason_code: str | None = None
    resolution: Resolution | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)
    at_gateway: bool = False
    signed: SignedText | None = None
    reason_salt: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """The refund after a decision; `waiting_for` counts people still needed."""

    refund: Refund
    waiting_for: int


@dataclass(frozen=True, slots=True)
class ExpireApprovals(Command[tuple[str, ...]]):
    """Expire refunds whose approvals did not come in time; return their ids."""

    at: datetime
