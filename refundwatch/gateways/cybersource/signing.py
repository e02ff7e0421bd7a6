"""Proving who asks: HTTP signatures, and tokens bound to one request.

Invariant: what is signed is exactly what is sent: method, host, path with query and
the bytes of the body. Nothing here reads a clock or draws a number.

Source: CyberSource/cybersource-rest-client-python authenticationsdk (commit 968a29f).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from refundwatch.errors import InvariantBroken
from refundwatch.gateways.cybersource import facts
from refundwatch.gateways.signing import hmac_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from refundwatch.gateways.contract import Credentials, HttpRequest

HOST = "Host"
MERCHANT = "v-c-merchant-id"
TOKEN_WANTED = ("Authorization", "Bearer")
"""A request that bears this is to be proved by a token, not by a signature."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A shared secret and its id; the secret is never shown."""

    key_id: str
    secret: bytes = field(repr=False)


def key_pair(credentials: Credentials) -> KeyPair:
    """Give the key of a connection.

    Raises:
        InvariantBroken: a credential is missing, or the secret is no Base64.
    """
    key_id, written = (
        credentials.values.get(name) for name in facts.CAPABILITIES.credentials
    )
    if not key_id or not written:
        message = "The connection to Cybersource has no credential key_id or secret."
        raise InvariantBroken(message)
    try:
        secret = b64decode(written, validate=True)
    except (Error, ValueError):
        message = "The shared secret of the connection to Cybersource is no Base64."
        raise InvariantBroken(message) from None
    return KeyPair(key_id, secret)


def authorized(
    request: HttpRequest, credentials: Credentials, now: datetime
) -> HttpRequest:
    """Return the request with its signature or its token.

    Raises:
        InvariantBroken: the connection has no usable key.
    """
    key = key_pair(credentials)
    moment = now.astimezone(UTC)
    if TOKEN_WANTED not in request.headers:
        headers = (*request.headers, *_signature_headers(request, key, moment))
        return replace(request, headers=headers)
    token = web_token(request, key, moment, _token_id(request, key, moment))
    bare = (one for one in request.headers if one != TOKEN_WANTED)
    return replace(request, headers=(*bare, ("Authorization", f"Bearer {token}")))


def _named(request: HttpRequest) -> tuple[str, str]:
    """Give the host and the merchant that the request was built for."""
    headers: Mapping[str, str] = dict(request.headers)
    return headers.get(HOST, ""), headers.get(MERCHANT, "")


def _digest(body: bytes) -> str:
    return b64encode(sha256(body).digest()).decode("ascii")


# --- HTTP signature ---------------------------------------------------------------


def _signature_headers(
    request: HttpRequest, key: KeyPair, moment: datetime
) -> tuple[tuple[str, str], ...]:
    host, merchant = _named(request)
    date = format_datetime(moment, usegmt=True)
    digest = f"SHA-256={_digest(request.body)}"
    # In the order that the list names them; a read has no digest.
    lines = {
        "host": host,
        "date": date,
        "request-target": f"{request.method.lower()} {request.target}",
        "digest": digest,
        MERCHANT: merchant,
    }
    if not request.body:
        del lines["digest"]
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    signature = b64encode(hmac_sha256(key.secret, text.encode("utf-8"))).decode("ascii")
    proof = (
        f'keyid="{key.key_id}", algorithm="HmacSHA256", '
        f'headers="{" ".join(lines)}", signature="{signature}"'
    )
    dated = (("Date", date), ("signature", proof))
    return (*dated, ("digest", digest)) if request.body else dated


# --- JSON web token ---------------------------------------------------------------


def web_token(
    request: HttpRequest, key: KeyPair, moment: datetime, token_id: str
) -> str:
    """Write a token for exactly this request, good for two minutes."""
    host, merchant = _named(request)
    issued = int(moment.timestamp())
    claims: dict[str, str | int] = {
        "exp": issued + facts.TOKEN_SECONDS,
        "iat": issued,
        "iss": merchant,
        "jti": token_id,
        "request-host": host,
        "request-method": request.method.upper(),
        "request-resource-path": request.target,
        "v-c-jwt-version": "2",
        "v-c-merchant-id": merchant,
    }
    if request.body:
        claims |= {"digest": _digest(request.body), "digestAlgorithm": "SHA-256"}
    head = {"alg": "HS256", "kid": key.key_id, "typ": "JWT"}
    signed = f"{_part(head)}.{_part(claims)}"
    return f"{signed}.{_url_safe(hmac_sha256(key.secret, signed.encode('ascii')))}"


def _token_id(request: HttpRequest, key: KeyPair, moment: datetime) -> str:
    """Derive the token's id: the same request at the same moment has the same."""
    host, merchant = _named(request)
    parts = (
        moment.isoformat(),
        key.key_id,
        merchant,
        host,
        request.method,
        request.target,
        _digest(request.body),
    )
    hashed = sha256("\n".join(parts).encode("utf-8")).digest()
    return str(UUID(bytes=hashed[:16], version=5))


def _part(value: Mapping[str, str | int]) -> str:
    written = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return _url_safe(written.encode("utf-8"))


def _url_safe(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
