"""The requests that Razorpay is sent.

Invariant: a refund always states its amount, because Razorpay takes a missing one as
"everything that is left", and always carries a key, because without one each call is
another refund.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from refundwatch.errors import NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.razorpay import facts
from refundwatch.gateways.reading import is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView, RefundInstruction
    from refundwatch.gateways.reading import JsonObject

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{10,64}")


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund.

    Raises:
        NotExpressible: the amount, the payment, the key, our reference or the
            account's speed cannot be stated to Razorpay.
    """
    units = facts.CAPABILITIES.gateway_units(
        instruction.amount_minor, instruction.currency
    )
    _check_texts(instruction)
    reference = instruction.merchant_reference
    # Nothing beyond these: an unknown member is refused.
    body: JsonObject = {
        "amount": units,
        "speed": _speed(instruction.account),
        "receipt": reference,
        "notes": {facts.REFERENCE_KEY: reference},
    }
    return HttpRequest(
        operation="refund",
        method="POST",
        target=f"/v1/payments/{instruction.payment_reference}/refund",
        headers=(
            (facts.KEY_HEADER, instruction.idempotency_key),
            ("Content-Type", "application/json"),
        ),
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id that Razorpay gives."
        raise NotExpressible(message, field="payment_reference")
    if not _KEY.fullmatch(instruction.idempotency_key):
        message = "A key at Razorpay is 10 to 64 letters, digits, lines or dashes."
        raise NotExpressible(message, field="idempotency_key")
    if not 0 < len(instruction.merchant_reference) <= facts.REFERENCE_LIMIT:
        message = f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters."
        raise NotExpressible(message, field="merchant_reference")


def _speed(account: AccountView) -> str:
    speed = account.settings.get(facts.SPEED, facts.NORMAL)
    if speed not in facts.SPEEDS:
        message = f"Account {account.name} has a speed that Razorpay does not know."
        raise NotExpressible(message, field=facts.SPEED)
    return speed


def list_request(operation: str, payment_reference: str, skip: int) -> HttpRequest:
    """Ask for a page of a payment's refunds, newest first."""
    query = f"count={facts.PAGE_SIZE}&skip={skip}"
    return HttpRequest(
        operation, "GET", f"/v1/payments/{payment_reference}/refunds?{query}"
    )


def read_refund_request(refund_id: str) -> HttpRequest:
    """Ask for one refund by Razorpay's id."""
    return HttpRequest("read_refund", "GET", f"/v1/refunds/{refund_id}")


def payment_request(payment_reference: str) -> HttpRequest:
    """Ask for a payment."""
    return HttpRequest("read_payment", "GET", f"/v1/payments/{payment_reference}")


def probe_request() -> HttpRequest:
    """Ask for one refund: it proves key, mode and the list of allowed addresses."""
    return HttpRequest("probe", "GET", "/v1/refunds?count=1")
