"""The signature of the Klarna Network's webhooks.

Source: gateways/klarna.md section 6 (Klarna "Set up your webhooks", read 2026-11).
"""

import hashlib
import hmac


def signature(key: str, body: bytes) -> str:
    """Return the hexadecimal digest of a signing key over the body."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
