"""Certificates made for tests: an authority, and what it vouches for."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from refundwatch.gateways.contract import RawDelivery
from tests.unit.gateways.driving import NOW

if TYPE_CHECKING:
    from datetime import datetime

NAME = "messageverificationcerts.sandbox.paypal.com"
LIVE_NAME = "messageverificationcerts.paypal.com"
WEBHOOK_ID = "1JE4291016473214C"
URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"
START, END = NOW - timedelta(days=30), NOW + timedelta(days=30)


@cache
def key(number: int) -> rsa.RSAPrivateKey:
    """Make a key once; 0 is the authority's, 1 the signer's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    private: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def issue(
    name: str,
    by: Issued | None = None,
    *,
    private: Any = None,
    authority: bool = False,
    alternative: bool = True,
    start: datetime = START,
    end: datetime = END,
) -> Issued:
    private = private or key(1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.private if by else private
    issuer = by.certificate.subject if by else subject
    builder = (
        x509.CertificateBuilder(issuer, subject, private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(_usage(authority=authority), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(private.public_key()),
            critical=False,
        )
    )
    if not authority:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    if not authority and alternative:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
    return Issued(builder.sign(signer, SHA256()), private)


@cache
def root() -> Issued:
    return issue("Test Root", private=key(0), authority=True)


@cache
def leaf() -> Issued:
    return issue(NAME, root())


def elliptic() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signed(
    body: bytes,
    *,
    private: rsa.RSAPrivateKey | None = None,
    at: str = "2026-11-20T11:59:00Z",
    webhook_id: str = WEBHOOK_ID,
    **changes: str | None,
) -> RawDelivery:
    """Give a delivery as PayPal sends it; `changes` replace headers after signing."""
    identity = "3f1c2a90-c5f9-11f1-9c3e-77339302725b"
    message = f"{identity}|{at}|{webhook_id}|{crc32(body)}".encode()
    signature = (private or key(1)).sign(message, padding.PKCS1v15(), SHA256())
    headers: dict[str, str | None] = {
        "paypal-transmission-id": identity,
        "paypal-transmission-time": at,
        "paypal-transmission-sig": b64encode(signature).decode(),
        "paypal-cert-url": URL,
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-auth-version": "v2",
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    stated = {name: value for name, value in headers.items() if value is not None}
    return RawDelivery(stated, body)
