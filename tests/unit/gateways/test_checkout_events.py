from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from tests.unit.gateways.checkout import ACTION_ID, CHECKOUT, PAYMENT_ID
from tests.unit.gateways.driving import NOW, VECTORS, delivery, result_of

GATEWAY = Checkout()
SECRET = "cko-signature-key"
SIGNED = json.loads((VECTORS / "webhooks_checkout.json").read_text("utf-8"))["vectors"]
DATA: dict[str, Any] = json.loads(SIGNED[0]["body_utf8"])["data"]
DISPUTE = {
    "id": "dsp_9rjdlsd4epepfjyyf9vl",
    "category": "fraudulent",
    "amount": 1_250,
    "currency": "USD",
    "payment_id": PAYMENT_ID,
    "payment_action_id": ACTION_ID,
}


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event(kind: str = "payment_refunded", data: Any = None, **changes: Any) -> Any:
    return {
        "id": "evt_1",
        "type": kind,
        "version": "1.0.29",
        "created_on": "2026-03-02T10:15:31.7515599+00:00",
        "data": DATA if data is None else data,
    } | changes


def verdict_of(
    body: bytes, *secrets: str, signature: str | None = None, **headers: str
) -> Any:
    header = signed(body) if signature is None else signature
    arrived = delivery(body, cko_signature=header, **headers)
    return result_of(GATEWAY.receive(CHECKOUT, arrived, secrets or (SECRET,), NOW))


def heard(kind: str = "payment_refunded", data: Any = None, **changes: Any) -> Any:
    verdict = verdict_of(json.dumps(event(kind, data, **changes)).encode())
    assert isinstance(verdict, Received)
    [only] = verdict.events
    return only


# --- signatures -------------------------------------------------------------------


@pytest.mark.parametrize("vector", SIGNED, ids=lambda one: one["name"])
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_a_vector_is_received_in_either_case(vector: Any, spelled: Any) -> None:
    body = vector["body_utf8"].encode()
    signature = spelled(vector["header_Cko-Signature"])
    verdict = verdict_of(body, vector["signature_key"], signature=signature)
    assert isinstance(verdict, Received)


@pytest.mark.parametrize("vector", SIGNED, ids=lambda one: one["name"])
def test_a_body_written_anew_is_forged(vector: Any) -> None:
    body = json.dumps(json.loads(vector["body_utf8"])).encode()
    signature = vector["header_Cko-Signature"]
    verdict = verdict_of(body, vector["signature_key"], signature=signature)
    assert verdict == Forged("signature_mismatch")


def test_two_keys_hold_while_one_replaces_the_other() -> None:
    body = json.dumps(event()).encode()
    assert isinstance(verdict_of(body, "new", SECRET), Received)
    assert verdict_of(body, "new", "newer") == Forged("signature_mismatch")


@pytest.mark.parametrize("signature", ["", "x", "K" * 64, "\u017f" * 64, "\u212a" * 64])
def test_a_strange_signature_is_forged(signature: str) -> None:
    verdict = verdict_of(b"{}", signature=signature)
    assert verdict == Forged("signature_mismatch")


def test_an_unsigned_delivery_is_forged() -> None:
    arrived = delivery(json.dumps(event()).encode())
    verdict = result_of(GATEWAY.receive(CHECKOUT, arrived, (SECRET,), NOW))
    assert verdict == Forged("signature_missing")


@pytest.mark.parametrize("secrets", [("",), ("authorization:x",)])
def test_without_a_signature_key_nothing_can_be_verified(
    secrets: tuple[str, ...],
) -> None:
    assert verdict_of(b"{}", *secrets) == Unverifiable("no_usable_secret")


def test_a_configured_authorization_must_be_there_too() -> None:
    body = json.dumps(event()).encode()
    secrets = (SECRET, "authorization:the value", "authorization:the next")
    for value in ("the value", "the next"):
        assert isinstance(verdict_of(body, *secrets, authorization=value), Received)
    for value in ("", "the valu", "authorization:the value", SECRET):
        verdict = verdict_of(body, *secrets, authorization=value)
        assert verdict == Forged("authorization_mismatch")
    assert verdict_of(body, *secrets) == Forged("authorization_mismatch")
    wrong = verdict_of(body, *secrets, signature="0" * 64, authorization="the value")
    assert wrong == Forged("signature_mismatch")


# --- meaning ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "word", "reference", "failure"),
    [
        (SIGNED[0], Word.SUCCEEDED, "rw-r-000123", None),
        (SIGNED[1], Word.FAILED, "rw-r-000124 été", "response_20006"),
    ],
)
def test_a_refund_is_told_with_everything_it_names(
    vector: Any, word: Word, reference: str, failure: str | None
) -> None:
    said = verdict_of(
        vector["body_utf8"].encode(),
        vector["signature_key"],
        signature=vector["header_Cko-Signature"],
    ).events[0]
    body = json.loads(vector["body_utf8"])
    assert (said.kind, said.word, said.hint) == (EventKind.REFUND, word, True)
    assert said.dedupe_id == body["id"]
    # In the webhook's own metadata it is called otherwise.
    expected = body["data"].get("metadata", {}).get("rw_refund_id", reference)
    assert said.evidence.merchant_reference == expected
    assert said.evidence.gateway_reference == body["data"]["action_id"]
    assert said.evidence.payment_reference == said.payment_reference == PAYMENT_ID
    assert said.evidence.amount_minor == body["data"]["amount"]
    assert said.evidence.currency == "USD"
    assert said.evidence.failure_code == failure
    assert said.occurred_at.startswith("2026-03-02T10:")
    assert said.occurred_at.endswith("Z")


def test_a_pending_refund_is_known_by_its_action_alone() -> None:
    data = {
        "id": PAYMENT_ID,
        "action_id": ACTION_ID,
        "amount": 1_250,
        "currency": "USD",
    }
    said = heard("payment_refund_pending", data)
    assert said.word is Word.PENDING
    assert said.evidence.merchant_reference is None
    assert said.evidence.gateway_reference == ACTION_ID


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("payment_refunded", {"response_code": "20005"}),
        ("payment_refund_declined", {"response_code": "10000"}),
        ("payment_refunded", {"action_id": None}),
        ("payment_refunded", {"amount": "1250"}),
        ("payment_refunded", {"currency": None}),
    ],
)
def test_what_contradicts_itself_is_unseen(kind: str, changes: dict[str, Any]) -> None:
    said = heard(kind, DATA | changes)
    assert (said.kind, said.word, said.hint) == (EventKind.REFUND, Word.UNSEEN, True)


@pytest.mark.parametrize(
    ("kind", "word"),
    [("payment_voided", Word.SUCCEEDED), ("payment_void_declined", Word.FAILED)],
)
def test_a_void_is_a_refund_only_where_we_ordered_it(kind: str, word: Word) -> None:
    code = {"response_code": "10000" if word is Word.SUCCEEDED else "20005"}
    ours = heard(kind, DATA | code)
    assert (ours.kind, ours.word) == (EventKind.REFUND, word)
    theirs = heard(kind, {k: v for k, v in DATA.items() if k != "metadata"})
    assert (theirs.kind, theirs.word) == (EventKind.OTHER, None)


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("dispute_received", EventKind.DISPUTE_OPENED),
        ("dispute_evidence_required", EventKind.DISPUTE_OPENED),
        ("dispute_lost", EventKind.DISPUTE_OPENED),
        ("dispute_won", EventKind.DISPUTE_CLOSED),
        ("dispute_canceled", EventKind.DISPUTE_CLOSED),
        ("dispute_evidence_submitted", EventKind.OTHER),
        ("payment_captured", EventKind.OTHER),
        ("never_seen", EventKind.OTHER),
    ],
)
def test_a_dispute_names_its_payment_beside_its_own_id(
    kind: str, meant: EventKind
) -> None:
    said = heard(
        kind, DISPUTE, created_on=None, timestamp="2022-12-15T15:20:32.582+00:00"
    )
    assert said == GatewayEvent(
        kind=meant,
        dedupe_id="evt_1",
        type=kind,
        occurred_at="2022-12-15T15:20:32.582000Z",
        payment_reference=PAYMENT_ID,
    )


def test_a_returned_payment_rests() -> None:
    said = heard("payment_returned", DATA)
    assert said.kind is EventKind.DISPUTE_OPENED
    assert said.payment_reference == PAYMENT_ID


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"id": 1, "id": 2}', b"{}"])
def test_a_signed_body_that_says_nothing_is_kept_under_its_digest(body: bytes) -> None:
    [said] = verdict_of(body).events
    assert said.kind is EventKind.OTHER
    assert said.dedupe_id == hashlib.sha256(body).hexdigest()
