"""How Stripe takes a refund, and what becomes of it later.

Invariant: a refund's money leaves once, when its status becomes ``succeeded``, and
comes back once, when a succeeded one becomes ``failed``.
Source: gateways/stripe.md sections 1, 3 and 5 (Stripe "Refunds", read 2026-11).
"""

import re
from dataclasses import dataclass
from string import ascii_letters, digits

from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Dice, Fault
from refundwatch.sandbox.money import STRIPE, AmountRefusedError
from refundwatch.sandbox.stripe.form import Form
from refundwatch.sandbox.stripe.refusals import (
    Refusal,
    invalid_integer,
    missing,
    unknown_parameter,
)

CREATE_PARAMETERS = frozenset(
    {
        "amount",
        "charge",
        "currency",
        "customer",
        "expand",
        "instructions_email",
        "metadata",
        "origin",
        "payment_intent",
        "reason",
        "refund_application_fee",
        "reverse_transfer",
    }
)
REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
FAILURES = (
    "lost_or_stolen_card",
    "expired_or_canceled_card",
    "declined",
    "unknown",
)
PENDING_REASONS = ("processing", "processing", "charge_pending", "insufficient_funds")
# Methods without native refunds: the customer is asked for bank details by e-mail.
METHODS_ASKING = frozenset({"konbini", "promptpay", "boleto", "customer_balance"})
REFERENCE_KEYS = ("rw_id", "merchant_reference", "reference")

_INTEGER = re.compile(r"^-?\d{1,18}$", re.ASCII)
_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500
_REFUSALS = (
    ("charge_not_refundable", "This charge cannot be refunded."),
    ("charge_invalid_parameter", "This charge cannot be refunded this way."),
    ("refund_disputed_payment", "This payment has been disputed."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a valid create call asks for; ``amount`` is Stripe's integer."""

    reference: str
    param: str
    amount: int | None
    reason: str
    metadata: dict[str, str]
    expand: tuple[str, ...]


def read_order(form: Form) -> Order:
    """Check the parameters of a create call.

    Raises: Refusal, never stored under the key.
    """
    check_names(form, CREATE_PARAMETERS)
    param = "payment_intent" if form.values.get("payment_intent") else "charge"
    reference = form.values.get(param, "")
    if not reference:
        raise Refusal(
            status=400,
            code="parameter_missing",
            param="payment_intent",
            message="One of payment_intent or charge must be provided.",
        )
    reason = form.values.get("reason", "")
    if reason and reason not in REASONS:
        raise Refusal(status=400, param="reason", message=f"Invalid reason: {reason}")
    if form.values.get("origin"):
        raise Refusal(
            status=400, param="origin", message="This customer has no cash balance."
        )
    return Order(
        reference=reference,
        param=param,
        amount=_amount(form),
        reason=reason,
        metadata=checked_metadata(form),
        expand=tuple(form.lists.get("expand", ())),
    )


def check_names(form: Form, allowed: frozenset[str]) -> None:
    """Refuse parameters that the call does not have."""
    for name in sorted(form.names() - allowed):
        raise unknown_parameter(name)


def _amount(form: Form) -> int | None:
    text = form.values.get("amount")
    if text is None:
        return None
    if not _INTEGER.match(text) or int(text) < 1:
        raise invalid_integer("amount", text)
    return int(text)


def checked_metadata(form: Form) -> dict[str, str]:
    """Return the metadata of a call.

    Raises: Refusal when a limit of Stripe's is passed.
    """
    metadata = form.maps.get("metadata", {})
    too_long = any(
        len(key) > _MAX_KEY or len(value) > _MAX_VALUE
        for key, value in metadata.items()
    )
    if too_long or len(metadata) > _MAX_KEYS:
        raise Refusal(
            status=400, param="metadata", message="Metadata is over its limits."
        )
    return metadata


def asked_minor(order: Order, payment: Payment | None, left_minor: int) -> int:
    """Check an order against its payment; return ISO minor units.

    Raises: Refusal, stored under the key: the call had begun to execute.
    """
    if payment is None:
        kind = order.param
        raise missing(kind, order.reference, order.param, stored=True)
    if not payment.captured:
        raise _refused(payment, "charge_not_refundable", "This is not captured yet.")
    if payment.dispute:
        raise _refused(payment, "charge_disputed", "This charge has been charged back.")
    if left_minor <= 0:
        raise _refused(
            payment,
            "charge_already_refunded",
            f"Charge {payment.charge_id} has already been refunded.",
        )
    if order.amount is None:
        return left_minor
    try:
        wanted = STRIPE.from_gateway(order.amount, payment.currency)
    except AmountRefusedError as refused:
        raise invalid_integer("amount", str(order.amount)) from refused
    if wanted > left_minor:
        raise Refusal(
            status=400,
            param="amount",
            message="Refund amount is greater than unrefunded amount on charge.",
            charge=payment.charge_id,
            stored=True,
        )
    return wanted


def maybe_refuse(dice: Dice, payment: Payment) -> None:
    """Refuse by the fault profile, as if Stripe had a reason of its own."""
    if dice.rolls(Fault.REFUSAL):
        code, message = dice.rng.choice(_REFUSALS)
        raise _refused(payment, code, message)


def _refused(payment: Payment, code: str, message: str) -> Refusal:
    return Refusal(
        status=400, code=code, message=message, charge=payment.charge_id, stored=True
    )


def first_status(dice: Dice, payment: Payment, source: str) -> tuple[str, bool]:
    """Draw a refund's first status, and whether it will fail before it succeeds."""
    if source == "dashboard":
        return "succeeded", False
    if payment.method in METHODS_ASKING or dice.rolls(Fault.NEEDS_ACTION):
        return "requires_action", False
    fails = dice.rolls(Fault.FAILS_LATE)
    pending = fails or dice.rolls(Fault.PENDING_FIRST)
    return ("pending" if pending else "succeeded"), fails


def new_refund(
    dice: Dice,
    payment: Payment,
    *,
    amount_minor: int,
    status: str,
    now: float,
    visible_at: float,
    reason: str = "",
    metadata: dict[str, str] | None = None,
    idempotency_key: str = "",
    source: str = "api",
) -> Refund:
    """Build a refund with Stripe's ids."""
    kept = metadata or {}
    details = {
        "charge": payment.charge_id,
        "balance_transaction": new_id(dice, "txn"),
        "pending_reason": dice.rng.choice(PENDING_REASONS),
    }
    if reason:
        details["reason"] = reason
    reference = next((kept[key] for key in REFERENCE_KEYS if kept.get(key)), "")
    return Refund(
        id=new_id(dice, "re" if payment.method == "card" else "pyr"),
        payment=payment.reference,
        amount_minor=amount_minor,
        currency=payment.currency,
        status=status,
        created_at=now,
        updated_at=now,
        visible_at=visible_at,
        merchant_reference=reference,
        idempotency_key=idempotency_key,
        source=source,
        details=details,
        metadata=kept,
    )


def new_id(dice: Dice, prefix: str) -> str:
    """Draw an id of Stripe's form."""
    return f"{prefix}_{dice.text(ascii_letters + digits, 24)}"
