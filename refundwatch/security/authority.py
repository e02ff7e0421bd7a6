"""Whether a statement was signed by the key it names, for this instance's purposes.

Invariant: a signature counts only in the namespace of this instance and of the purpose
it was asked for; which keys are whose is the roster's word, never the signature's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from refundwatch.errors import PublicKeyInvalid
from refundwatch.security.sshsig import (
    Demands,
    PublicKey,
    namespace,
    parse_public_key,
    refusal_of,
    verify,
)

_MOST_KEYS: Final = 1024


class SshAuthority:
    """Checks SSH signatures made for one instance; RSA keys only where allowed."""

    def __init__(self, instance: str, *, rsa: bool = False) -> None:
        """Know the instance that signatures must be for."""
        self._instance = instance
        self._demands = Demands(rsa=rsa)

    def check(
        self, message: bytes, signature: str, purpose: str, key_line: str
    ) -> None:
        """Raise unless the key signed the message for this purpose.

        Raises:
            SignatureRefused: it did not; `reason_code` says why.
        """
        verify(
            message,
            signature,
            namespace=namespace(purpose, self._instance),
            key=_key(key_line),
            demands=self._demands,
        )

    def fingerprint(self, key_line: str) -> str:
        """Give a public key's fingerprint.

        Raises:
            PublicKeyInvalid: it is no public key that can sign here.
        """
        key = _key(key_line)
        if refusal_of(key, self._demands) is not None:
            raise PublicKeyInvalid(
                f"A key of this kind or size ({key.type}) signs nothing here: enrol "
                "ed25519, or ecdsa on P-256 or P-384."
            )
        return key.fingerprint


@lru_cache(maxsize=_MOST_KEYS)
def _key(line: str) -> PublicKey:
    return parse_public_key(line)
