from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from refundwatch.gateways.contract import (
    AccountView,
    Forged,
    HttpResponse,
    RawDelivery,
    Received,
    Unverifiable,
)
from refundwatch.gateways.paypal import certificates, webhooks
from refundwatch.gateways.paypal.adapter import PayPal
from tests.unit.gateways import authority
from tests.unit.gateways.driving import NOW, PAYPAL, VECTORS, Drive, answer, drive

GATEWAY = PayPal()
RECORDED: dict[str, dict[str, Any]] = {
    vector["name"]: vector
    for vector in json.loads((VECTORS / "webhooks_paypal.json").read_text("utf-8"))[
        "vectors"
    ]
}
VALID = RECORDED["refund-own-ca-valid"]
BODY = b'{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{}}'


def account(**settings: str) -> AccountView:
    trusted = {"webhook_ca_pem": authority.root().pem}
    return replace(PAYPAL, settings={**PAYPAL.settings, **trusted, **settings})


def receive(
    sent: RawDelivery,
    served: HttpResponse | None = None,
    *,
    to: AccountView | None = None,
    at: datetime = NOW,
) -> Drive:
    """Deliver; the certificate is served once, and only if it is asked for."""
    certificate = answer(200, authority.leaf().pem.encode())
    return drive(GATEWAY.receive(to or account(), sent, (), at), served or certificate)


def verdict(sent: RawDelivery, **how: Any) -> Any:
    return receive(sent, **how).result


# --- vectors ----------------------------------------------------------------------


def vector_headers(vector: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in vector["headers"].items()}


def of_vector(
    vector: dict[str, Any],
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    webhook_id: str | None = None,
) -> Drive:
    settings = {
        "webhook_id": webhook_id or vector["webhook_id"],
        "webhook_ca_pem": vector["trust_anchor_pem"],
    }
    raw = vector["body_utf8"].encode() if body is None else body
    return receive(
        RawDelivery(headers or vector_headers(vector), raw),
        answer(200, vector["cert_served_at_cert_url_pem"].encode()),
        to=replace(PAYPAL, settings=settings),
    )


def test_the_vector_of_an_own_authority_is_received() -> None:
    done = of_vector(VALID)
    assert isinstance(done.result, Received)
    assert [event.type for event in done.result.events] == ["PAYMENT.CAPTURE.REFUNDED"]
    (asked,) = done.requests
    assert asked.target == VALID["headers"]["PAYPAL-CERT-URL"]
    assert (asked.method, asked.reusable, asked.moves_money) == ("GET", True, False)


def test_the_vector_of_a_self_signed_certificate_is_refused() -> None:
    forgery = RECORDED["refund-self-signed-forgery"]
    assert of_vector(forgery).result == Forged("certificate")


def test_the_vector_of_another_webhook_is_refused() -> None:
    other = RECORDED["wrong-webhook-id"]["webhook_id"]
    assert of_vector(VALID, webhook_id=other).result == Forged("signature_mismatch")


@pytest.mark.parametrize("name", ["published-sandbox-2017", "refund-own-ca-valid"])
def test_a_signature_of_a_vector_holds_over_its_message(name: str) -> None:
    vector = RECORDED[name]
    body = vector["body_utf8"].encode()
    sent = webhooks.read_transmission(RawDelivery(vector_headers(vector), body))
    assert isinstance(sent, webhooks.Transmission)
    message = webhooks.signed_message(sent, vector["webhook_id"], body)
    assert message.decode() == vector["signed_message"]
    key = public_key(vector)
    assert webhooks.holds(key, sent.signature, message)
    for index in range(len(sent.signature) * 8):
        flipped = bytearray(sent.signature)
        flipped[index // 8] ^= 1 << index % 8
        assert not webhooks.holds(key, bytes(flipped), message)


def public_key(vector: dict[str, Any]) -> RSAPublicKey:
    if "leaf_public_key_pem" in vector:
        key = load_pem_public_key(vector["leaf_public_key_pem"].encode())
    else:
        served = vector["cert_served_at_cert_url_pem"].encode()
        key = load_pem_x509_certificate(served).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


def test_the_published_certificate_of_2017_is_not_believed_now() -> None:
    vector = RECORDED["published-sandbox-2017"]
    store = certificates.trusted(vector["leaf_cert_pem"])
    assert store is not None
    served = vector["leaf_cert_pem"].encode()
    assert certificates.believed_key(served, store, "sandbox", NOW) is None


def test_the_checksum_of_a_published_body_is_its_decimal_crc() -> None:
    vector = RECORDED["published-crc-only-2015"]
    identity, stamp, webhook_id, _ = vector["signed_message"].split("|")
    sent = webhooks.Transmission(identity, stamp, b"", "")
    message = webhooks.signed_message(sent, webhook_id, vector["body_utf8"].encode())
    assert message.decode() == vector["signed_message"]


def test_a_bit_flipped_in_any_byte_of_the_body_is_refused() -> None:
    body = VALID["body_utf8"].encode()
    for index in range(len(body)):
        flipped = bytearray(body)
        flipped[index] ^= 1 << index % 8
        result = of_vector(VALID, body=bytes(flipped)).result
        assert result == Forged("signature_mismatch"), index


@pytest.mark.parametrize(
    "name",
    [
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-auth-algo",
    ],
)
def test_every_bit_flipped_in_a_signed_header_is_refused(name: str) -> None:
    good = vector_headers(VALID)
    for index in range(len(good[name]) * 7):
        marks = list(good[name])
        marks[index // 7] = chr(ord(marks[index // 7]) ^ 1 << index % 7)
        result = of_vector(VALID, headers={**good, name: "".join(marks)}).result
        assert isinstance(result, Forged), (index, result)


@pytest.mark.parametrize("name", sorted(vector_headers(VALID)))
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_header_is_refused(name: str, value: str | None) -> None:
    headers = {**vector_headers(VALID)}
    del headers[name]
    if value is not None:
        headers[name] = value
    done = of_vector(VALID, headers=headers)
    assert isinstance(done.result, Forged)
    assert done.requests == ()


# --- freshness and form -----------------------------------------------------------


def stamped(age: timedelta) -> Any:
    at = (NOW - age).isoformat().replace("+00:00", "Z")
    return verdict(authority.signed(BODY, at=at))


@pytest.mark.parametrize(
    "age",
    [
        timedelta(0),
        timedelta(days=4),
        timedelta(days=3, hours=1),
        timedelta(hours=-1),
    ],
)
def test_a_delivery_within_the_tolerance_is_received(age: timedelta) -> None:
    assert isinstance(stamped(age), Received)


@pytest.mark.parametrize(
    "age", [timedelta(days=4, seconds=1), timedelta(hours=-1, seconds=-1)]
)
def test_a_delivery_beyond_the_tolerance_is_refused(age: timedelta) -> None:
    assert stamped(age) == Forged("transmission_time")


def test_a_time_with_an_offset_counts_as_the_same_moment() -> None:
    at = "2026-11-20T03:59:00.25-08:00"
    assert isinstance(verdict(authority.signed(BODY, at=at)), Received)


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-20T11:59:00",
        "2026-11-20",
        "2026-11-31T11:59:00Z",
        "2026-11-20 11:59:00Z",
        "20261120T115900Z",
        "1763640000",
        "0001-01-01T00:00:00+23:59",
        "2026-11-20T11:59:00Z\n",
    ],
)
def test_a_time_of_another_form_is_refused(at: str) -> None:
    assert verdict(authority.signed(BODY, at=at)) == Forged("transmission_time")


@pytest.mark.parametrize("algorithm", ["SHA1withRSA", "sha256withrsa", "none", ""])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    sent = authority.signed(BODY, paypal_auth_algo=algorithm)
    assert verdict(sent) == Forged("auth_algo")


@pytest.mark.parametrize("identity", ["a|b", "", "a b", "é", "x" * 129, "a\n"])
def test_a_transmission_id_of_another_form_is_refused(identity: str) -> None:
    sent = authority.signed(BODY, paypal_transmission_id=identity)
    assert verdict(sent) == Forged("transmission_id")


def test_a_signature_counts_in_one_spelling_only() -> None:
    written = authority.signed(BODY).headers["paypal-transmission-sig"]
    for spelled in (
        written.rstrip("="),
        written + "\n",
        written + "====",
        written.replace("+", "-").replace("/", "_") + "-",
        "A" * 2052,
        "é" * 344,
        written[:-3] + chr(ord(written[-3]) + 1) + "==",
    ):
        sent = authority.signed(BODY, paypal_transmission_sig=spelled)
        assert isinstance(verdict(sent), Forged), spelled
    assert b64encode(b64decode(written)).decode() == written


def test_a_short_signature_is_refused() -> None:
    sent = authority.signed(BODY, paypal_transmission_sig="QUJD")
    assert verdict(sent) == Forged("signature_mismatch")


# --- what could not be checked ----------------------------------------------------


@pytest.mark.parametrize("status", [301, 401, 403, 408, 429, 500, 502, 503, 504])
def test_a_certificate_that_is_not_served_now_is_unverifiable(status: int) -> None:
    result = verdict(authority.signed(BODY), served=answer(status, b""))
    assert result == Unverifiable(f"certificate_http_{status}")


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_certificate_that_does_not_exist_is_refused(status: int) -> None:
    result = verdict(authority.signed(BODY), served=answer(status, b""))
    assert result == Forged(f"certificate_http_{status}")


def test_a_certificate_file_that_is_too_large_is_not_read() -> None:
    large = authority.leaf().pem.encode().ljust(64 * 1024 + 1)
    result = verdict(authority.signed(BODY), served=answer(200, large))
    assert result == Unverifiable("certificate_too_large")
    largest = answer(200, large[:-1])
    assert isinstance(verdict(authority.signed(BODY), served=largest), Received)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"webhook_id": ""}, "no_webhook_id"),
        ({"webhook_ca_pem": ""}, "no_trusted_authority"),
        ({"webhook_ca_pem": "-----BEGIN CERTIFICATE-----"}, "no_trusted_authority"),
    ],
)
def test_an_account_that_cannot_verify_says_so_before_asking(
    settings: dict[str, str], reason: str
) -> None:
    done = receive(authority.signed(BODY), to=account(**settings))
    assert done.result == Unverifiable(reason)
    assert done.requests == ()
