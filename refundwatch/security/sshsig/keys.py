"""SSH public keys, read strictly.

Invariant: a key has exactly one sequence of bytes, which are compared and stored; what
`parse_public_key` gave can be verified with.

Source: RFC 4253 section 6.6, RFC 5656, RFC 8709, OpenSSH PROTOCOL.u2f (read 2026-11).
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPublicKey,
    RSAPublicNumbers,
)

from refundwatch.errors import PublicKeyInvalid
from refundwatch.security.sshsig.wire import Fields, WireBroken

if TYPE_CHECKING:
    from collections.abc import Mapping

Point: TypeAlias = "Ed25519PublicKey | ec.EllipticCurvePublicKey | RSAPublicKey"

ED25519: Final = "ssh-ed25519"
RSA: Final = "ssh-rsa"
SK_ED25519: Final = "sk-ssh-ed25519@openssh.com"
SK_ECDSA: Final = "sk-ecdsa-sha2-nistp256@openssh.com"
_ECDSA: Final = "ecdsa-sha2-"
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "nistp256": ec.SECP256R1(),
    "nistp384": ec.SECP384R1(),
    "nistp521": ec.SECP521R1(),
}
_LONGEST_LINE: Final = 16 * 1024
_LINE: Final = re.compile(
    r"(?P<type>[a-z0-9@.-]{1,64}) (?P<blob>[A-Za-z0-9+/]+={0,2})(?: [^\r\n\0]*)?\n?"
)
# Numbers beyond these would make each check a burden.
_RSA_MOST_BITS: Final = 8192
_RSA_MOST_EXPONENT_BITS: Final = 64
_RSA_LEAST_EXPONENT: Final = 3
# The points of small order, without their sign: under each of them anybody can make a
# signature that many or all messages fit, so nobody who has one could be held to it.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
_SIGN_BIT: Final = 0x80


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as SSH writes it: `blob` holds the type once more."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """Its name for people, as `ssh-keygen -l` prints it."""
        digest = b64encode(sha256(self.blob).digest())
        return f"SHA256:{digest.decode('ascii').rstrip('=')}"

    @property
    def line(self) -> str:
        """Type and base64, as they stand in a `.pub` file, without the comment."""
        return f"{self.type} {b64encode(self.blob).decode('ascii')}"

    @property
    def is_sk(self) -> bool:
        """Whether it lives in a FIDO device."""
        return self.type in {SK_ED25519, SK_ECDSA}


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key's blob holds; `application` stands with FIDO keys alone."""

    point: Point
    application: bytes | None = None


def parse_public_key(text: str) -> PublicKey:
    """Read one line of a `.pub` file; its comment is left out.

    Raises:
        PublicKeyInvalid: it is no public key, or one of a kind that cannot sign here.
    """
    match = _LINE.fullmatch(text) if len(text) <= _LONGEST_LINE else None
    if match is None:
        raise PublicKeyInvalid("This is not one line of type and base64, as in a .pub.")
    try:
        blob = strict_base64(match["blob"].encode("ascii"))
    except WireBroken as broken:
        raise PublicKeyInvalid("The key's base64 is broken.") from broken
    return _sound(PublicKey(match["type"], blob))


def read_blob(blob: bytes) -> PublicKey:
    """Read a key as it stands in a signature or in an agent's list.

    Raises:
        PublicKeyInvalid: it is no public key, or one of a kind that cannot sign here.
    """
    try:
        name = Fields(blob).string().decode("ascii")
    except (WireBroken, UnicodeDecodeError) as error:
        raise PublicKeyInvalid("The key names no type.") from error
    return _sound(PublicKey(name, blob))


def _sound(key: PublicKey) -> PublicKey:
    try:
        open_key(key)
    except WireBroken as broken:
        sentence = _SENTENCES.get(broken.reason_code, "is damaged")
        name = ascii(key.type)[1:-1][:64]
        raise PublicKeyInvalid(f"The {name} key {sentence}.") from broken
    return key


_SENTENCES: Final[Mapping[str, str]] = {
    "key_type": "is of a kind that cannot sign here",
    "key_type_differs": "says another type inside",
    "key_small_order": "is one with which anybody could sign",
    "rsa_size": f"has more than {_RSA_MOST_BITS} bits, or an odd exponent",
}


def open_key(key: PublicKey) -> KeyParts:
    """Take a key apart, down to what `cryptography` verifies with.

    Raises:
        WireBroken: the blob is not a key of that type.
    """
    fields = Fields(key.blob)
    if fields.string() != key.type.encode("utf-8"):
        raise WireBroken("key_type_differs")
    match key.type:
        case "ssh-ed25519":
            parts = KeyParts(_ed25519(fields))
        case "sk-ssh-ed25519@openssh.com":
            parts = KeyParts(_ed25519(fields), fields.string())
        case "sk-ecdsa-sha2-nistp256@openssh.com":
            parts = KeyParts(_ecdsa(fields, "nistp256"), fields.string())
        case "ssh-rsa":
            parts = KeyParts(_rsa(fields))
        case _ if key.type.removeprefix(_ECDSA) in _CURVES:
            parts = KeyParts(_ecdsa(fields, key.type.removeprefix(_ECDSA)))
        case _:
            raise WireBroken("key_type")
    fields.end()
    return parts


def strict_base64(text: bytes) -> bytes:
    """Decode base64 that has exactly one spelling.

    Raises:
        WireBroken: it has strange characters, bad padding, or loose bits at its end.
    """
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise WireBroken("base64") from error
    if binascii.b2a_base64(decoded, newline=False) != text:
        raise WireBroken("base64")
    return decoded


def _ed25519(fields: Fields) -> Ed25519PublicKey:
    point = fields.string()
    unsigned = point[:-1] + bytes(octet & ~_SIGN_BIT for octet in point[-1:])
    if unsigned in _SMALL_ORDER:
        raise WireBroken("key_small_order")
    try:
        return Ed25519PublicKey.from_public_bytes(point)
    except ValueError as error:
        raise WireBroken("key_point") from error


def _ecdsa(fields: Fields, curve: str) -> ec.EllipticCurvePublicKey:
    if fields.string() != curve.encode("ascii"):
        raise WireBroken("key_curve")
    point = fields.string()
    # The short form would be a second spelling of the same point.
    if point[:1] != b"\x04":
        raise WireBroken("key_point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], point)
    except ValueError as error:
        raise WireBroken("key_point") from error


def _rsa(fields: Fields) -> RSAPublicKey:
    exponent, modulus = fields.mpint(), fields.mpint()
    if (
        modulus.bit_length() > _RSA_MOST_BITS
        or exponent.bit_length() > _RSA_MOST_EXPONENT_BITS
        or exponent < _RSA_LEAST_EXPONENT
        or not exponent & 1
    ):
        raise WireBroken("rsa_size")
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise WireBroken("rsa_size") from error
