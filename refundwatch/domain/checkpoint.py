"""Checkpoints: the size and root of the log as a text that is signed and handed out.

Invariant: a checkpoint is read only from a note that a known key of the log signed,
and only in the one spelling that its values have; a line of an unknown key is passed
over, a line of a known key that does not verify refuses the whole note. What checks a
signature is given from outside, since the domain knows no cryptography but hashes.

Source: C2SP signed-note and tlog-checkpoint v1.0.0, https://c2sp.org (read 2026-11).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from refundwatch.domain.merkle import HASH_BYTES
from refundwatch.errors import CheckpointInvalid

MAX_NOTE_BYTES: Final = 64 * 1024
KEY_ID_BYTES: Final = 4
ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
PUBLIC_BYTES: Final = 32

SignatureCheck = Callable[[bytes, bytes, bytes], bool]
"""Tells whether an Ed25519 public key made this signature over these bytes."""

_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 64
_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_TEXT_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key that signs notes, under its name."""

    name: str
    public: bytes
    type_byte: int = ED25519

    def __post_init__(self) -> None:
        """Refuse what no note could name."""
        if not _NAME.fullmatch(self.name) or len(self.public) != PUBLIC_BYTES:
            raise CheckpointInvalid("This is no key that signs notes.")

    @property
    def key_id(self) -> bytes:
        """Give the four bytes by which signature lines name the key."""
        typed = bytes([self.type_byte]) + self.public
        return sha256(self.name.encode() + b"\n" + typed).digest()[:KEY_ID_BYTES]

    def text(self) -> str:
        """Write the key as others take it: name, id, and type with key in base64."""
        typed = b64encode(bytes([self.type_byte]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{typed}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Read a verifier key, splitting at the first two plus signs only.

    Raises:
        CheckpointInvalid: it is none, or its id is another key's.
    """
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = _base64(encoded)
    if typed is None or len(typed) != PUBLIC_BYTES + 1:
        raise CheckpointInvalid("This is no verifier key.")
    key = VerifierKey(name, typed[1:], typed[0])
    if key.key_id.hex() != key_id or typed[0] not in {ED25519, COSIGNATURE}:
        raise CheckpointInvalid("The verifier key's id is not its own.")
    return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its first `size` entries have this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Write the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint, its note, and an SSHSIG of the note for `ssh-keygen`."""

    checkpoint: Checkpoint
    note: bytes
    sshsig: str


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note, as it stands there."""

    name: str
    key_id: bytes
    signature: bytes


def write_note(text: str, signed: Iterable[tuple[VerifierKey, bytes]]) -> bytes:
    """Put signatures under a text."""
    lines = [
        f"— {key.name} {b64encode(key.key_id + signature).decode()}\n"
        for key, signature in signed
    ]
    return f"{text}\n{''.join(lines)}".encode()


def split_note(note: bytes) -> tuple[str, tuple[SignatureLine, ...]]:
    """Split a note at its last empty line into text and signatures, unverified.

    Raises:
        CheckpointInvalid: it has another form.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise CheckpointInvalid(f"A note has at most {MAX_NOTE_BYTES} bytes.")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointInvalid("A note is UTF-8.") from None
    text, gap, below = whole.rpartition("\n\n")
    if not gap or not below.endswith("\n") or _CONTROL.search(whole):
        raise CheckpointInvalid("This is no signed note.")
    lines = tuple(_signature_line(line) for line in below[:-1].split("\n"))
    if len({(line.name, line.key_id) for line in lines}) != len(lines):
        raise CheckpointInvalid("A key signed the note twice.")
    return text + "\n", lines


def open_note(
    note: bytes, keys: Sequence[VerifierKey], check: SignatureCheck
) -> tuple[str, tuple[VerifierKey, ...]]:
    """Give a note's text and the known keys that signed it.

    Raises:
        CheckpointInvalid: its form is another one, a known key's line does not
            verify, or no known key signed it.
    """
    text, lines = split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    signers = []
    for line in lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        if not _verifies(key, line.signature, text.encode(), check):
            raise CheckpointInvalid(f"The signature of {key.name} does not verify.")
        signers.append(key)
    if not signers:
        raise CheckpointInvalid("No key that is known here signed the note.")
    return text, tuple(signers)


def read_checkpoint(
    note: bytes, origin: str, keys: Sequence[VerifierKey], check: SignatureCheck
) -> Checkpoint:
    """Read a checkpoint of the log `origin`, which its own key must have signed.

    Raises:
        CheckpointInvalid: it is not one.
    """
    text, signers = open_note(note, keys, check)
    if not any((it.name, it.type_byte) == (origin, ED25519) for it in signers):
        raise CheckpointInvalid(f"No key of {origin} signed the checkpoint.")
    stated = parse_text(text)
    if stated.origin != origin:
        raise CheckpointInvalid(f"The checkpoint is of another log than {origin}.")
    return stated


def parse_text(text: str) -> Checkpoint:
    """Read what a checkpoint's text states; whoever signed it is not asked here.

    Raises:
        CheckpointInvalid: it states no checkpoint, or in another spelling.
    """
    lines = text.split("\n")
    if len(lines) != _TEXT_LINES + 1 or lines[-1]:
        raise CheckpointInvalid("A checkpoint has three lines.")
    origin, size, encoded, _ = lines
    root = _base64(encoded)
    if not _NAME.fullmatch(origin):
        raise CheckpointInvalid("A log's origin has neither spaces nor plus signs.")
    if not _SIZE.fullmatch(size):
        raise CheckpointInvalid("A size is written in plain decimal digits.")
    if root is None or len(root) != HASH_BYTES:
        raise CheckpointInvalid(f"A root has {HASH_BYTES} bytes, in base64.")
    return Checkpoint(origin, int(size), root)


def origin_of(instance: str, generation: int) -> str:
    """Name an instance's log; each new beginning after a loss has its own name."""
    first = f"{instance}/audit"
    return first if generation == 1 else f"{first}/{generation}"


def generation_of(instance: str, origin: str) -> int | None:
    """Give which of an instance's logs an origin names; None for another's."""
    first = f"{instance}/audit"
    if origin == first:
        return 1
    number = origin.removeprefix(first + "/")
    if number == origin or not number.isascii() or not number.isdigit():
        return None
    generation = int(number[:9])
    named = generation > 1 and origin_of(instance, generation) == origin
    return generation if named else None


def _signature_line(line: str) -> SignatureLine:
    match = _LINE.fullmatch(line)
    content = _base64(match[2]) if match else None
    if match is None or content is None or len(content) <= KEY_ID_BYTES:
        raise CheckpointInvalid("A line below the text is no signature.")
    return SignatureLine(match[1], content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


def _verifies(
    key: VerifierKey, signature: bytes, text: bytes, check: SignatureCheck
) -> bool:
    message = text
    if key.type_byte == COSIGNATURE:
        stamp, signature = signature[:_TIME_BYTES], signature[_TIME_BYTES:]
        at = int.from_bytes(stamp, "big")
        message = f"cosignature/v1\ntime {at}\n".encode() + text
    elif key.type_byte != ED25519:
        return False
    return len(signature) == _SIGNATURE_BYTES and check(key.public, signature, message)


def _base64(text: str) -> bytes | None:
    """Decode standard base64 with padding, in its one spelling; else None."""
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        return None
    return content if b64encode(content).decode() == text else None
