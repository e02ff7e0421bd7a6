"""Adyen's signature over one notification item.

Source: gateways/adyen.md section 6 (Adyen "Verify HMAC signatures", read 2026-11).
"""

import base64
import hashlib
import hmac

from refundwatch.sandbox.answers import Json


def signing_string(item: Json) -> str:
    """Join the eight signed values; nothing is escaped, a missing value is empty."""
    amount = item["amount"]
    values = (
        item["pspReference"],
        item.get("originalReference", ""),
        item["merchantAccountCode"],
        item.get("merchantReference", ""),
        amount["value"],
        amount["currency"],
        item["eventCode"],
        item["success"],
    )
    return ":".join(map(str, values))


def item_signature(item: Json, hmac_key_hex: str) -> str:
    """Return the Base64 digest that stands in ``additionalData``."""
    key = bytes.fromhex(hmac_key_hex)
    digest = hmac.new(key, signing_string(item).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
