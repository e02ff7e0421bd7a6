"""Signing with a key at hand: throwaway keys of the demo and the tests.

Invariant: people's keys never come here; their agents sign (`refundwatch.api.signing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.security.sshsig.armored import armor, signed_bytes
from refundwatch.security.sshsig.keys import ED25519, PublicKey
from refundwatch.security.sshsig.wire import string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_NAME = ED25519.encode("ascii")


def public_key_of(private_key: Ed25519PrivateKey) -> PublicKey:
    """Give the public half as SSH writes it."""
    point = private_key.public_key().public_bytes_raw()
    return PublicKey(ED25519, string(_NAME) + string(point))


def sign(private_key: Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """Sign, giving exactly the armored text that `ssh-keygen -Y sign` gives."""
    made = private_key.sign(signed_bytes(message, namespace))
    field = string(_NAME) + string(made)
    return armor(public_key_of(private_key), namespace, "sha512", field)
