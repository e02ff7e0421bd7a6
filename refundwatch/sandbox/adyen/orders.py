"""The bodies of Adyen's modification calls, checked as Adyen checks them.

Invariant: what comes out has exactly the members that the call allows.
Source: gateways/specs/adyen-checkout-refunds.json (additionalProperties false).
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from refundwatch.sandbox.adyen.refusals import Refusal, unreadable
from refundwatch.sandbox.answers import Json

REFUND_MEMBERS = frozenset(
    {
        "amount",
        "applicationInfo",
        "capturePspReference",
        "enhancedSchemeData",
        "lineItems",
        "merchantAccount",
        "merchantRefundReason",
        "reference",
        "splits",
        "store",
    }
)
REVERSAL_MEMBERS = frozenset({"applicationInfo", "merchantAccount", "reference"})
REASONS = frozenset({"FRAUD", "CUSTOMER REQUEST", "RETURN", "DUPLICATE", "OTHER"})

_MAX_REFERENCE = 80
_CURRENCY = re.compile(r"^[A-Z]{3}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what a call asks for; ``value`` is Adyen's integer."""

    reference: str
    reason: str | None
    value: int = 0
    currency: str = ""


def read_object(body: bytes) -> Json:
    """Read a JSON object.

    Raises: Refusal 702.
    """
    try:
        found = json.loads(body)
    except ValueError as malformed:
        raise unreadable("The request body is not JSON") from malformed
    if not isinstance(found, dict):
        raise unreadable("The request body is not an object")
    return found


def read_refund(body: Json) -> Order:
    """Check a refund call.

    Raises: Refusal.
    """
    _check_members(body, REFUND_MEMBERS, "PaymentRefundRequest")
    amount = body.get("amount")
    if not isinstance(amount, dict) or "value" not in amount:
        raise Refusal(status=422, code="100", message="No amount specified")
    value, currency = amount["value"], amount.get("currency")
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise invalid_amount()
    if not isinstance(currency, str) or not _CURRENCY.match(currency):
        raise Refusal(status=422, code="138", message="Unsupported currency specified")
    reason = body.get("merchantRefundReason")
    if reason is not None and reason not in REASONS:
        raise unreadable(f"Unknown merchantRefundReason: {reason}")
    return Order(
        reference=_reference(body), reason=reason, value=value, currency=currency
    )


def read_reversal(body: Json) -> Order:
    """Check a reversal or a cancellation.

    Raises: Refusal.
    """
    _check_members(body, REVERSAL_MEMBERS, "PaymentReversalRequest")
    return Order(reference=_reference(body), reason=None)


def invalid_amount() -> Refusal:
    """Say that the amount cannot be refunded."""
    return Refusal(status=422, code="137", message="Invalid amount specified")


def _check_members(body: Json, allowed: frozenset[str], structure: str) -> None:
    unknown = sorted(set(body) - allowed)
    if unknown:
        names = ", ".join(unknown)
        raise unreadable(
            f"Structure of {structure} contains the following unknown fields: [{names}]"
        )


def _reference(body: Json) -> str:
    reference: Any = body.get("reference", "")
    if not isinstance(reference, str) or len(reference) > _MAX_REFERENCE:
        raise Refusal(status=422, code="130", message="Invalid reference")
    return reference
