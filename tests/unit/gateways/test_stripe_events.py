from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from refundwatch.gateways.stripe.adapter import Stripe
from tests.unit.gateways.driving import NOW, STRIPE, VECTORS, delivery, result_of

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Verdict

GATEWAY = Stripe()
RECORDED = json.loads((VECTORS / "webhooks_stripe.json").read_text("utf-8"))["vectors"]
SECRET = "whsec_rw_test"

REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 1050,
    "charge": "ch_1",
    "currency": "eur",
    "metadata": {"rw_id": "rw-000001"},
    "payment_intent": "pi_1",
    "status": "succeeded",
}
DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "amount": 5000,
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "status": "needs_response",
}


def event(type_: str, subject: object, **changes: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "created": 1767225600,
        "data": {"object": subject},
        "livemode": False,
        "type": type_,
    } | changes


def signed(body: bytes, stamp: int | None = None) -> str:
    at = int(NOW.timestamp()) if stamp is None else stamp
    message = f"{at}.".encode() + body
    mac = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def receive(
    body: bytes,
    header: str,
    *secrets: str,
    at: datetime = NOW,
    account: AccountView = STRIPE,
) -> Verdict:
    arrived = delivery(body, stripe_signature=header)
    return result_of(GATEWAY.receive(account, arrived, secrets, at))


def received(content: object, account: AccountView = STRIPE) -> GatewayEvent:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    verdict = receive(body, signed(body), SECRET, account=account)
    assert isinstance(verdict, Received)
    (only,) = verdict.events
    return only


# --- vectors ----------------------------------------------------------------------


def verdict_of(vector: dict[str, Any], body: bytes, header: str) -> Verdict:
    at = datetime.fromtimestamp(vector["timestamp"], UTC)
    return receive(body, header, vector["secret"], at=at)


@pytest.mark.parametrize("vector", RECORDED, ids=lambda v: v["name"])
def test_a_signature_vector_is_accepted_or_refused_as_recorded(
    vector: dict[str, Any],
) -> None:
    body = vector["body_utf8"].encode()
    for secret in (vector["secret"], *vector.get("other_valid_secrets", ())):
        chosen = vector | {"secret": secret}
        verdict = verdict_of(chosen, body, vector["header_Stripe-Signature"])
        if vector["expect"] == "valid":
            assert hashlib.sha256(body).hexdigest() == vector["body_sha256"]
            assert isinstance(verdict, Received)
        else:
            assert verdict == Forged("signature_mismatch")


VALID = [v for v in RECORDED if v["expect"] == "valid"]


@pytest.mark.parametrize("vector", VALID, ids=lambda v: v["name"])
def test_every_bit_flipped_in_the_body_is_refused(vector: dict[str, Any]) -> None:
    body = bytearray(vector["body_utf8"].encode())
    for index in range(len(body) * 8):
        body[index // 8] ^= 1 << index % 8
        verdict = verdict_of(vector, bytes(body), vector["header_Stripe-Signature"])
        assert isinstance(verdict, Forged), index
        body[index // 8] ^= 1 << index % 8


@pytest.mark.parametrize("vector", VALID, ids=lambda v: v["name"])
def test_every_bit_flipped_in_stamp_or_signature_is_refused(
    vector: dict[str, Any],
) -> None:
    body = vector["body_utf8"].encode()
    stamp = f"t={vector['timestamp']},"
    ours = expected_digest(vector, body)
    header = bytearray(f"{stamp}v1={ours}".encode())
    assert isinstance(verdict_of(vector, body, header.decode()), Received)
    for index in range(len(header) * 8):
        header[index // 8] ^= 1 << index % 8
        flipped = header.decode("latin-1")
        assert isinstance(verdict_of(vector, body, flipped), Forged), flipped
        header[index // 8] ^= 1 << index % 8


def expected_digest(vector: dict[str, Any], body: bytes) -> str:
    message = f"{vector['timestamp']}.".encode() + body
    mac = hmac.new(vector["secret"].encode(), message, hashlib.sha256).hexdigest()
    assert mac in vector["header_Stripe-Signature"]
    return mac


def test_a_replayed_delivery_is_refused_after_five_minutes_and_before() -> None:
    vector = RECORDED[0]
    at = datetime.fromtimestamp(vector["timestamp"], UTC)
    arrived = (vector["body_utf8"].encode(), vector["header_Stripe-Signature"])
    for offset, fault in ((301, True), (-301, True), (300, False), (-300, False)):
        when = at + timedelta(seconds=offset)
        verdict = receive(*arrived, vector["secret"], at=when)
        assert isinstance(verdict, Forged) is fault


def test_a_delivery_without_a_header_is_refused() -> None:
    verdict = result_of(GATEWAY.receive(STRIPE, delivery(b"{}"), (SECRET,), NOW))
    assert verdict == Forged("signature_missing")


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_can_be_verified(secrets: tuple[str, ...]) -> None:
    assert receive(b"{}", signed(b"{}"), *secrets) == Unverifiable("no_usable_secret")


# --- meaning ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "type_",
    ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"],
)
def test_a_refund_event_is_a_hint_with_both_names_of_its_payment(type_: str) -> None:
    assert received(event(type_, REFUND)) == GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id="evt_1",
        type=type_,
        occurred_at="2026-01-01T00:00:00Z",
        word=Word.SUCCEEDED,
        evidence=Evidence(
            source="webhook",
            raw_status="succeeded",
            gateway_reference="re_1",
            merchant_reference="rw-000001",
            amount_minor=1050,
            currency="EUR",
        ),
        payment_reference="pi_1",
        hint=True,
        payment_aliases=("ch_1",),
    )


def test_an_unreadable_refund_event_stays_a_refund_event() -> None:
    got = received(event("refund.updated", REFUND | {"id": None}))
    assert got.kind is EventKind.REFUND
    assert got.word is Word.UNSEEN
    assert got.hint


def test_a_refund_event_with_an_unseen_status_carries_it_raw() -> None:
    got = received(event("refund.updated", REFUND | {"status": "returned"}))
    assert got.word is Word.UNSEEN
    assert got.evidence is not None
    assert got.evidence.raw_status == "returned"


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("charge.dispute.created", EventKind.DISPUTE_OPENED),
        ("charge.dispute.funds_withdrawn", EventKind.DISPUTE_OPENED),
        ("charge.dispute.closed", EventKind.DISPUTE_CLOSED),
        ("charge.dispute.funds_reinstated", EventKind.DISPUTE_CLOSED),
    ],
)
def test_a_dispute_event_names_the_payment(type_: str, kind: EventKind) -> None:
    got = received(event(type_, DISPUTE))
    assert got.kind is kind
    assert (got.payment_reference, got.payment_aliases) == ("pi_1", ("ch_1",))
    assert got.word is None
    bare = received(event(type_, DISPUTE | {"payment_intent": None}))
    assert (bare.payment_reference, bare.payment_aliases) == ("ch_1", ())


@pytest.mark.parametrize(
    "type_", ["charge.refunded", "payout.paid", "charge.dispute.updated", "x" * 300]
)
def test_another_event_is_kept_and_means_nothing(type_: str) -> None:
    got = received(event(type_, {"id": "x", "charge": "ch_1"}))
    assert got.kind is EventKind.OTHER
    assert got.dedupe_id == "evt_1"
    assert got.payment_reference is None


@pytest.mark.parametrize("mode", ["live", "sandbox"])
@pytest.mark.parametrize("livemode", [True, False, "false", 0])
def test_an_event_of_the_other_mode_is_forged(mode: str, livemode: object) -> None:
    body = json.dumps(event("refund.updated", REFUND, livemode=livemode)).encode()
    account = replace(STRIPE, mode=mode)
    verdict = receive(body, signed(body), SECRET, account=account)
    fits = livemode is (mode == "live")
    assert isinstance(verdict, Received) if fits else verdict == Forged("livemode")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1,"a":2}', b"\xff"])
def test_signed_bytes_nobody_understands_are_kept_under_their_digest(
    body: bytes,
) -> None:
    got = received(body)
    assert got.kind is EventKind.OTHER
    assert got.dedupe_id == hashlib.sha256(body).hexdigest()


def test_an_event_without_id_is_kept_under_its_digest() -> None:
    body = json.dumps(event("refund.updated", REFUND, id=None)).encode()
    assert received(body).dedupe_id == hashlib.sha256(body).hexdigest()


def test_no_reason_for_refusing_repeats_secret_or_body() -> None:
    verdict = receive(b'{"iban":"X"}', "t=1,v1=" + "0" * 64, SECRET)
    assert isinstance(verdict, Forged)
    assert SECRET not in verdict.reason
    assert "iban" not in verdict.reason
