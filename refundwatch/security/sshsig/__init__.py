"""SSH signatures as `ssh-keygen -Y` makes them: read, verified, and made.

Invariant: what is verified is the message's own bytes, in one namespace, by one key
that the caller already trusts; nothing that a signature says about itself is believed.

Source: OpenSSH PROTOCOL.sshsig 1.4 and PROTOCOL.u2f (read 2026-11).
"""

from refundwatch.security.sshsig.armored import (
    HASHES,
    Sshsig,
    armor,
    parse_armored,
    signed_bytes,
)
from refundwatch.security.sshsig.keys import PublicKey, parse_public_key, read_blob
from refundwatch.security.sshsig.namespaces import Purpose, namespace
from refundwatch.security.sshsig.signing import public_key_of, sign
from refundwatch.security.sshsig.verifying import (
    Demands,
    Signed,
    refusal_of,
    verify,
)

__all__ = [
    "HASHES",
    "Demands",
    "PublicKey",
    "Purpose",
    "Signed",
    "Sshsig",
    "armor",
    "namespace",
    "parse_armored",
    "parse_public_key",
    "public_key_of",
    "read_blob",
    "refusal_of",
    "sign",
    "signed_bytes",
    "verify",
]
