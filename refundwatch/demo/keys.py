"""Throwaway SSH keys of a run: two roots, and the three whom they enrol.

Invariant: a key lives in this process alone and is never written down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from refundwatch.api.enrolling import root_line
from refundwatch.security.sshsig import public_key_of, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOTS: Final = ("root", "toor")
PEOPLE: Final = ("ann", "ben", "you")


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs by a key that this process made."""

    key: Ed25519PrivateKey = field(repr=False)

    @property
    def line(self) -> str:
        """Give the public key as OpenSSH writes it."""
        return public_key_of(self.key).line

    @property
    def fingerprint(self) -> str:
        """Name the key, as `ssh-keygen -l` prints it."""
        return public_key_of(self.key).fingerprint

    async def sign(self, message: bytes, namespace: str) -> str:
        """Give the armored signature of these bytes."""
        return sign(self.key, message, namespace)


Keyring = dict[str, KeySigner]


def cut_keys() -> Keyring:
    """Make a key for each root and each person."""
    return {name: KeySigner(Ed25519PrivateKey.generate()) for name in ROOTS + PEOPLE}


def root_file(keys: Mapping[str, KeySigner]) -> str:
    """Give the root file that names the two roots."""
    lines = (root_line(f"person:{it}", keys[it].line, ["admin"]) for it in ROOTS)
    return "\n".join(lines) + "\n"
