"""The requests that Checkout.com is sent.

Invariant: a refund always states its amount, because a missing one means the whole
payment; a void has none by nature, and is built for a whole payment alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from refundwatch.errors import NotExpressible
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.reading import is_key, is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RefundInstruction
    from refundwatch.gateways.reading import JsonObject

REFUND: Final = "refund"
VOID: Final = "void"


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund; our reference stands in both fields for it.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference cannot be
            stated to Checkout.com.
    """
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    body = {"amount": units, **_named(instruction)}
    return _order(REFUND, "refunds", instruction, body)


def void_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order that gives up a whole authorized payment; it has no amount.

    The texts were checked when the refund was built in whose place it is sent.
    """
    return _order(VOID, "voids", instruction, _named(instruction))


def _named(instruction: RefundInstruction) -> JsonObject:
    ours = instruction.merchant_reference
    return {"reference": ours, "metadata": {facts.REFERENCE_KEY: ours}}


def _order(
    operation: str, what: str, instruction: RefundInstruction, body: JsonObject
) -> HttpRequest:
    return HttpRequest(
        operation=operation,
        method="POST",
        target=f"/payments/{instruction.payment_reference}/{what}",
        headers=(
            ("Cko-Idempotency-Key", instruction.idempotency_key),
            ("Content-Type", "application/json"),
        ),
        body=json.dumps(body, separators=(",", ":")).encode("ascii"),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Checkout.com gives."
        raise NotExpressible(message, field="payment_reference")
    if not is_key(instruction.idempotency_key, facts.KEY_LIMIT):
        message = f"A key at Checkout.com is 1 to {facts.KEY_LIMIT} ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")


def payment_request(operation: str, payment_id: str) -> HttpRequest:
    """Ask for a payment with its balances."""
    return HttpRequest(operation, "GET", f"/payments/{payment_id}")


def actions_request(operation: str, payment_id: str) -> HttpRequest:
    """Ask for everything that was done with a payment, newest first."""
    return HttpRequest(operation, "GET", f"/payments/{payment_id}/actions")
