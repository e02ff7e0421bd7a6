from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    Received,
    Unverifiable,
)
from tests.unit.gateways.driving import NOW, delivery, result_of
from tests.unit.gateways.razorpay import (
    GATEWAY,
    PAYMENT_ID,
    PROCESSED,
    RAZORPAY,
    REFUND_ID,
    SIGNED,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView

SECRET = "rzp_wébhook"


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verdict(
    body: bytes,
    header: str | None = None,
    secrets: tuple[str, ...] = (SECRET,),
    account: AccountView = RAZORPAY,
    **headers: str,
) -> Any:
    told = {"x_razorpay_signature": header or signature(body)} | headers
    return result_of(GATEWAY.receive(account, delivery(body, **told), secrets, NOW))


def event(name: str = "refund.processed", **changes: Any) -> bytes:
    told: dict[str, Any] = {
        "entity": "event",
        "account_id": "acc_1",
        "event": name,
        "payload": {"refund": {"entity": PROCESSED}},
        "created_at": 1772445605,
    }
    return json.dumps(told | changes).encode()


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_a_vector_is_accepted_under_its_secret_among_others(
    vector: dict[str, Any],
) -> None:
    body = vector["body_utf8"].encode()
    assert hashlib.sha256(body).hexdigest() == vector["body_sha256"]
    header = vector["header_X-Razorpay-Signature"]
    found = verdict(body, header, ("new secret", vector["secret"]))
    assert isinstance(found, Received)
    [told] = found.events
    assert told.kind is EventKind.REFUND
    assert told.hint
    again = json.dumps(json.loads(body)).encode()
    assert verdict(again, header, (vector["secret"],)) == Forged("signature_mismatch")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("0" * 64, "signature_mismatch"),
        ("A" * 64, "signature_malformed"),
        ("0" * 65, "signature_malformed"),
        (f"{'0' * 64}\n", "signature_malformed"),
    ],
)
def test_a_wrong_signature_is_forged(header: str, reason: str) -> None:
    assert verdict(event(), header) == Forged(reason)


def test_without_signature_or_secret_nothing_is_believed() -> None:
    bare = delivery(event())
    assert result_of(GATEWAY.receive(RAZORPAY, bare, (SECRET,), NOW)) == Forged(
        "signature_missing"
    )
    assert verdict(event(), secrets=("", "")) == Unverifiable("no_usable_secret")


def test_a_refund_event_is_a_hint_with_its_word() -> None:
    [told] = verdict(event()).events
    assert (told.type, told.word) == ("refund.processed", Word.SUCCEEDED)
    assert told.occurred_at == "2026-03-02T10:00:05Z"
    assert told.payment_reference == PAYMENT_ID
    assert told.evidence.gateway_reference == REFUND_ID
    assert told.evidence.merchant_reference == "rw-000123"
    assert told.hint


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [
        ("refund.created", "pending", Word.PENDING),
        ("refund.created", "processed", Word.SUCCEEDED),
        ("refund.failed", "failed", Word.FAILED),
        ("refund.speed_changed", "pending", Word.PENDING),
    ],
)
def test_the_refund_itself_says_where_it_stands(
    name: str, status: str, word: Word
) -> None:
    payload = {"refund": {"entity": PROCESSED | {"status": status}}}
    [told] = verdict(event(name, payload=payload)).events
    assert (told.kind, told.word) == (EventKind.REFUND, word)


def test_a_change_of_speed_holds_its_time_inside() -> None:
    payload = {"refund": {"entity": PROCESSED}, "created_at": 1772445605}
    body = event("refund.speed_changed", created_at=None, payload=payload)
    [told] = verdict(body).events
    assert told.occurred_at == "2026-03-02T10:00:05Z"


@pytest.mark.parametrize("payload", [None, {}, {"refund": {"entity": {}}}, []])
def test_a_refund_that_cannot_be_read_is_still_a_hint(payload: Any) -> None:
    [told] = verdict(event(payload=payload)).events
    assert (told.kind, told.word, told.hint) == (EventKind.REFUND, Word.UNSEEN, True)


def test_the_same_event_has_one_identity_and_a_borrowed_id_another() -> None:
    def identity(body: bytes, event_id: str) -> str:
        [told] = verdict(body, x_razorpay_event_id=event_id).events
        found: str = told.dedupe_id
        return found

    first = identity(event(), "E1")
    assert identity(event(), "E1") == first
    assert identity(event(), "E2") != first
    # The header is not signed: under a borrowed id another event stays another.
    assert identity(event(created_at=1), "E1") != first
    for unusable in ("", "x" * 65, "a b", "\ud800"):
        assert identity(event(), unusable) == first.partition(":")[2]


@pytest.mark.parametrize(
    ("ours", "kind"),
    [
        ({}, EventKind.REFUND),
        ({"account_id": "acc_1"}, EventKind.REFUND),
        ({"account_id": "acc_2"}, EventKind.OTHER),
    ],
)
def test_an_event_of_another_account_is_none_of_ours(
    ours: dict[str, str], kind: EventKind
) -> None:
    [told] = verdict(event(), account=replace(RAZORPAY, settings=ours)).events
    assert told.kind is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("payment.dispute.created", EventKind.DISPUTE_OPENED),
        ("payment.dispute.under_review", EventKind.DISPUTE_OPENED),
        ("payment.dispute.action_required", EventKind.DISPUTE_OPENED),
        ("payment.dispute.won", EventKind.DISPUTE_CLOSED),
        ("payment.dispute.lost", EventKind.DISPUTE_CLOSED),
        ("payment.dispute.closed", EventKind.DISPUTE_CLOSED),
    ],
)
def test_a_dispute_names_its_payment(name: str, kind: EventKind) -> None:
    for payload in (
        {"dispute": {"entity": {"payment_id": PAYMENT_ID}}},
        {"payment": {"entity": {"id": PAYMENT_ID}}},
    ):
        [told] = verdict(event(name, payload=payload)).events
        assert (told.kind, told.payment_reference) == (kind, PAYMENT_ID)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "unreadable"),
        (b"<html>", "unreadable"),
        (b"{}", "unnamed"),
        (event("settlement.processed"), "settlement.processed"),
        (event("Refund.processed"), "Refund.processed"),
    ],
)
def test_what_is_no_word_about_a_refund_is_kept_all_the_same(
    body: bytes, name: str
) -> None:
    [told] = verdict(body).events
    assert (told.kind, told.type, told.word) == (EventKind.OTHER, name, None)
