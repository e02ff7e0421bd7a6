"""Whether a signature holds: seven checks in a fixed order, the first failure ends.

Invariant: everybody outside hears the same refusal; only its `reason_code` differs.
FIDO devices must have been touched, which `ssh-keygen -Y verify` does not ask.

An ECDSA signature can be rewritten without the key: its bytes are no identity and no
replay key. That is what the nonce in a statement is for.

Source: OpenSSH PROTOCOL.sshsig 1.4 and PROTOCOL.u2f; RFC 8332 (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from refundwatch.errors import SignatureRefused
from refundwatch.security.sshsig.armored import HASHES, parse_armored, signed_bytes
from refundwatch.security.sshsig.keys import (
    ED25519,
    RSA,
    SK_ECDSA,
    SK_ED25519,
    KeyParts,
    PublicKey,
    open_key,
)
from refundwatch.security.sshsig.wire import Fields, WireBroken, uint32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.security.sshsig.armored import Sshsig
    from refundwatch.security.sshsig.keys import Point

TOUCHED: Final = 0x01
PIN_GIVEN: Final = 0x04
RSA_LEAST_BITS: Final = 3072
_APPLICATION: Final = b"ssh:"
_ECDSA_256: Final = "ecdsa-sha2-nistp256"
_ECDSA_384: Final = "ecdsa-sha2-nistp384"
_ALLOWED: Final = frozenset(
    {ED25519, SK_ED25519, SK_ECDSA, _ECDSA_256, _ECDSA_384, RSA}
)
_RSA_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
# The curve chooses the hash, whatever the signature's own hash name says.
_ECDSA_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
}


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked beyond a signature that holds.

    `pin`: a FIDO device that was given its PIN or a finger; `rsa`: RSA may sign.
    """

    pin: bool = False
    rsa: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds; `flags` and `counter` stand with FIDO keys alone.

    The counter is no proof across devices: it is for the log.
    """

    key: PublicKey
    flags: int | None = None
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class _Field:
    """A signature field taken apart: its algorithm, what was made, the device's say."""

    algorithm: str
    made: bytes
    flags: int | None
    counter: int | None


def verify(
    message: bytes,
    armored: str | bytes,
    *,
    namespace: str,
    key: PublicKey,
    demands: Demands = Demands(),
) -> Signed:
    """Verify that `key`, which the caller trusts, signed these bytes for this.

    Raises:
        SignatureRefused: it does not hold; `reason_code` says which check ended it.
    """
    try:
        return _verified(message, parse_armored(armored), namespace, key, demands)
    except WireBroken as broken:
        raise SignatureRefused(broken.reason_code) from broken


def refusal_of(key: PublicKey, demands: Demands) -> str | None:
    """Tell why no signature of this key could ever be accepted, or None."""
    try:
        parts = open_key(key)
        _check_kind(key, parts, demands)
        _check_device(key, parts, demands)
    except WireBroken as broken:
        return broken.reason_code
    return None


def _verified(
    message: bytes, found: Sshsig, namespace: str, key: PublicKey, demands: Demands
) -> Signed:
    if not namespace or found.namespace != namespace:
        raise WireBroken("namespace")
    if found.reserved:
        raise WireBroken("reserved")
    if found.hash_name not in HASHES:
        raise WireBroken("hash")
    if found.key != key:
        raise WireBroken("other_key")
    parts = open_key(key)
    _check_kind(key, parts, demands)
    field = _field(found.signature, key)
    _check_device(key, parts, demands)
    data = signed_bytes(message, namespace, found.hash_name)
    if key.is_sk:
        _check_flags(field, demands)
        data = _device_message(parts, field, data)
    _check(parts.point, field, data)
    return Signed(key, field.flags, field.counter)


def _check_kind(key: PublicKey, parts: KeyParts, demands: Demands) -> None:
    """Refuse kinds of keys that may not sign, and RSA where it is off or short."""
    if key.type not in _ALLOWED:
        raise WireBroken("key_type")
    if isinstance(parts.point, RSAPublicKey):
        if not demands.rsa:
            raise WireBroken("rsa_off")
        if parts.point.key_size < RSA_LEAST_BITS:
            raise WireBroken("rsa_short")


def _field(signature: bytes, key: PublicKey) -> _Field:
    """Take the signature field apart, its algorithm first."""
    fields = Fields(signature)
    algorithm = fields.string()
    # SHA-1 has the name of the key's own type, and is no name here.
    names = _RSA_HASHES if key.type == RSA else (key.type,)
    if algorithm not in {name.encode("ascii") for name in names}:
        raise WireBroken("algorithm")
    made = fields.string()
    flags = fields.byte() if key.is_sk else None
    counter = fields.uint32() if key.is_sk else None
    fields.end()
    return _Field(algorithm.decode("ascii"), made, flags, counter)


def _check_device(key: PublicKey, parts: KeyParts, demands: Demands) -> None:
    """Refuse a key in a file where a device is asked for, and a website's device."""
    if demands.pin and not key.is_sk:
        raise WireBroken("not_a_device")
    if key.is_sk and parts.application != _APPLICATION:
        raise WireBroken("application")


def _check_flags(field: _Field, demands: Demands) -> None:
    """Refuse what a device signed without its owner."""
    flags = field.flags or 0
    if not flags & TOUCHED:
        raise WireBroken("not_touched")
    if demands.pin and not flags & PIN_GIVEN:
        raise WireBroken("no_pin")


def _device_message(parts: KeyParts, field: _Field, data: bytes) -> bytes:
    """Give what a FIDO device signed."""
    application = sha256(parts.application or b"").digest()
    said = bytes([field.flags or 0]) + uint32(field.counter or 0)
    return application + said + sha256(data).digest()


def _check(point: Point, field: _Field, data: bytes) -> None:
    """Do the mathematics."""
    try:
        match point:
            case Ed25519PublicKey():
                point.verify(field.made, data)
            case ec.EllipticCurvePublicKey():
                point.verify(_dss(field.made), data, ec.ECDSA(_curve_hash(point)))
            case RSAPublicKey():
                digest = _RSA_HASHES[field.algorithm]
                point.verify(field.made, data, PKCS1v15(), digest)
    except InvalidSignature as invalid:
        raise WireBroken("mathematics") from invalid


def _curve_hash(point: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    return _ECDSA_HASHES[point.curve.name]


def _dss(made: bytes) -> bytes:
    fields = Fields(made)
    r, s = fields.mpint(), fields.mpint()
    fields.end()
    return encode_dss_signature(r, s)
