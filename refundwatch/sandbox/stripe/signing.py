"""Stripe's webhook signature.

Source: gateways/stripe.md section 6 (Stripe "Verify webhook signatures", 2026-11).
"""

import hashlib
import hmac


def signature(secret: str, stamp: int, body: bytes) -> str:
    """Return the hexadecimal digest of one secret over ``stamp.body``."""
    message = str(stamp).encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signature_header(secrets: tuple[str, ...], stamp: int, body: bytes) -> str:
    """Return the header: one ``v1`` for each secret that is valid, and a ``v0``."""
    parts = [f"t={stamp}"]
    parts += [f"v1={signature(secret, stamp, body)}" for secret in secrets]
    # Test mode adds a scheme that receivers must ignore.
    parts.append(f"v0={signature('fake', stamp, body)}")
    return ",".join(parts)
