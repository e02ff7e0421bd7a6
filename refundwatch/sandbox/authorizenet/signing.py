"""The signature of Authorize.Net's webhooks.

The key is the text of the Signature Key, not the bytes that its hex digits stand for;
whoever takes the bytes gets the digest that the real one refuses.

Source: gateways/authorizenet.md section 6 (read 2026-11).
"""

import hashlib
import hmac


def signature(key: str, body: bytes) -> str:
    """Return the header's value for a body."""
    return _written(key.encode(), body)


def mistaken_signature(key: str, body: bytes) -> str:
    """Return what the hex-decoded key would give: the classic mistake."""
    return _written(bytes.fromhex(key), body)


def _written(key: bytes, body: bytes) -> str:
    digest = hmac.new(key, body, hashlib.sha512).hexdigest()
    return f"sha512={digest.upper()}"
