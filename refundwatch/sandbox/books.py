"""The payments and refunds that one account of a look-alike holds.

Invariant: what is left of a payment is its amount, less what was refunded before the
sandbox knew it, less every refund that has not failed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

# No gateway holds money for a refund in one of these, whosever word it is.
DEAD_STATUSES = frozenset({"failed", "canceled", "rejected", "FAILED", "CANCELLED"}) | {
    "PROCESSOR_DECLINED",
    "REJECTED",
    "SETTLEMENT_DECLINED",
    "VOIDED",
    "declined",
    "generalError",
    "returnedItem",
    "voided",
    "REFUND_EXPIRED",
    "REFUND_FAILED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Hold a payment as its gateway knows it; amounts in ISO minor units.

    ``already_refunded_minor`` was returned before the sandbox began. ``dispute`` is
    empty, ``open`` or ``chargeback``. ``planted_minor`` replaces the amount that the
    next refund truly executes.
    """

    account: str
    reference: str
    amount_minor: int
    currency: str
    created_at: float
    already_refunded_minor: int = 0
    merchant_reference: str = ""
    order_id: str = ""
    charge_id: str = ""
    method: str = "card"
    captured: bool = True
    partial_allowed: bool = True
    dispute: str = ""
    planted_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Hold a refund as its gateway knows it; amounts in ISO minor units.

    Reads show it from ``visible_at``. ``details`` holds what only one gateway has.
    """

    id: str
    payment: str
    amount_minor: int
    currency: str
    status: str
    created_at: float
    updated_at: float
    visible_at: float = 0.0
    merchant_reference: str = ""
    idempotency_key: str = ""
    source: str = "api"
    details: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Tell whether it still takes away from what is refundable."""
        return self.status not in DEAD_STATUSES


class Books:
    """Keep payments and refunds, newest last."""

    def __init__(self) -> None:
        """Start empty."""
        self.payments: dict[str, Payment] = {}
        self.refunds: dict[str, Refund] = {}
        self._by_payment: defaultdict[str, list[str]] = defaultdict(list)
        self._by_order: defaultdict[str, list[str]] = defaultdict(list)
        self._aliases: dict[str, str] = {}
        self.invoices: dict[str, str] = {}

    def add_payment(self, payment: Payment) -> None:
        """Take a payment, and the other ids it is known by."""
        self.payments[payment.reference] = payment
        if payment.order_id:
            self._by_order[payment.order_id].append(payment.reference)
        if payment.charge_id:
            self._aliases[payment.charge_id] = payment.reference

    def payment(self, reference: str) -> Payment | None:
        """Find a payment by its reference or its charge id."""
        return self.payments.get(self._aliases.get(reference, reference))

    def payments_of_order(self, order_id: str) -> list[Payment]:
        """List the captures of an order, oldest first."""
        return [self.payments[key] for key in self._by_order.get(order_id, [])]

    def change_payment(self, payment: Payment) -> None:
        """Replace a known payment."""
        self.payments[payment.reference] = payment

    def put_refund(self, refund: Refund) -> None:
        """Take a refund, new or changed."""
        if refund.id not in self.refunds:
            self._by_payment[refund.payment].append(refund.id)
            if refund.details.get("invoice_id"):
                self.invoices.setdefault(refund.details["invoice_id"], refund.id)
        self.refunds[refund.id] = refund

    def refunds_of(self, payment: str) -> list[Refund]:
        """List a payment's refunds, oldest first."""
        return [self.refunds[key] for key in self._by_payment.get(payment, [])]

    def refunded_minor(self, payment: Payment, seen_at: float | None = None) -> int:
        """Sum what left a payment; ``seen_at`` hides what reads cannot see yet."""
        return payment.already_refunded_minor + sum(
            refund.amount_minor
            for refund in self.refunds_of(payment.reference)
            if refund.counts and (seen_at is None or refund.visible_at <= seen_at)
        )

    def remaining_minor(self, payment: Payment) -> int:
        """Return what can still be refunded, whatever reads show."""
        return payment.amount_minor - self.refunded_minor(payment)

    def newest_refunds(self, payment: str | None, seen_at: float) -> Iterator[Refund]:
        """Walk the visible refunds of a payment, or of everything, newest first."""
        refunds = (
            list(self.refunds.values()) if payment is None else self.refunds_of(payment)
        )
        return (refund for refund in reversed(refunds) if refund.visible_at <= seen_at)

    def take_planted(self, payment: Payment, asked_minor: int) -> int:
        """Return what the next refund truly executes, and forget a planted amount."""
        if payment.planted_minor is None:
            return asked_minor
        self.change_payment(replace(payment, planted_minor=None))
        return payment.planted_minor

    def load(self, payments: Iterable[Payment], refunds: Iterable[Refund]) -> None:
        """Replace everything by the contents of a snapshot."""
        for kept in (
            self.payments,
            self.refunds,
            self.invoices,
            self._by_payment,
            self._by_order,
            self._aliases,
        ):
            kept.clear()
        for payment in payments:
            self.add_payment(payment)
        for refund in refunds:
            self.put_refund(refund)
