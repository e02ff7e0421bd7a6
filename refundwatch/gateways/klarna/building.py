"""The requests that Klarna is sent.

Invariant: a refund states its amount and our reference; what cannot be stated exactly
is refused before it exists.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from refundwatch.domain.idempotency import key_as_uuid
from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.klarna import facts
from refundwatch.gateways.reading import is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RefundInstruction


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund.

    Raises:
        NotExpressible: the amount, the order, the key or our reference cannot be
            stated to Klarna.
    """
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")
    body = {"refunded_amount": units, "reference": instruction.merchant_reference}
    return HttpRequest(
        operation="refund",
        method="POST",
        target=f"{_order_path(instruction.payment_reference)}/refunds",
        headers=(
            (facts.KEY_HEADER, _key(instruction.idempotency_key)),
            ("Content-Type", "application/json"),
        ),
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        moves_money=True,
    )


def _key(key: str) -> str:
    """Give our key as a UUID: Klarna documents no other form."""
    try:
        return key_as_uuid(key)
    except InvariantBroken as error:
        message = "A key at Klarna is a UUID, and this key cannot be written as one."
        raise NotExpressible(message, field="idempotency_key") from error


def _order_path(order_id: str) -> str:
    if not is_plain_id(order_id):
        message = "This payment reference is no order id that Klarna gives."
        raise NotExpressible(message, field="payment_reference")
    return f"/ordermanagement/v1/orders/{order_id}"


def order_request(operation: str, order_id: str) -> HttpRequest:
    """Ask for an order, with its captures and refunds inside."""
    return HttpRequest(operation, "GET", _order_path(order_id))


def payouts_request() -> HttpRequest:
    """Ask for one payout: it proves reachability, credentials and region."""
    return HttpRequest("probe", "GET", "/settlements/v1/payouts?size=1")
