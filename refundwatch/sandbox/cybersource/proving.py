"""Checking who asks, and signing and sealing what is told, as Cybersource does.

Written apart from the product's own signing, so that both cannot share a mistake.
Source: gateways/cybersource.md sections 2 and 6 (cybersource-rest-client-python
authenticationsdk, Webhooks Implementation Guide, read 2026-11).
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from random import Random
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.model import Request
from refundwatch.sandbox.settings import CybersourceSettings

CLOCK_SKEW_SECONDS = 300.0
_PART = re.compile(r'(\w+)="([^"]*)"')


def is_proven(request: Request, settings: CybersourceSettings, now: float) -> bool:
    """Tell whether a request is signed, or bears a token made for it."""
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme == "Bearer":
        return _token_holds(token, request, settings, now)
    return _signature_holds(request, settings, now)


def _mac(settings: CybersourceSettings, text: bytes) -> bytes:
    key = base64.b64decode(settings.shared_secret)
    return hmac.new(key, text, hashlib.sha256).digest()


def _digest(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _targets(request: Request) -> Iterator[str]:
    """Yield the path with its query, in the spellings that clients use."""
    if not request.query:
        yield request.path
        return
    for safe in ("", ":", ":-_"):
        yield f"{request.path}?{urlencode(request.query, safe=safe)}"
    yield f"{request.path}?" + "&".join(f"{k}={v}" for k, v in request.query)


# HTTP signature.


def _signature_holds(
    request: Request, settings: CybersourceSettings, now: float
) -> bool:
    parts = dict(_PART.findall(request.header("signature")))
    named = parts.get("headers", "").split()
    needed = {"host", "v-c-merchant-id"} | ({"digest"} if request.body else set())
    if not needed <= set(named) or not {"date", "v-c-date"} & set(named):
        return False
    if parts.get("keyid") != settings.key_id or parts.get("algorithm") != "HmacSHA256":
        return False
    if request.header("v-c-merchant-id") != settings.merchant_id:
        return False
    if request.body and request.header("digest") != f"SHA-256={_digest(request.body)}":
        return False
    date = request.header("v-c-date") or request.header("date")
    return _is_now(date, now) and any(
        hmac.compare_digest(_signed(request, named, target, settings), _given(parts))
        for target in _targets(request)
    )


def _given(parts: dict[str, str]) -> bytes:
    return parts.get("signature", "").encode()


def _signed(
    request: Request, named: list[str], target: str, settings: CybersourceSettings
) -> bytes:
    whole = f"{request.method.lower()} {target}"
    lines = [
        f"{name}: {whole}"
        if name in ("request-target", "(request-target)")
        else f"{name}: {request.header(name)}"
        for name in named
    ]
    return base64.b64encode(_mac(settings, "\n".join(lines).encode()))


def _is_now(date: str, now: float) -> bool:
    try:
        at = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return False
    return abs(at - now) <= CLOCK_SKEW_SECONDS


# JSON web token.


def _token_holds(
    token: str, request: Request, settings: CybersourceSettings, now: float
) -> bool:
    signed, _, signature = token.rpartition(".")
    expected = _packed(_mac(settings, signed.encode()))
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return False
    first, _, second = signed.partition(".")
    head, claims = _unpacked(first), _unpacked(second)
    body = request.body
    fits = {
        "iss": settings.merchant_id,
        "v-c-merchant-id": settings.merchant_id,
        "v-c-jwt-version": "2",
        "request-host": request.header("host"),
        "request-method": request.method,
        "digest": _digest(body) if body else None,
        "digestAlgorithm": "SHA-256" if body else None,
    }
    return (
        head == {"alg": "HS256", "kid": settings.key_id, "typ": "JWT"}
        and all(claims.get(name) == value for name, value in fits.items())
        and claims.get("request-resource-path") in set(_targets(request))
        and bool(claims.get("jti"))
        and claims.get("iat", now) - CLOCK_SKEW_SECONDS <= now
        and now <= claims.get("exp", 0.0)
    )


def _packed(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _unpacked(part: str) -> Json:
    try:
        octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        found = json.loads(octets)
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# What is told.


def webhook_signature(key: str, key_id: str, stamp: int, text: bytes) -> str:
    """Return the header of a webhook; ``stamp`` is in milliseconds."""
    message = f"{stamp}.".encode() + text
    digest = hmac.new(base64.b64decode(key), message, hashlib.sha256).digest()
    return f"t={stamp};keyId={key_id};sig={base64.b64encode(digest).decode()}"


def sealed(text: bytes, certificate_pem: str, rng: Random) -> str:
    """Encrypt a text for a merchant's certificate, as a compact JWE."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        message = "message-level encryption needs an RSA certificate"
        raise TypeError(message)
    head = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "1"}
    first = _packed(json.dumps(head, separators=(",", ":")).encode())
    key, iv = rng.randbytes(32), rng.randbytes(12)
    way = padding.OAEP(
        mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None
    )
    whole = AESGCM(key).encrypt(iv, text, first.encode())
    parts = (public.encrypt(key, way), iv, whole[:-16], whole[-16:])
    return ".".join((first, *map(_packed, parts)))
