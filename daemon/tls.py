"""TLS of the operator API beyond loopback.

Invariant: TLS 1.2 at least, forward secrecy and authenticated ciphers only, no
renegotiation, and no key without its certificate.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!aDSS"
"""Of TLS 1.2; those of 1.3 are all of this kind."""


def server_context(
    certificate: Path | None,
    key: Path | None,
    client_ca: Path | None = None,
    *,
    demanded: bool = False,
) -> ssl.SSLContext | None:
    """Return the context of a listener; None where there is no certificate.

    `client_ca` holds the authorities of client certificates; `demanded` refuses
    whoever shows none.

    Raises:
        ConfigError: a file cannot be used.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    load_pair(context, certificate, key)
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{client_ca}: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED if demanded else ssl.CERT_OPTIONAL
    return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Let a context show a certificate from the next handshake on.

    Raises:
        ConfigError: certificate or key cannot be used.
    """
    try:
        context.load_cert_chain(certificate, key, password=_refuse_to_ask)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate}: {error}") from error


def _refuse_to_ask() -> NoReturn:
    """Keep OpenSSL from asking the terminal, which would stop the daemon."""
    raise ConfigError("The key of api.tls_key is locked by a passphrase.")


def fingerprint(certificate: Path | None) -> bytes | None:
    """Tell one certificate file from another; None where there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    if certificate is None:
        return None
    try:
        return sha256(certificate.read_bytes()).digest()
    except OSError as error:
        raise ConfigError(f"{certificate}: {error.strerror or error}") from error


def following(
    current: Callable[[], ssl.SSLContext | None],
) -> ssl.SSLContext | None:
    """Return the listener's context, whose handshakes each use the one of that moment.

    Lines that stand keep what they were opened with. OpenSSL asks for the context in
    every handshake, whether or not the client names a server.
    """
    first = current()
    if first is None:
        return None

    def choose(
        line: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext
    ) -> None:
        now = current()
        if now is not None and now is not line.context:
            line.context = now

    first.sni_callback = choose
    return first


def spki_sha256(certificate: Path | None) -> str | None:
    """Give the hash of the public key that a certificate shows, in hex.

    Raises:
        ConfigError: there is a certificate, and it cannot be read.
    """
    if certificate is None:
        return None
    try:
        found = load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{certificate}: {error}") from error
    key = found.public_key()
    return sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()
