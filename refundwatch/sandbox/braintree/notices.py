"""Braintree's webhooks: XML in Base64, signed under every key pair of the account.

Invariant: what is signed is the Base64 text with its line ends, as it stands in the
form once the form is decoded.
Source: gateways/braintree.md section 6 (read 2026-11).
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs, urlencode
from xml.sax.saxutils import escape

from refundwatch.sandbox.answers import utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.braintree.objects import amount_text


def digest(private_key: str, text: str) -> str:
    """Return the HMAC-SHA1 in hex, keyed by the SHA-1 of the private key."""
    key = hashlib.sha1(private_key.encode()).digest()  # noqa: S324 - their scheme
    return hmac.new(key, text.encode(), hashlib.sha1).hexdigest()


def form_body(document: str, pairs: Sequence[str]) -> bytes:
    """Write the form of a delivery; a pair is ``public:private``."""
    payload = base64.encodebytes(document.encode()).decode()
    split = (pair.partition(":") for pair in pairs)
    signature = "&".join(
        f"{public}|{digest(private, payload)}" for public, _, private in split
    )
    form = {"bt_signature": signature, "bt_payload": payload}
    return urlencode(form).encode()


def document_of(body: bytes) -> str:
    """Return the XML that a form carries."""
    payload = parse_qs(body.decode())["bt_payload"][0]
    return base64.b64decode(payload).decode()


def notification(kind: str, at: float, subject: str) -> str:
    """Write a notification around its subject."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<notification>\n'
        f'  <timestamp type="datetime">{utc_text(at)}</timestamp>\n'
        f"  <kind>{kind}</kind>\n  <subject>{subject}</subject>\n</notification>\n"
    )


def _element(name: str, value: str) -> str:
    return f"<{name}>{escape(value)}</{name}>"


def credit(refund: Refund) -> str:
    """Describe a refund by its legacy id, as a transaction of type credit."""
    fields = {
        "id": refund.id,
        "type": "credit",
        "status": refund.status.lower(),
        "amount": amount_text(refund.amount_minor, refund.currency),
        "currency-iso-code": refund.currency,
        "order-id": refund.details.get("order_id", ""),
        "refunded-transaction-id": refund.payment,
    }
    inner = "".join(_element(name, value) for name, value in fields.items() if value)
    return f"<transaction>{inner}</transaction>"


def dispute(payment: Payment, dispute_id: str, at: float, kind: str) -> str:
    """Describe a dispute that has just been opened."""
    day = utc_text(at)[:10]
    amount = amount_text(payment.amount_minor, payment.currency)
    sale = _element("id", payment.reference) + _element("amount", amount)
    fields = (
        _element("id", dispute_id)
        + _element("kind", kind)
        + _element("status", "open")
        + _element("reason", "fraud")
        + _element("amount", amount)
        + _element("currency-iso-code", payment.currency)
        + f'<received-date type="date">{day}</received-date>'
        + f'<reply-by-date type="date">{day}</reply-by-date>'
    )
    return f"<dispute>{fields}<transaction>{sale}</transaction></dispute>"
