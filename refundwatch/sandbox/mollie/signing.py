"""Mollie's webhook signatures.

Source: gateways/mollie.md section 6b (Mollie "Next-gen Webhooks", read 2026-11).
"""

import hashlib
import hmac


def signature(secret: str, body: bytes) -> str:
    """Sign a raw body under one secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
