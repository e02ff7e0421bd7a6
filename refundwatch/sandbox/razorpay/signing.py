"""Razorpay's webhook signature.

Source: gateways/razorpay.md section 6 (Razorpay "Validate and Test Webhooks", 2026-11).
"""

import hashlib
import hmac


def signature(secret: str, body: bytes) -> str:
    """Return the hexadecimal digest of a webhook secret over the body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
