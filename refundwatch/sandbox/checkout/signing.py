"""Checkout.com's webhook signature.

Source: gateways/checkout.md section 6 (Checkout.com "Set up your webhook receiver",
read 2026-11).
"""

import hashlib
import hmac


def signature(key: str, body: bytes) -> str:
    """Return the hexadecimal digest of the raw body under a key."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
