"""Client certificates, as the clients of the API name them.

Invariant: there is one digest of a certificate, and this is it.
"""

from __future__ import annotations

from refundwatch.security.certificates import pem_sha256

__all__ = ["pem_sha256"]
