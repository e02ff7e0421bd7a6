from __future__ import annotations

import hmac
import json
from hashlib import sha512
from typing import Any

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    RawDelivery,
    Received,
    Unverifiable,
)
from tests.unit.gateways.anet import (
    ANET,
    GATEWAY,
    OURS,
    REFUND_ID,
    SALE_ID,
    answer,
    enveloped,
    refund_details,
    sale,
)
from tests.unit.gateways.driving import NOW, VECTORS, result_of

RECORDED = json.loads((VECTORS / "webhooks_authorizenet.json").read_text("utf-8"))
SECRET = RECORDED["vectors"][0]["secret"]
REFUND = "net.authorize.payment.refund.created"
VOID = "net.authorize.payment.void.created"


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"sha512={hmac.new(secret.encode(), body, sha512).hexdigest().upper()}"


def notice(kind: str = REFUND, **payload: Any) -> bytes:
    event = {
        "notificationId": "6a1c5d1e-7f0b-4a53-9d32-0c6f4e1b2a01",
        "eventType": kind,
        "eventDate": "2026-11-20T10:15:31.7722007Z",
        "webhookId": "849e0000-078a-4169-a34b-c0bded501901",
        "payload": {
            "responseCode": 1,
            "avsResponse": "P",
            "authAmount": 12.5,
            "invoiceNumber": OURS,
            "entityName": "transaction",
            "id": REFUND_ID,
        }
        | payload,
    }
    return json.dumps(event).encode()


def verdict(body: bytes, *responses: Any, secrets: Any = (SECRET,)) -> Any:
    delivery = RawDelivery({"x-anet-signature": signature(body)}, body)
    return result_of(GATEWAY.receive(ANET, delivery, secrets, NOW), *responses)


def event(body: bytes, *responses: Any) -> GatewayEvent:
    received = verdict(body, *responses)
    assert isinstance(received, Received), received
    (only,) = received.events
    return only


# --- signatures -------------------------------------------------------------------


@pytest.mark.parametrize("vector", RECORDED["vectors"], ids=lambda one: one["name"])
def test_a_recorded_signature_holds_under_the_text_of_the_key(vector: Any) -> None:
    body = vector["body_utf8"].encode()
    good = vector["header_X-ANET-Signature"]
    for header in (good, good.lower(), f" {good} "):
        operation = GATEWAY.receive(
            ANET,
            RawDelivery({"x-anet-signature": header}, body),
            ("old", vector["secret"]),
            NOW,
        )
        assert not isinstance(result_of(operation, enveloped("E00040")), Forged)
    wrong = RawDelivery(
        {"x-anet-signature": vector["wrong_if_key_is_hex_decoded"]}, body
    )
    refused = result_of(GATEWAY.receive(ANET, wrong, (vector["secret"],), NOW))
    assert refused == Forged("signature_mismatch")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "signature_missing"),
        ("", "signature_malformed"),
        ("sha512=", "signature_malformed"),
        ("A" * 128, "signature_malformed"),
        ("sha512=" + "A" * 127, "signature_malformed"),
        ("sha512=" + "A" * 128, "signature_mismatch"),
        ("sha512=" + "\u0661" * 128, "signature_malformed"),
    ],
)
def test_without_its_signature_nothing_is_read(header: Any, reason: str) -> None:
    headers = {} if header is None else {"x-anet-signature": header}
    delivery = RawDelivery(headers, notice())
    assert result_of(GATEWAY.receive(ANET, delivery, (SECRET,), NOW)) == Forged(reason)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nobody_can_tell(secrets: Any) -> None:
    assert verdict(notice(), secrets=secrets) == Unverifiable("no_usable_secret")


# --- what bears our reference -----------------------------------------------------


def test_a_refund_of_ours_is_a_hint_and_nothing_is_asked_for_it() -> None:
    told = event(notice())
    assert told.kind is EventKind.REFUND
    assert told.dedupe_id == "6a1c5d1e-7f0b-4a53-9d32-0c6f4e1b2a01"
    assert told.type == "refund.created"
    assert told.occurred_at == "2026-11-20T10:15:31.772200Z"
    assert told.word is Word.PENDING
    assert told.hint
    assert told.evidence is not None
    assert told.evidence.gateway_reference == REFUND_ID
    assert told.evidence.merchant_reference == OURS
    # Test notifications state 0.0, and no currency is ever told.
    assert told.evidence.amount_minor is None


@pytest.mark.parametrize(
    "kind", [VOID, *(f"net.authorize.payment.fraud.{x}" for x in ("held", "declined"))]
)
def test_what_happened_to_a_refund_of_ours_is_left_to_the_read(kind: str) -> None:
    told = event(notice(kind, invoiceNumber=None, merchantReferenceId=OURS))
    assert (told.kind, told.word, told.hint) == (EventKind.REFUND, None, True)
    assert told.evidence is not None
    assert told.evidence.merchant_reference == OURS


# --- what does not ----------------------------------------------------------------


def test_a_refund_of_somebody_else_is_read_before_it_is_stored() -> None:
    strange = refund_details(order={"invoiceNumber": "by hand"})
    told = event(notice(invoiceNumber="by hand"), strange)
    assert (told.kind, told.word, told.hint) == (EventKind.REFUND, Word.PENDING, True)
    assert told.payment_reference == SALE_ID
    assert told.evidence is not None
    assert told.evidence.amount_minor == 1250


def test_a_sale_that_was_voided_by_hand_is_given_back_whole() -> None:
    told = event(notice(VOID, id=SALE_ID, invoiceNumber="shop-7"), sale("voided"))
    assert (told.kind, told.word) == (EventKind.REFUND, Word.SUCCEEDED)
    assert told.payment_reference == SALE_ID
    assert told.evidence is not None
    assert told.evidence.gateway_reference == SALE_ID
    assert told.evidence.amount_minor == 5000


@pytest.mark.parametrize("kind", [VOID, "net.authorize.payment.fraud.approved"])
def test_what_is_about_a_sale_is_about_no_refund(kind: str) -> None:
    told = event(notice(kind, id=SALE_ID, invoiceNumber="shop-7"), sale())
    assert told.kind is EventKind.OTHER


def test_a_delivery_whose_subject_cannot_be_read_now_comes_again() -> None:
    waits = verdict(notice(invoiceNumber=None), answer(b"", 503))
    assert waits == Unverifiable("details:http_503")


@pytest.mark.parametrize("code", ["E00011", "E00040"])
def test_a_delivery_whose_subject_can_never_be_read_is_kept(code: str) -> None:
    told = event(notice(invoiceNumber=None), enveloped(code))
    assert (told.kind, told.word) == (EventKind.REFUND, Word.PENDING)
    other = event(notice(VOID, invoiceNumber=None), enveloped(code))
    assert other.kind is EventKind.OTHER


@pytest.mark.parametrize(
    "body",
    [
        notice("net.authorize.payment.authcapture.created"),
        notice("net.authorize.customer.created"),
        notice(id="0"),
        notice(id=7),
        notice(id=None),
        b'{"eventType": 7, "payload": []}',
    ],
)
def test_other_events_are_kept_and_ask_nothing(body: bytes) -> None:
    assert event(body).kind is EventKind.OTHER


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": 1, "a": 2}'])
def test_what_is_well_signed_and_unreadable_is_kept(body: bytes) -> None:
    told = event(body)
    assert (told.kind, told.type) == (EventKind.OTHER, "unreadable")
