"""A merchant, its refund, and what Cybersource says of them."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from refundwatch.gateways.contract import AccountView, Credentials, RawDelivery
from refundwatch.gateways.cybersource.adapter import Cybersource
from tests.unit.gateways.driving import STRIPE_REFUND, VECTORS

GATEWAY = Cybersource()
ACCOUNT = AccountView(
    "cybersource-us",
    "sandbox",
    "https://apitest.cybersource.com",
    {"merchant_id": "refundwatch_test"},
)
SIGNING_ACCOUNT = replace(
    ACCOUNT,
    settings={"merchant_id": "refundwatch_test", "authentication": "http_signature"},
)
CAPTURE = "7398201234567890123456"
REFUND = "7398209876543210123456"
ORDER = replace(STRIPE_REFUND, account=ACCOUNT, payment_reference=CAPTURE)
KNOWN = replace(ORDER, gateway_reference=REFUND)
KEY = Credentials(
    {
        "key_id": "08c94330-f618-42a3-b09d-e1e43be5efda",
        "shared_secret": "cmVmdW5kd2F0Y2gtdGVzdC1zaGFyZWQtc2VjcmV0LTMyYg==",
    }
)
RECORDED: list[dict[str, Any]] = json.loads(
    (VECTORS / "cybersource_answers.json").read_text("utf-8")
)["answers"]
SIGNED: list[dict[str, Any]] = json.loads(
    (VECTORS / "webhooks_cybersource.json").read_text("utf-8")
)["vectors"]
SAID: dict[str, Any] = {one["name"]: one["body"] for one in RECORDED}
GOOD = SAID["accepted"]
HOOK_SECRET = "cmVmdW5kd2F0Y2gtd2ViaG9vay1rZXktMDEyMzQ1Njc4OQ=="
AT = datetime.fromtimestamp(1_772_446_530.123, UTC)


def transaction(
    status: str | None = "PENDING",
    code: object = "1",
    *applications: str,
    names: tuple[str, ...] = (CAPTURE,),
    amount: object = "10.50",
    currency: object = "EUR",
    **changes: object,
) -> dict[str, Any]:
    """A refund, or what other applications make of it; `...` leaves a member out."""
    made: dict[str, Any] = copy.deepcopy(SAID["refund-read"])
    made["applicationInformation"] = {
        "applications": [
            {"name": name, "reasonCode": "100", "rCode": code, "rFlag": "SOK"}
            for name in applications or ("ics_credit",)
        ]
    }
    if status is not None:
        made["applicationInformation"]["status"] = status
    made["orderInformation"]["amountDetails"] = {
        "totalAmount": amount,
        "currency": currency,
    }
    made["_links"]["relatedTransactions"] = [
        {"href": f"https://apitest.cybersource.com/tss/v2/transactions/{name}"}
        for name in names
    ]
    return {k: v for k, v in {**made, **changes}.items() if v is not ...}


def capture(*refunds: str, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"amount": "50.00", "id": CAPTURE, "names": refunds}
    return transaction("TRANSMITTED", "1", "ics_bill", **{**facts, **changes})


def sale(*refunds: str, **changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"amount": "50.00", "id": CAPTURE, "names": refunds}
    return transaction(
        "TRANSMITTED", "1", "ics_auth", "ics_bill", **{**facts, **changes}
    )


def search(*rows: Any, total: object = ...) -> dict[str, Any]:
    count = len(rows) if total is ... else total
    listed = {"transactionSummaries": list(rows)}
    return {"searchId": "b1d7", "totalCount": count, "_embedded": listed}


def summary(code: str = "1", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(
        SAID["found"]["_embedded"]["transactionSummaries"][0]
    )
    made["applicationInformation"]["applications"][0]["rCode"] = code
    return {**made, **changes}


# --- webhooks ---------------------------------------------------------------------


def event(payload: Any = ..., **changes: Any) -> bytes:
    plain = {
        "id": REFUND,
        "status": "BATCHED",
        "clientReferenceInformation": {"code": "rw-000001"},
    }
    body = {
        "eventType": "payments.refund.status.updated",
        "webhookId": "e339e8b1-d540-4efd-e053-8d588e0a2de5",
        "eventDate": "2026-03-02T10:15:30",
        "payload": plain if payload is ... else payload,
        **changes,
    }
    return json.dumps(body).encode()


def signature(text: bytes, stamp: object = 1_772_446_530_123) -> str:
    message = f"{stamp}.".encode() + text
    mac = hmac.new(base64.b64decode(HOOK_SECRET), message, hashlib.sha256).digest()
    return f"t={stamp};keyId=bdc0fe52;sig={base64.b64encode(mac).decode()}"


def signed(body: bytes, text: bytes | None = None, **how: Any) -> RawDelivery:
    header = signature(body if text is None else text, **how)
    return RawDelivery({"v-c-signature": header}, body)


@cache
def private_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def private_pem() -> str:
    return (
        private_key()
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )


def _part(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sealed(text: bytes, **head: str) -> str:
    """Encrypt for our certificate, as RFC 7516 says."""
    named = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "1", **head}
    first = _part(json.dumps(named).encode())
    key, iv = secrets.token_bytes(32), secrets.token_bytes(12)
    padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    wrapped = private_key().public_key().encrypt(key, padding)
    whole = AESGCM(key).encrypt(iv, text, first.encode())
    return ".".join((first, *map(_part, (wrapped, iv, whole[:-16], whole[-16:]))))
