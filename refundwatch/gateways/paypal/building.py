"""The requests that PayPal is sent.

Invariant: a refund always states its amount, because PayPal takes a missing one as
"everything that is left"; what cannot be stated exactly is refused before it exists.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from refundwatch.errors import InvariantBroken, NotExpressible
from refundwatch.gateways.contract import HttpRequest
from refundwatch.gateways.paypal import facts
from refundwatch.gateways.paypal.money import amount_text
from refundwatch.gateways.reading import is_key, is_plain_id

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Credentials, RefundInstruction

SESSION: Final = "session"

# The pattern of a refund's `custom_id`; the request's own would take any text.
_REFERENCE: Final = re.compile(r"[A-Za-z0-9\-_.,]+")


def session_request(credentials: Credentials) -> HttpRequest:
    """Build the request for a token, with the client's own authentication.

    Raises:
        InvariantBroken: the connection has no client id or secret.
    """
    names = facts.CAPABILITIES.credentials
    values = [credentials.values.get(name) for name in names]
    if not all(values):
        message = f"The connection to PayPal has no credential {' or '.join(names)}."
        raise InvariantBroken(message)
    pair = ":".join(value for value in values if value).encode("utf-8")
    return HttpRequest(
        operation=SESSION,
        method="POST",
        target="/v1/oauth2/token",
        headers=(
            ("Authorization", "Basic " + b64encode(pair).decode("ascii")),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ),
        body=b"grant_type=client_credentials",
    )


def refund_request(instruction: RefundInstruction) -> HttpRequest:
    """Build the order of a refund; our reference stands in both fields for it.

    `invoice_id` must be unique among refunds, which guards against a second one even
    after the key was forgotten.

    Raises:
        NotExpressible: the amount, the payment, the key or our reference cannot be
            stated to PayPal.
    """
    value = amount_text(instruction.amount_minor, instruction.currency)
    _check_texts(instruction)
    body = {
        "amount": {"value": value, "currency_code": instruction.currency},
        "invoice_id": instruction.merchant_reference,
        "custom_id": instruction.merchant_reference,
    }
    return HttpRequest(
        operation="refund",
        method="POST",
        target=f"/v2/payments/captures/{instruction.payment_reference}/refund",
        headers=(
            ("PayPal-Request-Id", instruction.idempotency_key),
            ("Prefer", "return=representation"),
            ("Content-Type", "application/json"),
        ),
        body=json.dumps(body, separators=(",", ":")).encode("ascii"),
        moves_money=True,
    )


def _check_texts(instruction: RefundInstruction) -> None:
    if not is_plain_id(instruction.payment_reference):
        message = "This payment reference is no id of a capture."
        raise NotExpressible(message, field="payment_reference")
    if not is_key(instruction.idempotency_key, facts.KEY_LIMIT):
        message = f"A key at PayPal is 1 to {facts.KEY_LIMIT} ASCII characters."
        raise NotExpressible(message, field="idempotency_key")
    reference = instruction.merchant_reference
    if len(reference) > facts.REFERENCE_LIMIT or not _REFERENCE.fullmatch(reference):
        message = (
            f"Our reference has 1 to {facts.REFERENCE_LIMIT} characters of "
            "A-Z a-z 0-9 - _ . and comma."
        )
        raise NotExpressible(message, field="merchant_reference")


def capture_request(operation: str, capture_id: str) -> HttpRequest:
    """Ask for a capture."""
    return HttpRequest(operation, "GET", f"/v2/payments/captures/{capture_id}")


def order_request(operation: str, order_id: str) -> HttpRequest:
    """Ask for an order with its captures and refunds."""
    return HttpRequest(operation, "GET", f"/v2/checkout/orders/{order_id}")


def read_refund_request(operation: str, refund_id: str) -> HttpRequest:
    """Ask for one refund by PayPal's id."""
    return HttpRequest(operation, "GET", f"/v2/payments/refunds/{refund_id}")


def refund_events_request() -> HttpRequest:
    """Ask for the newest events of refunds that PayPal has for this app."""
    query = urlencode(
        [("event_type", facts.CAPTURE_REFUNDED), ("page_size", facts.EVENTS_PAGE)]
    )
    return HttpRequest("look_up", "GET", f"/v1/notifications/webhooks-events?{query}")


def probe_request() -> HttpRequest:
    """Ask for the kinds of events: it needs the session and touches nothing."""
    return HttpRequest("probe", "GET", "/v1/notifications/webhooks-event-types")


def certificate_request(url: str) -> HttpRequest:
    """Ask for the certificate at a URL that was checked against the allowed ones."""
    return HttpRequest("certificate", "GET", url, reusable=True)
