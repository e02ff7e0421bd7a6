"""TLS of the operator API beyond loopback.

Invariant: TLS 1.2 at least, and no key without its certificate.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from refundwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def server_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the context of a listener; None where there is no certificate.

    Raises:
        ConfigError: certificate or key cannot be used.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate}: {error}") from error
    return context
