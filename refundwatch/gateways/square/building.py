"""The requests that Square is sent.

Invariant: a refund always states its amount, its payment, its key and our reference;
what cannot be stated exactly is refused before it exists.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from refundwatch.errors import NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.reading import is_key, is_plain_id
from refundwatch.gateways.square import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction
    from refundwatch.gateways.reading import JsonObject

_JSON: Final = ("Content-Type", "application/json")


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference cannot be
            stated to Square.
    """
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    body: JsonObject = {
        "idempotency_key": instruction.idempotency_key,
        "payment_id": instruction.payment_reference,
        "amount_money": {"amount": units, "currency": instruction.currency},
        "reason": instruction.merchant_reference,
    }
    return HttpRequest(
        operation="refund",
        method="POST",
        target="/v2/refunds",
        headers=(_version(instruction.account), _JSON),
        body=json.dumps(body, separators=(",", ":")).encode("ascii"),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Square gives."
        raise NotExpressible(message, field="payment_reference")
    if not is_key(instruction.idempotency_key, facts.KEY_LIMIT):
        message = f"A key at Square is 1 to {facts.KEY_LIMIT} printable ASCII letters."
        raise NotExpressible(message, field="idempotency_key")
    if not is_reference(instruction.merchant_reference):
        message = "Our reference at Square is one word of letters, digits, - and _."
        raise NotExpressible(message, field="merchant_reference")


def is_reference(reason: str) -> bool:
    """Tell whether a reason can be a reference of ours, and not what a person wrote."""
    return len(reason) <= facts.REFERENCE_LIMIT and is_plain_id(reason)


def payment_request(
    operation: str, account: AccountView, payment_id: str
) -> HttpRequest:
    """Ask for a payment; its id is a plain one."""
    return _read(operation, account, f"/v2/payments/{payment_id}")


def read_refund_request(
    operation: str, account: AccountView, refund_id: str
) -> HttpRequest:
    """Ask for one refund; its id is a plain one."""
    return _read(operation, account, f"/v2/refunds/{refund_id}")


def probe_request(account: AccountView) -> HttpRequest:
    """Ask for one refund of any: it proves token, version and permission."""
    return _read("probe", account, "/v2/refunds?limit=1")


def _read(operation: str, account: AccountView, target: str) -> HttpRequest:
    return HttpRequest(operation, "GET", target, (_version(account),))


def _version(account: AccountView) -> tuple[str, str]:
    return ("Square-Version", account.api_version or facts.API_VERSION)
