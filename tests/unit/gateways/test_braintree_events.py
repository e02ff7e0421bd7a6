from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from refundwatch.domain.refund import Word
from refundwatch.gateways.braintree import events, facts
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.contract import (
    EventKind,
    Forged,
    GatewayEvent,
    RawDelivery,
    Received,
    Unverifiable,
)
from tests.unit.gateways.braintree_talk import BRAINTREE, PAIR, SALE_ID, SIGNED
from tests.unit.gateways.driving import NOW, drive

GATEWAY = Braintree()
OTHER = "rw_new_pub_key:rw_private_key_test_0002"
VECTORS = pytest.mark.parametrize("vector", SIGNED["vectors"], ids=lambda v: v["name"])


def verdict(body: bytes, *secrets: str) -> Any:
    delivery = RawDelivery({}, body)
    operation = GATEWAY.receive(BRAINTREE, delivery, secrets or (PAIR,), NOW)
    return drive(operation).result


def form_of(payload: str, pair: str = PAIR) -> bytes:
    (keys,) = events.key_pairs((pair,))
    signature = f"{keys.public}|{keys.digest(payload)}"
    return urlencode({"bt_signature": signature, "bt_payload": payload}).encode()


def signed(xml: str | bytes) -> bytes:
    document = xml if isinstance(xml, bytes) else xml.encode()
    return form_of(b64encode(document).decode("ascii") + "\n")


def notification(kind: str, subject: str) -> str:
    return (
        '<notification><timestamp type="datetime">2026-03-02T11:00:00Z</timestamp>'
        f"<kind>{kind}</kind><subject>{subject}</subject></notification>"
    )


def transaction(**changes: str | None) -> str:
    fields: dict[str, str | None] = {
        "id": "rwrefund01",
        "type": "credit",
        "status": "settled",
        "amount": "12.50",
        "currency-iso-code": "USD",
        "order-id": "rw-r-000123",
        "refunded-transaction-id": "rwsale0001",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    inner = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items() if v is not None)
    return f"<transaction>{inner}</transaction>"


def event_of(xml: str | bytes) -> GatewayEvent:
    received = verdict(signed(xml))
    assert isinstance(received, Received), received
    (event,) = received.events
    return event


# --- signatures -------------------------------------------------------------------


@VECTORS
def test_a_vector_holds_under_any_place_of_its_pair(vector: dict[str, str]) -> None:
    body = vector["form_body"].encode()
    for secrets in ((PAIR,), (OTHER, PAIR), (PAIR, OTHER), ("x", PAIR)):
        assert isinstance(verdict(body, *secrets), Received)


@VECTORS
def test_a_dropped_last_line_end_changes_nothing(vector: dict[str, str]) -> None:
    body = vector["form_body"].removesuffix("%0A").encode()
    again, whole = verdict(body), verdict(vector["form_body"].encode())
    assert isinstance(again, Received)
    assert again == whole


@VECTORS
def test_every_changed_character_of_a_payload_is_refused(
    vector: dict[str, str],
) -> None:
    form = parse_qs(vector["form_body"])
    signature, payload = form["bt_signature"][0], form["bt_payload"][0]
    for place in range(0, len(payload.rstrip("\n")), 7):
        changed = payload[:place] + chr(ord(payload[place]) ^ 1) + payload[place + 1 :]
        body = urlencode({"bt_signature": signature, "bt_payload": changed})
        assert isinstance(verdict(body.encode()), Forged), place


@VECTORS
def test_another_pair_does_not_hold(vector: dict[str, str]) -> None:
    body = vector["form_body"].encode()
    private = f"{SIGNED['public_key']}:another"
    public = f"other_key:{SIGNED['private_key']}"
    for pair in (private, public, OTHER):
        assert verdict(body, pair) == Forged("signature_mismatch")


@pytest.mark.parametrize("secrets", [("x",), ("",), (":private",), ("public:",)])
def test_without_a_usable_pair_nothing_can_be_said(secrets: tuple[str, ...]) -> None:
    body = SIGNED["vectors"][0]["form_body"].encode()
    assert verdict(body, *secrets) == Unverifiable("no_usable_secret")


def rewritten(**changes: str) -> bytes:
    form = parse_qs(SIGNED["vectors"][0]["form_body"])
    fields = {name: values[0] for name, values in form.items()} | changes
    return urlencode(fields).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "form_malformed"),
        (b"\xff", "form_malformed"),
        (b"bt_signature=a%7Cb", "form_malformed"),
        (b"bt_payload=YQ%3D%3D", "form_malformed"),
        (b"{}", "form_malformed"),
        (rewritten() + b"&bt_payload=YQ", "form_malformed"),
        (rewritten() + b"&a=1" * 9, "form_malformed"),
        (rewritten().replace(b"%2B", b"+"), "payload_malformed"),
        (rewritten(bt_payload="<xml/>"), "payload_malformed"),
        (rewritten(bt_payload=""), "payload_malformed"),
        (rewritten(bt_signature=""), "signature_mismatch"),
        (rewritten(bt_signature="rw_pub_key_test1"), "signature_mismatch"),
        (rewritten(bt_signature="rw_pub_key_test1|"), "signature_mismatch"),
        (rewritten(bt_signature=f"rw_pub_key_test1|{'0' * 40}"), "signature_mismatch"),
        (rewritten(bt_signature=f"|{'0' * 40}"), "signature_mismatch"),
    ],
)
def test_what_is_not_signed_as_braintree_signs_is_forged(
    body: bytes, reason: str
) -> None:
    assert verdict(body) == Forged(reason)


def test_upper_case_hex_is_another_spelling_and_refused() -> None:
    form = parse_qs(SIGNED["vectors"][0]["form_body"])
    name, _, digest = form["bt_signature"][0].partition("|")
    body = rewritten(bt_signature=f"{name}|{digest.upper()}")
    assert verdict(body) == Forged("signature_mismatch")


# --- the check of an address ------------------------------------------------------


def test_a_challenge_is_answered_with_the_first_pair() -> None:
    challenge = SIGNED["challenge"]
    query = {"bt_challenge": challenge["challenge"]}
    expected = challenge["response"].encode()
    assert GATEWAY.greet(BRAINTREE, query, (PAIR, OTHER)) == expected
    assert GATEWAY.greet(BRAINTREE, query, ("unusable", PAIR)) == expected
    assert GATEWAY.greet(BRAINTREE, query, ("unusable",)) is None


def test_an_answered_challenge_signs_no_delivery() -> None:
    """Anybody may have a challenge answered: it must not sign what is stored."""
    challenge = SIGNED["challenge"]["challenge"]
    answered = GATEWAY.greet(BRAINTREE, {"bt_challenge": challenge}, (PAIR,))
    assert answered is not None
    form = {"bt_signature": answered.decode(), "bt_payload": challenge}
    assert verdict(urlencode(form).encode()) == Forged("payload_malformed")


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "20f9",
        "20F9F8ED05F77439FE955C977E4C8A53",
        "g" * 32,
        "a" * 33,
        "a" * 20 + "\n",
    ],
)
def test_another_form_of_challenge_gets_no_signature(challenge: str) -> None:
    assert GATEWAY.greet(BRAINTREE, {"bt_challenge": challenge}, (PAIR,)) is None
    assert GATEWAY.greet(BRAINTREE, {}, (PAIR,)) is None


# --- meaning ----------------------------------------------------------------------


def test_a_failed_refund_is_a_hint_under_its_legacy_id() -> None:
    (event,) = verdict(SIGNED["vectors"][0]["form_body"].encode()).events
    assert event.kind is EventKind.REFUND
    assert event.type == "refund_failed"
    assert event.occurred_at == "2026-03-02T11:00:00Z"
    assert event.word is Word.FAILED
    assert event.hint
    assert event.payment_reference == "rwsale0001"
    assert event.payment_aliases == (SALE_ID,)
    evidence = event.evidence
    assert evidence is not None
    assert evidence.gateway_reference == "rwrefund01"
    assert evidence.merchant_reference == "rw-r-000123"
    assert (evidence.amount_minor, evidence.currency) == (1250, "USD")
    assert evidence.failure_code == "PROCESSOR_DECLINED"


@pytest.mark.parametrize(
    "kind",
    ["transaction_settled", "transaction_settlement_declined", "transaction_disbursed"],
)
def test_a_transaction_event_counts_for_credits_alone(kind: str) -> None:
    credit = event_of(notification(kind, transaction()))
    assert (credit.kind, credit.word) == (EventKind.REFUND, Word.SUCCEEDED)
    sale = event_of(notification(kind, transaction(type="sale")))
    assert (sale.kind, sale.word) == (EventKind.OTHER, None)
    untyped = event_of(notification(kind, transaction(type=None)))
    assert untyped.kind is EventKind.OTHER


def test_a_failed_refund_may_lack_its_type_and_links() -> None:
    xml = notification(
        "refund_failed",
        transaction(type=None, status="failed", refunded_transaction_id=None),
    )
    event = event_of(xml)
    assert (event.kind, event.word) == (EventKind.REFUND, Word.FAILED)
    assert event.payment_reference is None


def test_an_entity_below_an_error_is_found() -> None:
    inner = f"<api-error-response>{transaction()}</api-error-response>"
    event = event_of(notification("refund_failed", inner))
    assert event.evidence is not None
    assert event.evidence.gateway_reference == "rwrefund01"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "held"}, "HELD"),
        ({"status": None}, "UNSTATED"),
        ({"amount": "12.505"}, "amount:12.505 USD"),
        ({"amount": None}, "amount:null USD"),
        ({"currency_iso_code": None}, "amount:12.50 null"),
    ],
)
def test_what_is_not_documented_is_unseen_and_read_again(
    changes: dict[str, str | None], status: str
) -> None:
    event = event_of(notification("refund_failed", transaction(**changes)))
    assert event.word is Word.UNSEEN
    assert event.hint
    assert event.evidence is not None
    assert event.evidence.raw_status.startswith(status[:13])


@pytest.mark.parametrize("kind", sorted(facts.DISPUTE_EVENTS))
def test_a_dispute_names_its_sale_both_ways(kind: str) -> None:
    subject = "<dispute><transaction><id>rwsale0001</id></transaction></dispute>"
    event = event_of(notification(kind, subject))
    assert event.kind is facts.DISPUTE_EVENTS[kind]
    assert event.payment_reference == "rwsale0001"
    assert event.payment_aliases == (SALE_ID,)


@pytest.mark.parametrize(
    "xml",
    [
        notification("check", "<check type='boolean'>true</check>"),
        notification("disbursement", "<disbursement><id>1</id></disbursement>"),
        notification("something_new", transaction(type="sale")),
        "<notification/>",
        "<notification><kind>a</kind><kind>b</kind></notification>",
        "no xml",
        "",
        '<!DOCTYPE n [<!ENTITY a "b">]><notification>&a;</notification>',
        b"\xff\xfe\x00",
    ],
)
def test_a_signed_delivery_is_never_refused_for_what_it_says(xml: str | bytes) -> None:
    if xml == "":
        assert isinstance(verdict(form_of("\n")), Received)
        return
    assert event_of(xml).kind is EventKind.OTHER


@pytest.mark.parametrize("payload", ["A", "====", "QQ", "a=b=", "\n\n"])
def test_signed_text_that_is_no_base64_is_stored_unread(payload: str) -> None:
    (event,) = verdict(form_of(payload)).events
    assert event.kind is EventKind.OTHER


def test_the_same_document_is_one_delivery_however_it_is_broken() -> None:
    xml = notification("refund_failed", transaction()).encode()
    flat = b64encode(xml).decode("ascii")
    broken = "\n".join((flat[:60], flat[60:])) + "\n"
    ids = {verdict(form_of(one)).events[0].dedupe_id for one in (flat, broken)}
    assert len(ids) == 1
    later = xml.replace(b"11:00:00", b"12:00:00")
    assert event_of(later).dedupe_id not in ids


def test_a_private_key_is_in_no_repr() -> None:
    pairs = events.key_pairs((PAIR,))
    assert SIGNED["private_key"] not in f"{pairs!r} {replace(pairs[0], public='x')}"
