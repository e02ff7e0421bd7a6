"""The log's signing keys: made, read, and used for checkpoints alone.

Invariant: no message, repr or error of this module holds a byte of a key, and a key
signs under its own name. What stands first in the file is current; while a second one
stands there both sign, so that readers can change from one to the other.

One key a line, in the form of Go's `note` package:
`PRIVATE+KEY+<name>+<id>+<base64 of type byte and seed>`. Empty lines and lines that
start with `#` are skipped.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from refundwatch.domain.checkpoint import (
    ED25519,
    Checkpoint,
    SignedCheckpoint,
    VerifierKey,
    write_note,
)
from refundwatch.errors import CheckpointInvalid, NoteKeyInvalid
from refundwatch.security.sshsig.armored import armor, signed_bytes
from refundwatch.security.sshsig.keys import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEED_BYTES: Final = 32
_PREFIX: Final = ("PRIVATE", "KEY")
_FIELDS: Final = 5
_SSH_TYPE: Final = b"ssh-ed25519"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """One signing key under the name of the log's first origin."""

    name: str
    seed: bytes = field(repr=False)

    def verifier(self, name: str | None = None) -> VerifierKey:
        """Give the public half, under the name of a later origin if one is given."""
        public = self._private().public_key().public_bytes_raw()
        return VerifierKey(name or self.name, public)

    def sign(self, message: bytes) -> bytes:
        """Sign bytes as they are."""
        return self._private().sign(message)

    def text(self) -> str:
        """Write the line of the key file: the secret itself."""
        encoded = b64encode(bytes([ED25519]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier().key_id.hex()}+{encoded}"

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def mint(name: str, entropy: Callable[[int], bytes] = secrets.token_bytes) -> NoteKey:
    """Make a key; `entropy` gives that many random bytes."""
    return NoteKey(name, entropy(SEED_BYTES))


def parse_note_keys(content: bytes, name: str, origin: str) -> tuple[NoteKey, ...]:
    """Read the lines of a key file whose keys sign for `origin`, its first name.

    Raises:
        NoteKeyInvalid: a line has another form, a key is of another log or comes
            twice, or there is none.
    """
    keys: list[NoteKey] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(b"#"):
            continue
        key = _parse_line(stripped)
        if key is None:
            raise NoteKeyInvalid(
                f"{name}, line {number}: no key of the log; make one with "
                "`refundwatch audit key new`."
            )
        if key.name != origin:
            raise NoteKeyInvalid(
                f"{name}, line {number}: the key is of the log {key.name}, not of "
                f"{origin}."
            )
        if key in keys:
            raise NoteKeyInvalid(f"{name}, line {number}: the key came before.")
        keys.append(key)
    if not keys:
        raise NoteKeyInvalid(f"{name}: there is no key.")
    return tuple(keys)


def check_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 public key made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class NoteSigner:
    """Signs the checkpoints of one instance's log with all of its keys."""

    __slots__ = ("_instance", "_keys")

    def __init__(self, instance: str, keys: Sequence[NoteKey]) -> None:
        """Sign with these keys, the current one first."""
        self._instance = instance
        self._keys = tuple(keys)

    def verifiers(self, origin: str) -> tuple[VerifierKey, ...]:
        """Give the public halves under the name of this origin, the current first."""
        return tuple(key.verifier(origin) for key in self._keys)

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """Sign a checkpoint, and the note once more as OpenSSH does."""
        text = checkpoint.text()
        note = write_note(
            text,
            [
                (key.verifier(checkpoint.origin), key.sign(text.encode()))
                for key in self._keys
            ],
        )
        space = f"refundwatch-checkpoint@{self._instance}"
        armored = ssh_signature(self._keys[0], space, note)
        return SignedCheckpoint(checkpoint, note, armored)


def ssh_signature(key: NoteKey, namespace: str, message: bytes) -> str:
    """Sign bytes as `ssh-keygen -Y sign` does, armored."""
    public = parse_public_key(openssh_public(key.verifier()))
    signature = key.sign(signed_bytes(message, namespace))
    field_of = _string(_SSH_TYPE) + _string(signature)
    return armor(public, namespace, "sha512", field_of)


def openssh_public(key: VerifierKey) -> str:
    """Write a public key as OpenSSH does, without a comment."""
    return f"{_SSH_TYPE.decode()} {b64encode(_public_blob(key)).decode()}"


def _public_blob(key: VerifierKey) -> bytes:
    return _string(_SSH_TYPE) + _string(key.public)


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _parse_line(line: bytes) -> NoteKey | None:
    """Read a line, or None: the errors of decoding would carry the line along."""
    try:
        parts = line.decode("ascii").split("+", _FIELDS - 1)
        typed = b64decode(parts[-1], validate=True)
        fitting = len(parts) == _FIELDS and tuple(parts[:2]) == _PREFIX
        if not fitting or len(typed) != SEED_BYTES + 1 or typed[0] != ED25519:
            return None
        key = NoteKey(parts[2], typed[1:])
        return key if key.verifier().key_id.hex() == parts[3] else None
    except (ValueError, CheckpointInvalid):
        return None
