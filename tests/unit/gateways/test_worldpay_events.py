from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from tests.unit.gateways.driving import NOW, drive
from tests.unit.gateways.worldpay_talk import (
    DOCTYPE,
    FAILED,
    GATEWAY,
    ORDER,
    SECRET,
    SENT,
    WORLDPAY,
    amount,
    delivery,
    notification,
)

if TYPE_CHECKING:
    from refundwatch.gateways.contract import RawDelivery, Verdict


def verdict(raw: RawDelivery, *secrets: str) -> Verdict:
    driven = drive(GATEWAY.receive(WORLDPAY, raw, secrets or (SECRET,), NOW))
    assert driven.requests == ()
    return driven.result  # type: ignore[no-any-return]


def events(content: str | bytes, merchant: str = "RWTESTGBP") -> list[GatewayEvent]:
    found = verdict(delivery(content, merchant=merchant))
    assert isinstance(found, Received)
    return list(found.events)


def event(content: str | bytes) -> GatewayEvent:
    (only,) = events(content)
    return only


# --- the sender -------------------------------------------------------------------


def test_only_an_address_with_one_of_the_secrets_is_received() -> None:
    assert isinstance(verdict(delivery(SENT), "other", SECRET), Received)
    assert verdict(delivery(SENT, key=None)) == Forged("address_key_missing")
    for wrong in ("", "x", SECRET + " ", SECRET.upper()):
        assert verdict(delivery(SENT, key=wrong)) == Forged("address_key_mismatch")


def test_an_account_without_secret_verifies_nothing() -> None:
    driven = drive(GATEWAY.receive(WORLDPAY, delivery(SENT), ("",), NOW))
    assert driven.result == Unverifiable("no_usable_secret")


# --- recorded ---------------------------------------------------------------------


def test_the_recorded_fixtures_are_the_published_bytes() -> None:
    sizes = {1043: "dbc606c30ce71b91", 678: "460471eab27bb38b"}
    for body in (SENT, FAILED):
        assert sha256(body).hexdigest().startswith(sizes[len(body)])


def test_a_recorded_sent_for_refund_is_pending() -> None:
    assert event(SENT) == GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id=event(SENT).dedupe_id,
        type="SENT_FOR_REFUND",
        word=Word.PENDING,
        evidence=Evidence(
            source="webhook",
            raw_status="SENT_FOR_REFUND",
            gateway_reference="rw-000123-1",
            merchant_reference="rw-000123-1",
            payment_reference=ORDER,
            amount_minor=595,
            currency="GBP",
        ),
        payment_reference=ORDER,
        hint=True,
    )


def test_a_recorded_failure_names_the_refund_under_another_type_and_no_amount() -> None:
    told = event(FAILED)
    assert told.word is Word.FAILED
    assert told.evidence is not None
    assert told.evidence.merchant_reference == "rw-000123-1"
    assert told.evidence.failure_code == "refund_failed"
    assert told.evidence.amount_minor is None
    assert told.evidence.currency == "GBP"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("REFUNDED", Word.SUCCEEDED),
        ("REFUNDED_BY_MERCHANT", Word.SUCCEEDED),
        ("REFUND_EXPIRED", Word.FAILED),
        ("REFUND_WEBFORM_ISSUED", Word.PENDING),
        ("REFUND_UNDER_THE_SUN", Word.UNSEEN),
    ],
)
def test_each_event_of_a_refund_is_its_word_and_a_hint(name: str, word: Word) -> None:
    told = event(notification(name))
    assert (told.kind, told.word, told.hint) == (EventKind.REFUND, word, True)
    assert told.occurred_at is None
    assert told.evidence is not None
    assert told.evidence.requires_action is (name == "REFUND_WEBFORM_ISSUED")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CHARGED_BACK", EventKind.DISPUTE_OPENED),
        ("INFORMATION_REQUESTED", EventKind.DISPUTE_OPENED),
        ("CHARGEBACK_REVERSED", EventKind.DISPUTE_CLOSED),
        ("AUTHORISED", EventKind.OTHER),
        ("CAPTURED", EventKind.OTHER),
        ("CANCELLED", EventKind.OTHER),
        ("NEVER_SEEN", EventKind.OTHER),
    ],
)
def test_what_is_about_no_refund_says_no_word(name: str, kind: EventKind) -> None:
    told = event(notification(name))
    assert (told.kind, told.word, told.payment_reference) == (kind, None, ORDER)


# --- which refund, how much -------------------------------------------------------


def reference(*pairs: tuple[str, str], payment: str = "") -> str | None:
    written = "".join(
        f'<journalReference type="{kind}" reference="{name}"/>' for kind, name in pairs
    )
    told = event(notification(references=written, payment=payment))
    assert told.evidence is not None
    assert told.evidence.gateway_reference == told.evidence.merchant_reference
    return told.evidence.merchant_reference


OURS = "rw" + "a2" * 9


def test_the_reference_is_searched_under_every_type() -> None:
    assert reference(("capture", "rw-1")) == "rw-1"
    assert reference(payment="<reference>rw-2</reference>") == "rw-2"
    assert reference(("capture", "cap-9"), ("refund", "rw-3")) == "rw-3"
    assert reference(("refund", "arn-1"), ("refund_response", OURS)) == OURS
    assert reference(("capture", "a"), payment="<reference>b</reference>") is None
    assert reference() is None


def booked(*amounts: str, kind: str = "IN_PROCESS_CAPTURED") -> str:
    return "".join(
        f'<accountTx accountType="{kind}">{one}</accountTx>' for one in amounts
    )


def stated(bookings: str, total: str | None = None) -> tuple[object, object]:
    told = event(notification("REFUNDED", bookings=bookings, total=total))
    assert told.evidence is not None
    return told.word, told.evidence.amount_minor


def test_the_amount_is_the_bookings_and_never_the_orders() -> None:
    ok = Word.SUCCEEDED
    assert stated(booked(amount(595, way="debit"))) == (ok, 595)
    assert stated(booked(amount(595), amount(595))) == (ok, 595)
    assert stated("") == (ok, None)
    commission = booked(amount(12), kind="SETTLED_BIBIT_COMMISSION")
    net = booked(amount(595), kind="SETTLED_BIBIT_NET")
    assert stated(net + commission) == (ok, 595)
    # What is booked in the currency of settlement says nothing of the payment's.
    assert stated(booked(amount(700, "EUR"), amount(595))) == (ok, 595)
    assert stated(booked(amount(10, "HUF", 0)), amount(500, "HUF", 0)) == (ok, 1000)


@pytest.mark.parametrize(
    "bookings", [booked(amount(595), amount(596)), booked(amount("x"))]
)
def test_bookings_that_disagree_go_to_people(bookings: str) -> None:
    assert stated(bookings) == (Word.UNSEEN, None)


# --- identity ---------------------------------------------------------------------


def identity(content: str | bytes) -> str:
    return event(content).dedupe_id


def test_the_same_event_in_other_bytes_is_the_same() -> None:
    spaced = SENT.replace(b"><payment>", b">\n  <payment>")
    later = SENT.replace(b"4444********1111", b"5555********2222")
    assert identity(SENT) == identity(spaced) == identity(later)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'orderCode="rw-order-10042"', b'orderCode="rw-order-10043"'),
        (b'journalType="SENT_FOR_REFUND"', b'journalType="REFUNDED"'),
        (b'reference="rw-000123-1"', b'reference="rw-000123-2"'),
        (b'dayOfMonth="02"', b'dayOfMonth="03"'),
        (b'batchId="31"', b'batchId="32"'),
        (
            b'batchId="31"><amount value="595"',
            b'batchId="31"><amount value="596"',
        ),
    ],
)
def test_what_tells_events_apart_changes_the_identity(old: bytes, new: bytes) -> None:
    assert old in SENT
    assert identity(SENT.replace(old, new)) != identity(SENT)


# --- what must not block the queue ------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'<!DOCTYPE p [<!ENTITY x "y">]><p>&x;</p>',
        f"{DOCTYPE}<paymentService/>".encode(),
        f"{DOCTYPE}<paymentService><notify/></paymentService>".encode(),
    ],
)
def test_what_cannot_be_read_is_received_and_ends_with_an_alarm(body: bytes) -> None:
    told = event(body)
    assert (told.kind, told.type, told.word) == (EventKind.REFUND, "unreadable", None)
    assert told.dedupe_id == sha256(body).hexdigest()


def test_an_item_without_event_or_order_is_unreadable_beside_the_others() -> None:
    bare = "<orderStatusEvent><payment/></orderStatusEvent>"
    report = f'<report reportType="event">{bare}{notification()}</report>'
    first, second = events(report)
    assert (first.type, second.word) == ("unreadable", Word.SUCCEEDED)


def test_another_merchants_event_is_no_word_about_ours() -> None:
    (told,) = events(notification(), merchant="OTHER")
    assert (told.kind, told.type) == (EventKind.OTHER, "other_merchant")
    assert told.dedupe_id != identity(notification())


def test_a_report_tells_of_each_refund_once() -> None:
    other = notification(
        "REFUND_FAILED",
        references='<journalReference type="refund" reference="rw-7"/>',
    )
    report = (
        '<report reportType="transfer" batchId="31">'
        f"{notification()}{other}{notification()}</report>"
    )
    told = events(report)
    assert [one.word for one in told] == [Word.SUCCEEDED, Word.FAILED]
    assert told[0].dedupe_id == identity(notification())
    assert events('<report reportType="event"></report>') == []


def test_a_report_of_nothing_is_answered_well() -> None:
    found = verdict(delivery('<report reportType="event"/>'))
    assert found == Received(())
    assert GATEWAY.capabilities.webhook_answer == b"[OK]"
    assert replace(GATEWAY.capabilities).webhook_signs_body
