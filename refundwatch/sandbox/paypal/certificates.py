"""The authority and the certificate that sign PayPal's webhooks in the sandbox.

Invariant: the leaf carries the name that PayPal's sandbox uses and chains to a CA made
for this sandbox alone; both private keys stay in memory or in its own snapshot.
Source: gateways/paypal.md section 6 (read 2026-11).
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SIGNER_NAME = "messageverificationcerts.sandbox.paypal.com"

_BITS = 2048
_LIFETIME = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSigner:
    """Hold the PEM texts; ``certificate_id`` is the last part of the cert URL."""

    ca_pem: str
    certificate_pem: str
    key_pem: str = field(repr=False)

    @property
    def certificate_id(self) -> str:
        """Return an id that changes with the certificate."""
        digest = sha256(self.certificate_pem.encode()).hexdigest()
        return f"CERT-{digest[:8]}-{digest[8:16]}-{digest[16:24]}"

    @classmethod
    def made(cls, now: float) -> Self:
        """Make a CA and a leaf valid around ``now``; this draws fresh keys."""
        start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        ca_key, leaf_key = _new_key(), _new_key()
        ca = _authority(ca_key, start)
        leaf = _leaf(leaf_key, ca, ca_key, start)
        pem = serialization.Encoding.PEM
        key = leaf_key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return cls(
            ca_pem=ca.public_bytes(pem).decode(),
            certificate_pem=leaf.public_bytes(pem).decode(),
            key_pem=key.decode(),
        )

    def sign(self, message: bytes) -> str:
        """Return the Base64 signature of a message."""
        key = _private_key(self.key_pem)
        raw = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(raw).decode()

    def verifies(self, message: bytes, signature: str) -> bool:
        """Tell whether a Base64 signature is this signer's."""
        leaf = x509.load_pem_x509_certificate(self.certificate_pem.encode())
        key = leaf.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        try:
            raw = base64.b64decode(signature, validate=True)
            key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True


@lru_cache(maxsize=4)
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    # Reading a key checks it, which takes longer than many signatures.
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        message = "the signer's key is no RSA key"
        raise TypeError(message)
    return key


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, start: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            critical=False,
        )
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(key: rsa.RSAPrivateKey, start: datetime) -> x509.Certificate:
    name = _name("Sandbox Webhook CA")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return (
        _builder(name, name, key, start)
        .add_extension(constraints, critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: rsa.RSAPrivateKey,
    ca: x509.Certificate,
    ca_key: rsa.RSAPrivateKey,
    start: datetime,
) -> x509.Certificate:
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]  # the CA above is RSA
    return (
        _builder(_name(SIGNER_NAME), ca.subject, key, start)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(SIGNER_NAME)]), critical=False
        )
        .add_extension(issuer_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
