"""Square's webhook signatures, the current one and the one it still sends beside it.

Source: Square "Verify and validate an event notification",
https://developer.squareup.com (read 2026-11).
"""

import base64
import hashlib
import hmac


def signature(key: str, address: str, body: bytes) -> str:
    """Return the signature of the registered address and the body, without a gap."""
    return _mac(key, address.encode() + body, "sha256")


def legacy_signature(key: str, address: str, body: bytes) -> str:
    """Return the old signature, which receivers must not trust."""
    return _mac(key, address.encode() + body, "sha1")


def _mac(key: str, message: bytes, algorithm: str) -> str:
    digest = hmac.new(key.encode(), message, getattr(hashlib, algorithm)).digest()
    return base64.b64encode(digest).decode()
