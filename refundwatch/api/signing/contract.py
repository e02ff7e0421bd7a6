"""What every way of signing is, and the check that each result passes.

Invariant: what is handed on is a signature by the key that was asked for, over exactly
these bytes in exactly this namespace; the daemon checks once more and demands more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from refundwatch.errors import SignatureRefused, SigningRefused
from refundwatch.security.sshsig import Demands, parse_armored, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

# Whether RSA may sign is the daemon's to say.
_ANY_KIND: Final = Demands(rsa=True)
_SENTENCES: Final[Mapping[str, str]] = {
    "algorithm": "It was made with an algorithm that no daemon accepts.",
    "mathematics": "It belongs to another message.",
    "namespace": "It was made for another namespace.",
    "not_touched": "The device was not touched.",
    "rsa_short": "The RSA key is too short.",
}


class Signer(Protocol):
    """Signs as one person, with one key."""

    @property
    def fingerprint(self) -> str:
        """Name the key, as `ssh-keygen -l` prints it."""
        ...

    async def sign(self, message: bytes, namespace: str) -> str:
        """Give the armored signature of these bytes.

        Raises:
            SignerUnavailable: nobody is there who could sign.
            KeyNotHeld: the key is not there.
            SigningRefused: no signature came, or one that does not hold.
        """
        ...


def checked(armored: str, message: bytes, namespace: str, fingerprint: str) -> str:
    """Give the signature back, after it was verified.

    Raises:
        SigningRefused: it is not what was asked for; the message says why.
    """
    try:
        key = parse_armored(armored).key
        if key.fingerprint != fingerprint:
            other = f"It was made by another key: {key.fingerprint}."
            raise SigningRefused(other)
        verify(message, armored, namespace=namespace, key=key, demands=_ANY_KIND)
    except SignatureRefused as refused:
        why = _SENTENCES.get(refused.reason_code, "It is no SSH signature.")
        raise SigningRefused(f"What came back is not accepted. {why}") from refused
    return armored
