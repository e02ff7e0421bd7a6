"""The armored text of a signature, and the bytes that a key really signs.

Invariant: a signature has one armored text up to its line breaks; more than 16 KiB,
another header, or one byte after the last field is no signature.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from refundwatch.errors import InvariantBroken, SignatureRefused
from refundwatch.security.sshsig.keys import PublicKey, strict_base64
from refundwatch.security.sshsig.wire import Fields, WireBroken, string, uint32

MAGIC: Final = b"SSHSIG"
VERSION: Final = 1
LONGEST_BYTES: Final = 16 * 1024
HASHES: Final = frozenset({"sha256", "sha512"})
_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----\n"
_END: Final = b"\n-----END SSH SIGNATURE-----"
_COLUMNS: Final = 70


@dataclass(frozen=True, slots=True)
class Sshsig:
    """What an armored signature says of itself; none of it is checked yet.

    `signature` is the field that the key made: algorithm, then what it asks for.
    """

    key: PublicKey
    namespace: str
    hash_name: str
    signature: bytes
    reserved: bytes = b""


def parse_armored(text: str | bytes) -> Sshsig:
    """Read the armored text of a signature.

    Raises:
        SignatureRefused: it is not exactly one; nothing about it was verified.
    """
    try:
        return _fields_of(_dearmored(text))
    except WireBroken as broken:
        raise SignatureRefused(broken.reason_code) from broken


def signed_bytes(message: bytes, namespace: str, hash_name: str = "sha512") -> bytes:
    """Give the bytes that the key signs: never the message itself.

    Raises:
        InvariantBroken: no namespace, or a hash that no signature may use.
    """
    if not namespace or hash_name not in HASHES:
        raise InvariantBroken(f"Nothing signs in {namespace!r} with {hash_name!r}.")
    return b"".join(
        (
            MAGIC,
            string(namespace.encode("utf-8", "surrogateescape")),
            string(b""),
            string(hash_name.encode("ascii")),
            string(hashlib.new(hash_name, message).digest()),
        )
    )


def armor(
    key: PublicKey, namespace: str, hash_name: str, signature_field: bytes
) -> str:
    """Write a signature as `ssh-keygen -Y sign` does."""
    blob = b"".join(
        (
            MAGIC,
            uint32(VERSION),
            string(key.blob),
            string(namespace.encode("utf-8", "surrogateescape")),
            string(b""),
            string(hash_name.encode("ascii")),
            string(signature_field),
        )
    )
    text = b64encode(blob)
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return (_BEGIN + b"\n".join(lines) + _END + b"\n").decode("ascii")


def _dearmored(text: str | bytes) -> bytes:
    if len(text) > LONGEST_BYTES:
        raise WireBroken("too_long")
    try:
        octets = text.encode("ascii") if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError as error:
        raise WireBroken("armor") from error
    octets = octets.removesuffix(b"\n")
    if not octets.startswith(_BEGIN) or not octets.endswith(_END):
        raise WireBroken("armor")
    lines = octets[len(_BEGIN) : -len(_END)].split(b"\n")
    if not all(lines):
        raise WireBroken("armor")
    return strict_base64(b"".join(lines))


def _fields_of(blob: bytes) -> Sshsig:
    fields = Fields(blob)
    if fields.exactly(len(MAGIC)) != MAGIC:
        raise WireBroken("magic")
    if fields.uint32() != VERSION:
        raise WireBroken("version")
    key, namespace = fields.string(), fields.string()
    reserved, hash_name, signature = fields.string(), fields.string(), fields.string()
    fields.end()
    return Sshsig(
        PublicKey(_text(Fields(key).string()), key),
        _text(namespace),
        _text(hash_name),
        signature,
        reserved,
    )


def _text(octets: bytes) -> str:
    """Give a text that differs wherever the bytes differ."""
    return octets.decode("utf-8", "surrogateescape")
