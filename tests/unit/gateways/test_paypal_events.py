from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import EventKind, GatewayEvent, Received
from tests.unit.gateways import authority
from tests.unit.gateways.test_paypal_answers import REFUND
from tests.unit.gateways.test_paypal_webhooks import RECORDED, VALID, of_vector, verdict

CAPTURE_ID = "2GG279541U471931P"
DISPUTE = {
    "dispute_id": "PP-D-12345",
    "status": "OPEN",
    "disputed_transactions": [
        {
            "buyer_transaction_id": "3BC38643YC807283D",
            "seller_transaction_id": CAPTURE_ID,
        }
    ],
}


def event(type_: str, resource: object = None, **changes: Any) -> dict[str, Any]:
    whole = {
        "id": "WH-58D329510W468432D-8HN650336L201105X",
        "event_version": "1.0",
        "create_time": "2026-11-20T10:15:30.123Z",
        "resource_type": "refund",
        "resource_version": "2.0",
        "event_type": type_,
        "summary": "…",
        "resource": REFUND if resource is None else resource,
        "links": [],
    }
    return {name: v for name, v in (whole | changes).items() if v is not None}


def received(content: object) -> tuple[GatewayEvent, ...]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    result = verdict(authority.signed(body))
    assert isinstance(result, Received)
    return result.events


def only(content: object) -> GatewayEvent:
    (one,) = received(content)
    return one


# --- refunds ----------------------------------------------------------------------


def test_a_refunded_capture_is_a_hint_about_the_refund_in_it() -> None:
    result = of_vector(VALID).result
    assert result == Received(
        (
            GatewayEvent(
                kind=EventKind.REFUND,
                dedupe_id="WH-58D329510W468432D-8HN650336L201105X",
                type="PAYMENT.CAPTURE.REFUNDED",
                occurred_at="2026-11-20T10:15:30.123000Z",
                word=Word.SUCCEEDED,
                evidence=Evidence(
                    source="webhook",
                    raw_status="COMPLETED",
                    gateway_reference="1JU08902781691411",
                    merchant_reference="rw-000001",
                    payment_reference=CAPTURE_ID,
                    amount_minor=1050,
                    currency="EUR",
                ),
                payment_reference=CAPTURE_ID,
                hint=True,
            ),
        )
    )


@pytest.mark.parametrize(
    ("type_", "status", "word"),
    [
        ("PAYMENT.CAPTURE.REFUNDED", "PENDING", Word.PENDING),
        ("PAYMENT.REFUND.PENDING", "PENDING", Word.PENDING),
        ("PAYMENT.REFUND.COMPLETED", "COMPLETED", Word.SUCCEEDED),
        ("PAYMENT.REFUND.FAILED", "FAILED", Word.FAILED),
        ("PAYMENT.REFUND.CANCELLED", "CANCELLED", Word.FAILED),
        ("PAYMENT.REFUND.NEW", "NEW", Word.UNSEEN),
    ],
)
def test_the_word_is_the_refunds_status_whatever_the_event_is_called(
    type_: str, status: str, word: Word
) -> None:
    one = only(event(type_, REFUND | {"status": status}))
    assert (one.kind, one.word, one.hint) == (EventKind.REFUND, word, True)
    assert one.evidence is not None
    assert one.evidence.gateway_reference == "1JU08902781691411"
    assert one.evidence.raw_status == status
    assert one.payment_reference == CAPTURE_ID


def test_somebody_elses_refund_keeps_its_own_reference() -> None:
    stranger = {**REFUND, "custom_id": "", "invoice_id": "ORDER-18"}
    evidence = only(event("PAYMENT.CAPTURE.REFUNDED", stranger)).evidence
    assert evidence is not None
    assert evidence.merchant_reference == "ORDER-18"


@pytest.mark.parametrize("version", [None, "1.0", "2.1", "", 2.0])
@pytest.mark.parametrize("type_", ["PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.FAILED"])
def test_a_refund_of_another_shape_is_not_read(type_: str, version: object) -> None:
    one = only(event(type_, resource_version=version))
    assert (one.kind, one.word, one.evidence) == (EventKind.OTHER, None, None)
    assert one.dedupe_id == "WH-58D329510W468432D-8HN650336L201105X"


@pytest.mark.parametrize("resource", [{}, [], "x", {"status": "COMPLETED"}])
def test_a_refund_that_cannot_be_read_is_an_unseen_one(resource: object) -> None:
    one = only(event("PAYMENT.CAPTURE.REFUNDED", resource))
    assert (one.kind, one.word, one.hint) == (EventKind.REFUND, Word.UNSEEN, True)
    assert one.evidence == Evidence("webhook", "unreadable:missing_id")


def test_an_amount_that_is_not_exact_is_unseen() -> None:
    amount = {"value": "10.505", "currency_code": "EUR"}
    one = only(event("PAYMENT.CAPTURE.REFUNDED", REFUND | {"amount": amount}))
    assert one.word is Word.UNSEEN
    assert one.evidence is not None
    assert one.evidence.raw_status == "amount:10.505 EUR"


# --- money taken back -------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource_type", "resource", "capture"),
    [
        ("refund", REFUND, CAPTURE_ID),
        (
            "refund",
            {
                "id": "9X",
                "links": [
                    {
                        "rel": "up",
                        "href": f"https://api.paypal.com/v1/payments/capture/{CAPTURE_ID}",
                    }
                ],
            },
            CAPTURE_ID,
        ),
        ("capture", {"id": CAPTURE_ID, "status": "REFUNDED"}, CAPTURE_ID),
        ("refund", {"id": "9X"}, None),
        (None, {}, None),
    ],
)
@pytest.mark.parametrize("version", ["2.0", None])
def test_a_reversed_capture_is_a_dispute_and_no_refund_of_ours(
    resource_type: str | None, resource: object, capture: str | None, version: object
) -> None:
    one = only(
        event(
            "PAYMENT.CAPTURE.REVERSED",
            resource,
            resource_type=resource_type,
            resource_version=version,
        )
    )
    assert one.kind is EventKind.DISPUTE_OPENED
    assert one.payment_reference == capture
    assert (one.word, one.evidence, one.hint) == (None, None, False)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("CUSTOMER.DISPUTE.CREATED", EventKind.DISPUTE_OPENED),
        ("CUSTOMER.DISPUTE.UPDATED", EventKind.DISPUTE_OPENED),
        ("CUSTOMER.DISPUTE.RESOLVED", EventKind.DISPUTE_CLOSED),
    ],
)
def test_a_dispute_names_the_sellers_transaction(type_: str, kind: EventKind) -> None:
    one = only(event(type_, DISPUTE, resource_type="dispute", resource_version=None))
    assert (one.kind, one.payment_reference) == (kind, CAPTURE_ID)
    assert one.dedupe_id == "WH-58D329510W468432D-8HN650336L201105X"


def test_a_dispute_of_several_payments_is_as_many_events() -> None:
    named = [CAPTURE_ID, "OTHER", CAPTURE_ID, None, "THIRD"]
    disputed = [{"seller_transaction_id": name} for name in named]
    several = received(
        event("CUSTOMER.DISPUTE.CREATED", {"disputed_transactions": disputed})
    )
    assert [one.payment_reference for one in several] == [CAPTURE_ID, "OTHER", "THIRD"]
    identity = "WH-58D329510W468432D-8HN650336L201105X"
    assert [one.dedupe_id for one in several] == [
        identity,
        f"{identity}:1",
        f"{identity}:2",
    ]
    assert {one.kind for one in several} == {EventKind.DISPUTE_OPENED}


@pytest.mark.parametrize("dispute", [{}, {"disputed_transactions": [7, {}, None]}])
def test_a_dispute_without_a_payment_is_still_told(dispute: object) -> None:
    one = only(event("CUSTOMER.DISPUTE.CREATED", dispute))
    assert (one.kind, one.payment_reference) == (EventKind.DISPUTE_OPENED, None)


# --- anything else ----------------------------------------------------------------


@pytest.mark.parametrize(
    "type_",
    [
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.PENDING",
        "PAYMENT.CAPTURE.DECLINED",
        "PAYMENT.CAPTURE.DENIED",
        "PAYMENT.CAPTURE.REFUND-REVIEWED",
        "PAYMENT.SALE.REFUNDED",
        "payment.capture.refunded",
    ],
)
def test_another_event_is_received_and_means_nothing(type_: str) -> None:
    one = only(event(type_))
    assert one == GatewayEvent(
        EventKind.OTHER,
        "WH-58D329510W468432D-8HN650336L201105X",
        type_,
        "2026-11-20T10:15:30.123000Z",
    )


def test_the_published_event_of_2017_means_nothing() -> None:
    body = RECORDED["published-sandbox-2017"]["body_utf8"].encode()
    assert only(body).kind is EventKind.OTHER
    assert only(body).dedupe_id == "WH-2MW4820926242972J-6SG447389E205703U"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id":1,"id":2}', b"\xff"])
def test_a_verified_body_that_is_no_event_is_known_by_its_digest(body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    assert received(body) == (GatewayEvent(EventKind.OTHER, digest, "unreadable"),)


@pytest.mark.parametrize("identity", [None, "", 7, "x" * 256])
def test_an_event_without_an_id_is_known_by_its_digest(identity: object) -> None:
    content = event("PAYMENT.CAPTURE.REFUNDED", id=identity)
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    assert only(content).dedupe_id == digest


@pytest.mark.parametrize("created", [None, "yesterday", 7, "2026-11-20T10:15:30"])
def test_a_time_that_is_none_is_left_out(created: object) -> None:
    assert (
        only(event("PAYMENT.CAPTURE.PENDING", create_time=created)).occurred_at is None
    )


def test_a_type_is_shown_bounded_and_without_control_characters() -> None:
    assert only(event("A\x1b[31m" + "B" * 90)).type == "A?[31m" + "B" * 58
    assert only(event("")).type == "unnamed"
