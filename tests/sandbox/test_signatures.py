from __future__ import annotations

import base64
import json
import subprocess
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import stripe
from Adyen.util import is_valid_hmac_notification
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from refundwatch.sandbox.adyen.signing import item_signature, signing_string
from refundwatch.sandbox.paypal.certificates import SIGNER_NAME
from refundwatch.sandbox.paypal.signing import member_text, signed_message
from refundwatch.sandbox.stripe.signing import signature, signature_header
from tests.sandbox.hands import CAPTURE, START, Hands, body_of, signer
from tests.shared import SHARED

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.sandbox.model import WebhookPost

VECTORS = json.loads(
    (SHARED / "gateways/specs/webhook-vectors-stripe-adyen-paypal.json").read_text()
)


def header_of(post: WebhookPost, name: str) -> str:
    return dict(post.headers)[name]


# Stripe.


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS["stripe"] if v["expect"] == "valid"], ids=str
)
def test_stripe_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    secret, stamp = vector["secret"], vector["timestamp"]
    made = signature(secret, stamp, vector["body_utf8"].encode())
    assert f"v1={made}" in vector["header_Stripe-Signature"]


def test_stripes_own_library_accepts_our_webhooks() -> None:
    hands = Hands()
    hands.stripe_refund()
    for post in hands.wait(60):
        stripe.WebhookSignature.verify_header(
            post.body.decode(),
            header_of(post, "Stripe-Signature"),
            "whsec_sandbox",
            tolerance=None,
        )


def test_stripes_own_library_refuses_our_forgeries() -> None:
    hands = Hands(webhook_forged=1.0)
    hands.stripe_refund()
    forged = [post for post in hands.wait(60) if post.forged]
    assert forged
    for post in forged:
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(
                post.body.decode(),
                header_of(post, "Stripe-Signature"),
                "whsec_sandbox",
                tolerance=None,
            )


def test_each_attempt_has_a_fresh_stamp() -> None:
    hands = Hands()
    hands.stripe_refund()
    model = hands.world.model("stripe")
    stamps = []
    for wait in (5, 700):
        hands.now += wait
        post = model.due(hands.now)[0]
        stamps.append(header_of(post, "Stripe-Signature").split(",")[0])
        model.webhook_answered(post.post_id, 500, hands.now)
    assert stamps == [f"t={int(START + 5)}", f"t={int(START + 705)}"]


def test_a_rotation_signs_with_every_secret() -> None:
    header = signature_header(("whsec_old", "whsec_new"), 1, b"{}")
    assert header.count("v1=") == 2
    for secret in ("whsec_old", "whsec_new"):
        stripe.WebhookSignature.verify_header("{}", header, secret, tolerance=None)


# Adyen.


@pytest.mark.parametrize("vector", VECTORS["adyen"], ids=lambda v: v["name"])
def test_adyen_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    found = json.loads(vector["body_utf8"])
    item = found["notificationItems"][0]["NotificationRequestItem"]
    assert signing_string(item) == vector["signing_string"]
    made = item_signature(item, vector["hmac_key_hex"])
    assert made == vector["expected_hmacSignature"]


def test_adyens_own_library_accepts_our_webhooks_and_refuses_forgeries() -> None:
    hands = Hands(webhook_forged=1.0)
    hands.adyen_refund(reference="rw-é:\\1")
    posts = hands.wait(60)
    assert len(posts) == 2
    for post in posts:
        good = is_valid_hmac_notification(json.loads(post.body), "A1" * 32)
        assert good is not post.forged


# PayPal.


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS["paypal"] if "signed_message" in v and "body_utf8" in v],
    ids=lambda v: v["name"],
)
def test_paypal_vectors_have_our_message(vector: dict[str, Any]) -> None:
    transmission_id, at, webhook_id, _ = vector["signed_message"].split("|")
    body = vector["body_utf8"].encode()
    message = signed_message(transmission_id, at, webhook_id, body)
    assert message.decode() == vector["signed_message"]


def run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False)


def test_openssl_verifies_our_webhook_and_its_chain(tmp_path: Path) -> None:
    hands = Hands()
    hands.paypal_refund()
    [post] = hands.wait(60)
    crc = zlib.crc32(post.body)
    message = "|".join(
        (
            header_of(post, "PAYPAL-TRANSMISSION-ID"),
            header_of(post, "PAYPAL-TRANSMISSION-TIME"),
            "1JE4291016473214C",
            str(crc),
        )
    )
    certificate_id = header_of(post, "PAYPAL-CERT-URL").rpartition("/")[2]
    served = hands.send("paypal", "GET", f"/v1/notifications/certs/{certificate_id}")
    files = {
        "leaf.pem": served.body,
        "ca.pem": signer().ca_pem.encode(),
        "message": message.encode(),
        "signature": base64.b64decode(header_of(post, "PAYPAL-TRANSMISSION-SIG")),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    leaf = tmp_path / "leaf.pem"
    chain = run("openssl", "verify", "-CAfile", tmp_path / "ca.pem", leaf)
    assert chain.returncode == 0, chain
    key = run("openssl", "x509", "-in", leaf, "-noout", "-pubkey")
    (tmp_path / "key.pem").write_bytes(key.stdout)
    verify = (
        *("openssl", "dgst", "-sha256", "-verify", tmp_path / "key.pem"),
        *("-signature", tmp_path / "signature"),
    )
    assert run(*verify, tmp_path / "message").returncode == 0
    (tmp_path / "other").write_bytes(message.encode() + b"0")
    assert run(*verify, tmp_path / "other").returncode != 0


def test_the_certificate_has_paypals_name_and_a_strict_chain() -> None:
    leaf = x509.load_pem_x509_certificate(signer().certificate_pem.encode())
    ca = x509.load_pem_x509_certificate(signer().ca_pem.encode())
    verifier = (
        PolicyBuilder()
        .store(Store([ca]))
        .time(datetime.fromtimestamp(START, UTC))
        .build_server_verifier(x509.DNSName(SIGNER_NAME))
    )
    assert verifier.verify(leaf, []) == [leaf, ca]


def test_the_verify_api_checks_the_original_text() -> None:
    hands = Hands()
    hands.paypal_refund()
    [post] = hands.wait(60)
    call = {
        "auth_algo": header_of(post, "PAYPAL-AUTH-ALGO"),
        "cert_url": header_of(post, "PAYPAL-CERT-URL"),
        "transmission_id": header_of(post, "PAYPAL-TRANSMISSION-ID"),
        "transmission_sig": header_of(post, "PAYPAL-TRANSMISSION-SIG"),
        "transmission_time": header_of(post, "PAYPAL-TRANSMISSION-TIME"),
        "webhook_id": "1JE4291016473214C",
    }
    spliced = json.dumps(call)[:-1].encode() + b', "webhook_event": ' + post.body + b"}"
    headers = {"Authorization": f"Bearer {hands.token}"}
    target = "/v1/notifications/verify-webhook-signature"
    good = hands.send("paypal", "POST", target, headers=headers, body=spliced)
    assert body_of(good) == {"verification_status": "SUCCESS"}
    call["webhook_event"] = json.loads(post.body)
    dumped = json.dumps(call).encode()
    bad = hands.send("paypal", "POST", target, headers=headers, body=dumped)
    assert body_of(bad) == {"verification_status": "FAILURE"}


def test_forgeries_are_signed_wrongly_or_come_from_elsewhere() -> None:
    hands = Hands(webhook_forged=1.0)
    for number in range(12):
        hands.paypal_refund("1.00", reference=f"rw-{number}")
    hosts = set()
    for post in hands.wait(60):
        message = signed_message(
            header_of(post, "PAYPAL-TRANSMISSION-ID"),
            header_of(post, "PAYPAL-TRANSMISSION-TIME"),
            "1JE4291016473214C",
            post.body,
        )
        good = signer().verifies(message, header_of(post, "PAYPAL-TRANSMISSION-SIG"))
        assert good is not post.forged
        hosts.add(header_of(post, "PAYPAL-CERT-URL").split("/")[2])
    assert hosts == {"api-m.sandbox.paypal.com", "api-m.sandbox.paypal.com.example.net"}


def test_an_unknown_certificate_is_404() -> None:
    reply = Hands().send("paypal", "GET", "/v1/notifications/certs/CERT-1")
    assert reply.status == 404


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"a": 1.0, "webhook_event": {"v" : 1.0}, "z": 2}', '{"v" : 1.0}'),
        ('{"webhook_event":[1,\n2]}', "[1,\n2]"),
        ('{"a": "webhook_event"}', None),
        ("[]", None),
        ("{}", None),
    ],
)
def test_a_member_keeps_its_text(document: str, text: str | None) -> None:
    assert member_text(document, "webhook_event") == text


def test_the_capture_stands_in_the_link_up() -> None:
    hands = Hands()
    hands.paypal_refund()
    [post] = hands.wait(60)
    links = json.loads(post.body)["resource"]["links"]
    up = next(link["href"] for link in links if link["rel"] == "up")
    assert up.endswith(CAPTURE)
