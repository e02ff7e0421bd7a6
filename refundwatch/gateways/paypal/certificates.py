"""The certificates that sign PayPal's webhooks: where from, and whom to believe.

Invariant: nothing is fetched from a URL that is not one of PayPal's own, letter by
letter, and no key verifies anything before its certificate chains, at this moment, to
an authority that the operator trusts and carries PayPal's name for the mode.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import verification

from refundwatch.gateways.paypal import facts

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import AccountView

MAX_BYTES: Final = 64 * 1024
_MAX_URL: Final = 512
_MAX_CHAIN: Final = 10

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LOOPBACK: Final = re.compile(
    r"https?://(?:127(?:\.[0-9]{1,3}){3}|\[::1\]|localhost)(?::[0-9]{1,5})?"
)
_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)

# What the library raises for a certificate that is none, or none it can judge.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.AttributeNotFound,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    verification.VerificationError,
)

# --- where from -------------------------------------------------------------------


def is_allowed(url: str, account: AccountView) -> bool:
    """Tell whether a certificate may be fetched from this URL for this account.

    The text is compared as it is, so that nothing hangs on how a client would read
    a user, a port, a point or an escape in it.
    """
    if len(url) > _MAX_URL:
        return False
    for origin in origins(account):
        base = origin + facts.CERTIFICATE_PATH
        if url.startswith(base):
            return _FILE_NAME.fullmatch(url[len(base) :]) is not None
    return False


def origins(account: AccountView) -> tuple[str, ...]:
    """Give the origins of the mode; a sandbox may add one on this machine."""
    known = facts.CERTIFICATE_ORIGINS.get(account.mode, ())
    extra = account.settings.get(facts.WEBHOOK_CERT_ORIGIN, "")
    if account.mode == "sandbox" and _LOOPBACK.fullmatch(extra):
        return (*known, extra)
    return known


# --- whom to believe --------------------------------------------------------------


@lru_cache(maxsize=8)
def trusted(pem: str) -> verification.Store | None:
    """Give the authorities of the operator's bundle, or None where it holds none.

    One that cannot be read is passed over: bundles of systems hold odd ones.
    """
    read = (_certificate(block) for block in _PEM.findall(pem))
    roots = [root for root in read if root is not None]
    return verification.Store(roots) if roots else None


def believed_key(
    pem: bytes, store: verification.Store, mode: str, now: datetime
) -> RSAPublicKey | None:
    """Give the key of a served certificate that holds now; None for any other.

    The file is the leaf, then its intermediates if it has any.
    """
    name = facts.CERTIFICATE_NAMES.get(mode)
    blocks = _PEM.findall(pem.decode("ascii", "replace"))
    if name is None or not 0 < len(blocks) <= _MAX_CHAIN:
        return None
    chain = [one for one in map(_certificate, blocks) if one is not None]
    if len(chain) != len(blocks):
        return None
    return _verified_key(chain, store, name, now)


def _verified_key(
    chain: list[x509.Certificate],
    store: verification.Store,
    name: str,
    now: datetime,
) -> RSAPublicKey | None:
    leaf, *intermediates = chain
    builder = verification.PolicyBuilder().store(store).time(now)
    try:
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf, intermediates)
        key = leaf.public_key()
    except _UNREADABLE:
        return None
    return key if isinstance(key, RSAPublicKey) else None


def _certificate(block: str) -> x509.Certificate | None:
    with warnings.catch_warnings():
        # An odd serial number is the verifier's to judge, not a warning's.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return x509.load_pem_x509_certificate(block.encode("ascii"))
        except _UNREADABLE:
            return None
