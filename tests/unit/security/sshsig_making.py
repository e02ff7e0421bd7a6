"""Published vectors and throwaway keys for the tests of signatures."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from refundwatch.security.sshsig import (
    Demands,
    PublicKey,
    armor,
    parse_public_key,
    signed_bytes,
)
from refundwatch.security.sshsig.wire import string, uint32

FILE = Path(__file__).resolve().parents[2] / "vectors" / "operator_keys.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ACCEPT: list[dict[str, Any]] = VECTORS["accept"]
REJECT: list[dict[str, Any]] = VECTORS["reject"]
DECISION = "refundwatch-decision@refundwatch.example"
# TEST-ONLY, published.
PRIVATE = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex(VECTORS["ed25519"]["seed_hex"])
)
RSA_TOO = Demands(rsa=True)
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def blob_of(armored: str) -> bytes:
    """What stands between the lines of an armored signature."""
    return b64decode("".join(armored.splitlines()[1:-1]))


def armored(blob: bytes) -> str:
    """Any bytes in armor."""
    return f"{BEGIN}\n{b64encode(blob).decode()}\n{END}\n"


def device_key(seed: bytes, application: bytes = b"ssh:") -> PublicKey:
    """The public half of a FIDO device made of software."""
    name = b"sk-ssh-ed25519@openssh.com"
    point = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    blob = string(name) + string(point) + string(application)
    return parse_public_key(f"{name.decode()} {b64encode(blob).decode()}")


def device_sign(
    seed: bytes,
    message: bytes,
    namespace: str,
    *,
    flags: int,
    counter: int = 7,
    application: bytes = b"ssh:",
) -> str:
    """Sign as such a device does."""
    key = device_key(seed, application)
    said = bytes([flags]) + uint32(counter)
    data = sha256(signed_bytes(message, namespace)).digest()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    made = private.sign(sha256(application).digest() + said + data)
    field = string(key.type.encode()) + string(made) + said
    return armor(key, namespace, "sha512", field)
