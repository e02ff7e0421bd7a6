from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    AccountView,
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from refundwatch.gateways.square.adapter import Square
from tests.unit.gateways.driving import NOW, VECTORS, delivery, result_of
from tests.unit.gateways.square import PAYMENT_ID, SQUARE, URL, payment, refund

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Verdict

GATEWAY = Square()
RECORDED = json.loads((VECTORS / "webhooks_square.json").read_text("utf-8"))["vectors"]
HEADER = "x-square-hmacsha256-signature"
SECRET = "rwSqSigKey"
DISPUTE = {
    "id": "bVTprrwk0gygTLZ96VX1oB",
    "state": "EVIDENCE_REQUIRED",
    "disputed_payment": {"payment_id": PAYMENT_ID},
}


def event(type_: str, subject: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "merchant_id": "MLRW7K3EXAMPLE",
        "type": type_,
        "event_id": "5f0c2a34-6f0a-4e0e-9b0f-0a1b2c3d4e5f",
        "created_at": "2026-03-02T10:15:31.204Z",
        "data": {"type": "refund", "id": "x", "object": subject},
    } | changes


def signed(body: bytes, url: str = URL, secret: str = SECRET) -> str:
    mac = hmac.new(secret.encode(), url.encode() + body, hashlib.sha256)
    return b64encode(mac.digest()).decode()


def receive(
    body: bytes, signature: str, *secrets: str, account: AccountView = SQUARE
) -> Verdict:
    arrived = delivery(body, x_square_hmacsha256_signature=signature)
    return result_of(GATEWAY.receive(account, arrived, secrets, NOW))


def received(content: object, account: AccountView = SQUARE) -> GatewayEvent:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    verdict = receive(body, signed(body), SECRET, account=account)
    assert isinstance(verdict, Received)
    (only,) = verdict.events
    return only


# --- vectors ----------------------------------------------------------------------


def of_vector(
    vector: dict[str, Any],
    *,
    url: str | None = None,
    body: bytes | None = None,
    signature: str | None = None,
    secret: str | None = None,
) -> Verdict:
    address = url or vector["notification_url"]
    account = replace(SQUARE, settings={"notification_url": address})
    return receive(
        vector["body_utf8"].encode() if body is None else body,
        signature or vector["signature"],
        secret or vector["signature_key"],
        account=account,
    )


BOTH = pytest.mark.parametrize("vector", RECORDED, ids=lambda v: v["name"])


@BOTH
def test_a_signature_vector_is_accepted(vector: dict[str, Any]) -> None:
    assert isinstance(of_vector(vector), Received)


@BOTH
def test_only_the_address_as_registered_is_accepted(vector: dict[str, Any]) -> None:
    registered = vector["notification_url"]
    for other in (
        vector["refused_with_url"],
        registered.replace("https:", "http:"),
        registered.replace("example.test", "EXAMPLE.test"),
        registered[:-1],
    ):
        assert of_vector(vector, url=other) == Forged("signature_mismatch")


@BOTH
def test_every_bit_flipped_in_the_body_is_refused(vector: dict[str, Any]) -> None:
    body = bytearray(vector["body_utf8"].encode())
    for index in range(len(body) * 8):
        body[index // 8] ^= 1 << index % 8
        assert isinstance(of_vector(vector, body=bytes(body)), Forged), index
        body[index // 8] ^= 1 << index % 8


@BOTH
def test_every_bit_flipped_in_the_signature_is_refused(vector: dict[str, Any]) -> None:
    written = bytearray(vector["signature"].encode())
    for index in range(len(written) * 8):
        written[index // 8] ^= 1 << index % 8
        flipped = written.decode("latin-1")
        assert isinstance(of_vector(vector, signature=flipped), Forged), flipped
        written[index // 8] ^= 1 << index % 8


@BOTH
def test_another_spelling_of_the_same_digest_is_refused(vector: dict[str, Any]) -> None:
    for spelling in (vector["signature"].rstrip("="), f" {vector['signature']}", ""):
        if spelling:
            assert isinstance(of_vector(vector, signature=spelling), Forged)
    assert isinstance(of_vector(vector, secret="another"), Forged)


def test_two_secrets_are_valid_while_one_replaces_the_other() -> None:
    body = json.dumps(event("refund.updated", {"refund": refund(1)})).encode()
    assert isinstance(receive(body, signed(body), "new", SECRET), Received)
    assert receive(body, signed(body), "new", "older") == Forged("signature_mismatch")


def test_a_delivery_without_a_signature_is_refused() -> None:
    old = delivery(b"{}", x_square_signature="c2hhMQ==")
    verdict = result_of(GATEWAY.receive(SQUARE, old, (SECRET,), NOW))
    assert verdict == Forged("signature_missing")


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_can_be_verified(secrets: tuple[str, ...]) -> None:
    assert receive(b"{}", signed(b"{}"), *secrets) == Unverifiable("no_usable_secret")


def test_without_the_registered_address_nothing_can_be_verified() -> None:
    account = replace(SQUARE, settings={})
    verdict = receive(b"{}", signed(b"{}"), SECRET, account=account)
    assert verdict == Unverifiable("no_notification_url")


# --- meaning ----------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["refund.created", "refund.updated"])
def test_a_refund_event_is_a_hint_with_its_payment(type_: str) -> None:
    subject = {"refund": refund(7, "rw-000001", version=5)}
    assert received(event(type_, subject)) == GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id="5f0c2a34-6f0a-4e0e-9b0f-0a1b2c3d4e5f",
        type=type_,
        occurred_at="2026-03-02T10:15:31.204000Z",
        word=Word.SUCCEEDED,
        evidence=Evidence(
            source="webhook",
            raw_status="COMPLETED",
            gateway_reference="RFD7",
            merchant_reference="rw-000001",
            payment_reference=PAYMENT_ID,
            amount_minor=1050,
            currency="EUR",
        ),
        payment_reference=PAYMENT_ID,
        hint=True,
    )


def test_what_a_person_wrote_as_the_reason_is_not_kept() -> None:
    got = received(event("refund.created", {"refund": refund(7, "For Jane Doe")}))
    assert got.evidence is not None
    assert got.evidence.merchant_reference is None
    assert "Jane" not in repr(got)


@pytest.mark.parametrize("subject", [{}, {"refund": refund(7) | {"id": None}}])
def test_an_unreadable_refund_event_stays_a_refund_event(
    subject: dict[str, Any],
) -> None:
    got = received(event("refund.updated", subject))
    assert (got.kind, got.word, got.hint) == (EventKind.REFUND, Word.UNSEEN, True)


@pytest.mark.parametrize(
    ("type_", "state", "kind"),
    [
        ("dispute.created", "EVIDENCE_REQUIRED", EventKind.DISPUTE_OPENED),
        ("dispute.created", "INQUIRY_EVIDENCE_REQUIRED", EventKind.DISPUTE_OPENED),
        ("dispute.state.updated", "PROCESSING", EventKind.DISPUTE_OPENED),
        ("dispute.state.updated", "LOST", EventKind.DISPUTE_OPENED),
        ("dispute.state.updated", "ACCEPTED", EventKind.DISPUTE_OPENED),
        ("dispute.state.updated", None, EventKind.DISPUTE_OPENED),
        ("dispute.state.updated", "WON", EventKind.DISPUTE_CLOSED),
        ("dispute.state.updated", "INQUIRY_CLOSED", EventKind.DISPUTE_CLOSED),
    ],
)
@pytest.mark.parametrize("member", ["dispute", "object"])
def test_a_dispute_frees_its_payment_only_where_the_money_stays(
    type_: str, state: str | None, kind: EventKind, member: str
) -> None:
    got = received(event(type_, {member: DISPUTE | {"state": state}}))
    assert (got.kind, got.payment_reference) == (kind, PAYMENT_ID)
    assert got.word is None


@pytest.mark.parametrize(
    "type_", ["payment.updated", "payout.paid", "terminal.refund.updated", "x" * 300]
)
def test_another_event_is_kept_and_means_nothing(type_: str) -> None:
    got = received(event(type_, {"payment": payment()}))
    assert got.kind is EventKind.OTHER
    assert got.dedupe_id == "5f0c2a34-6f0a-4e0e-9b0f-0a1b2c3d4e5f"
    assert got.payment_reference == PAYMENT_ID


def test_the_outer_type_decides_whatever_the_inner_one_says() -> None:
    inner = {"type": "payment", "object": {"refund": refund(7)}}
    got = received(event("refund.updated", {}, data=inner))
    assert got.kind is EventKind.REFUND


@pytest.mark.parametrize("theirs", ["MLANOTHER", None])
def test_an_event_of_another_seller_means_nothing_here(theirs: str | None) -> None:
    ours = {"notification_url": URL, "merchant_id": "MLRW7K3EXAMPLE"}
    account = replace(SQUARE, settings=ours)
    subject = {"refund": refund(7)}
    got = received(event("refund.updated", subject, merchant_id=theirs), account)
    assert (got.kind, got.type) == (EventKind.OTHER, "other_merchant")
    assert received(event("refund.updated", subject), account).kind is EventKind.REFUND


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff"])
def test_signed_bytes_nobody_understands_are_kept_under_their_digest(
    body: bytes,
) -> None:
    got = received(body)
    assert got.kind is EventKind.OTHER
    assert got.dedupe_id == hashlib.sha256(body).hexdigest()


def test_an_event_without_id_is_kept_under_its_digest() -> None:
    content = event("refund.updated", {"refund": refund(7)}, event_id=None)
    body = json.dumps(content).encode()
    assert received(body).dedupe_id == hashlib.sha256(body).hexdigest()
