"""Client certificates are known by their public key, so a renewed one stays known.

Invariant: a digest is the lower-case hex SHA-256 of the DER of the public key (SPKI).
"""

from __future__ import annotations

from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["pem_sha256", "spki_sha256"]


def spki_sha256(certificate: bytes) -> str:
    """Digest the public key of a DER certificate, in hex.

    Raises:
        ValueError: it is no certificate.
    """
    return _digest(x509.load_der_x509_certificate(certificate))


def pem_sha256(text: bytes) -> str:
    """Digest the public key of the first certificate of a PEM file, in hex.

    Raises:
        ValueError: there is none.
    """
    return _digest(x509.load_pem_x509_certificate(text))


def _digest(certificate: x509.Certificate) -> str:
    encoded = certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(encoded).hexdigest()
