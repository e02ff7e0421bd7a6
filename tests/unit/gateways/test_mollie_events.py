from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    RawDelivery,
    Received,
    Unverifiable,
)
from tests.unit.gateways.driving import NOW, answer, delivery, drive
from tests.unit.gateways.mollie_hand import (
    GATEWAY,
    GOOD,
    MOLLIE,
    PAYMENT,
    REFUND_ID,
    SECRET,
    SIGNED,
    TOKEN,
    error,
    payment,
    refund,
    signature,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import HttpResponse

EVENT: dict[str, Any] = json.loads(SIGNED[0]["body_utf8"])


def receive(body: bytes, header: str, *secrets: str, account: Any = MOLLIE) -> Any:
    arrived = delivery(body, x_mollie_signature=header)
    driven = drive(GATEWAY.receive(account, arrived, secrets, NOW))
    assert driven.requests == ()
    return driven.result


def event(kind: str = "refund.refunded", **changes: Any) -> dict[str, Any]:
    return EVENT | {"type": kind} | changes


def snapshot(**changes: Any) -> dict[str, Any]:
    return {"_embedded": {"entity": GOOD | changes}}


def received(content: Any, account: Any = MOLLIE) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    verdict = receive(body, signature(body), SECRET, account=account)
    assert isinstance(verdict, Received), verdict
    (only,) = verdict.events
    return only


# --- signatures -------------------------------------------------------------------


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_a_signature_vector_is_accepted_and_every_twin_refused(
    vector: dict[str, Any],
) -> None:
    raw, header = vector["body_utf8"].encode(), vector["header_X-Mollie-Signature"]
    assert hashlib.sha256(raw).hexdigest() == vector["body_sha256"]
    assert isinstance(receive(raw, header, vector["secret"]), Received)
    assert receive(raw + b"\n", header, vector["secret"]) == Forged(
        "signature_mismatch"
    )
    body = bytearray(raw)
    for index in range(0, len(body) * 8, 5):
        body[index // 8] ^= 1 << index % 8
        verdict = receive(bytes(body), header, vector["secret"])
        assert isinstance(verdict, Forged), index
        body[index // 8] ^= 1 << index % 8
    for place in range(len(header)):
        other = header[:place] + chr(ord(header[place]) ^ 1) + header[place + 1 :]
        assert isinstance(receive(raw, other, vector["secret"]), Forged), other


BODY = SIGNED[0]["body_utf8"].encode()


def test_while_a_secret_changes_one_of_two_signatures_is_enough() -> None:
    old, new = signature(BODY, "old"), signature(BODY, "new")
    for header in (f"{old}, {new}", f"{new},{old}"):
        assert isinstance(receive(BODY, header, "new"), Received)
        assert isinstance(receive(BODY, header, "old"), Received)
        assert isinstance(receive(BODY, header, "x", "new"), Received)
        assert receive(BODY, header, "other") == Forged("signature_mismatch")


@pytest.mark.parametrize(
    "header",
    ["", "sha256=", "sha256=ZZ", signature(BODY)[7:], "sha1=" + signature(BODY)[7:]],
)
def test_what_is_no_signature_is_refused(header: str) -> None:
    assert receive(BODY, header, SECRET) == Forged("signature_malformed")


def test_only_the_first_signatures_of_a_long_header_are_tried() -> None:
    header = ",".join(["sha256=" + "0" * 64] * 16 + [signature(BODY)])
    assert receive(BODY, header, SECRET) == Forged("signature_mismatch")


def test_without_a_secret_nothing_can_be_verified() -> None:
    for secrets in ((), ("",)):
        verdict = receive(BODY, signature(BODY), *secrets)
        assert verdict == Unverifiable("no_usable_secret")


def test_a_signed_body_without_its_signature_is_forged() -> None:
    driven = drive(GATEWAY.receive(MOLLIE, delivery(BODY), (SECRET,), NOW))
    assert driven.result == Forged("signature_missing")


# --- signed events ----------------------------------------------------------------


def test_a_refund_event_is_a_hint_with_its_snapshot() -> None:
    only = received(BODY)
    assert (only.kind, only.dedupe_id, only.type) == (
        EventKind.REFUND,
        "event_Rw1chVv1refund0001",
        "refund.refunded",
    )
    assert only.occurred_at == "2026-03-02T10:15:30Z"
    assert (only.word, only.hint) == (Word.SUCCEEDED, True)
    assert only.payment_reference == PAYMENT
    said = only.evidence
    assert (said.amount_minor, said.currency) == (595, "EUR")
    assert said.merchant_reference == "rw-000123"
    assert said.gateway_reference == REFUND_ID


@pytest.mark.parametrize(
    ("status", "word", "hint"),
    [
        ("queued", Word.PENDING, True),
        ("pending", Word.PENDING, True),
        ("processing", Word.PENDING, True),
        ("refunded", Word.SUCCEEDED, True),
        ("failed", Word.FAILED, True),
        # It cannot be read any more.
        ("canceled", Word.FAILED, False),
        ("thawed", Word.UNSEEN, True),
    ],
)
@pytest.mark.parametrize("simple", [True, False])
def test_every_state_is_told(
    status: str, word: Word, *, hint: bool, simple: bool
) -> None:
    more = {"_embedded": None} if simple else snapshot(status=status)
    only = received(event(f"refund.{status}", **more))
    assert (only.word, only.hint) == (word, hint)
    assert only.evidence.gateway_reference == REFUND_ID
    assert only.evidence.raw_status == status
    assert only.evidence.amount_minor == (None if simple else 1050)


def test_a_snapshot_that_is_none_is_a_hint_to_look() -> None:
    only = received(event(_embedded={"entity": {"resource": "payment"}}))
    assert (only.word, only.hint) == (Word.UNSEEN, True)


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("chargeback.received", EventKind.DISPUTE_OPENED),
        ("chargeback.reversed", EventKind.DISPUTE_CLOSED),
        ("hook.ping", EventKind.OTHER),
        ("balance-transaction.created", EventKind.OTHER),
        ("", EventKind.OTHER),
    ],
)
def test_other_events_are_taken_for_what_they_are(kind: str, meant: EventKind) -> None:
    entity = {"resource": "chargeback", "id": "chb_1", "paymentId": PAYMENT}
    only = received(event(kind, _embedded={"entity": entity}))
    assert (only.kind, only.payment_reference, only.word) == (meant, PAYMENT, None)


def test_an_event_of_the_other_mode_is_refused() -> None:
    live = replace(MOLLIE, mode="live")
    assert receive(BODY, signature(BODY), SECRET, account=live) == Forged("mode")


def test_a_signed_body_that_is_no_object_is_kept() -> None:
    only = received(b"\xff")
    assert (only.kind, only.type) == (EventKind.OTHER, "unreadable")


# --- unsigned deliveries ----------------------------------------------------------


def unsigned(body: bytes, *responses: HttpResponse, account: Any = MOLLIE) -> Any:
    form = {"content-type": "application/x-www-form-urlencoded"}
    arrived = RawDelivery(form, body)
    return drive(GATEWAY.receive(account, arrived, (SECRET,), NOW), *responses)


FORM = f"id={PAYMENT}".encode()


def told(*refunds: Any, **changes: Any) -> HttpResponse:
    return answer(200, payment(**changes) | {"_embedded": {"refunds": list(refunds)}})


def test_what_is_named_is_read_with_our_own_key() -> None:
    driven = unsigned(FORM, told(GOOD, refund(2, "rw-2", status="refunded")))
    (asked,) = driven.requests
    assert asked.target == f"/v2/payments/{PAYMENT}?embed=refunds"
    assert (asked.method, asked.moves_money, asked.reusable) == ("GET", False, False)
    first, second = driven.result.events
    assert first.dedupe_id == f"{REFUND_ID}:pending"
    assert (first.word, first.hint) == (Word.PENDING, True)
    assert (second.word, second.evidence.merchant_reference) == (Word.SUCCEEDED, "rw-2")
    assert second.payment_reference == PAYMENT
    assert second.evidence.amount_minor == 1050
    by_token = unsigned(FORM, told(), account=TOKEN).requests
    assert by_token[0].target.endswith("&testmode=true")


def test_a_state_is_told_once_and_the_next_one_again() -> None:
    ids = {
        unsigned(FORM, told(GOOD | {"status": status})).result.events[0].dedupe_id
        for status in ("pending", "pending", "processing")
    }
    assert len(ids) == 2


def test_a_cancelled_refund_is_told_by_its_payment() -> None:
    (only,) = unsigned(FORM, told(GOOD | {"status": "canceled"})).result.events
    assert (only.word, only.hint) == (Word.FAILED, False)


def test_a_chargeback_opens_a_dispute() -> None:
    back = {"currency": "EUR", "value": "50.00"}
    (only,) = unsigned(FORM, told(amountChargedBack=back)).result.events
    assert (only.kind, only.payment_reference) == (EventKind.DISPUTE_OPENED, PAYMENT)
    assert only.dedupe_id == f"{PAYMENT}:charged_back:5000"


@pytest.mark.parametrize("status", [404, 410])
def test_an_id_that_is_not_known_changes_nothing_and_is_told_nothing(
    status: int,
) -> None:
    assert unsigned(b"id=tr_stranger", error(status)).result == Received(())


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_what_cannot_be_read_now_is_asked_for_again(status: int) -> None:
    verdict = unsigned(FORM, error(status)).result
    assert verdict == Unverifiable(f"read_http_{status}")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"id": "tr_other"}, Unverifiable("another_payment")),
        (payment(mode="live"), Forged("mode")),
        (
            payment() | {"_embedded": {"refunds": ["x"]}},
            Unverifiable("no_refund_object"),
        ),
        ("x", Unverifiable("another_payment")),
    ],
    ids=range(4),
)
def test_a_payment_that_is_not_understood_tells_nothing(
    body: Any, verdict: object
) -> None:
    assert unsigned(FORM, answer(200, body)).result == verdict


@pytest.mark.parametrize("body", [b"id=ord_abcd1234", b"id=sub_12345678&x=1"])
def test_what_is_no_payment_is_dropped_without_reading(body: bytes) -> None:
    assert unsigned(body).result == Received(())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"id=",
        b"id=tr_abc",
        b"id=tr_../../refunds",
        b"id=tr_1234%2F..%2F..",
        b"id=tr_" + b"a" * 65,
        b"id=tr_12345678&id=tr_87654321",
        b"\xff\xfe",
        b"ID=tr_12345678",
        b"id=tr_12345678&x=" + b"1" * 1024,
        b"&".join([b"a=1"] * 9) + b"&id=tr_12345678",
        json.dumps({"id": PAYMENT}).encode(),
    ],
)
def test_what_names_no_payment_is_refused_without_reading(body: bytes) -> None:
    assert unsigned(body).result == Forged("signature_missing")
