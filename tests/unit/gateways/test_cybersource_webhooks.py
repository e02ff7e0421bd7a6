from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from tests.unit.gateways.cybersource_making import (
    ACCOUNT,
    AT,
    CAPTURE,
    GATEWAY,
    HOOK_SECRET,
    REFUND,
    SIGNED,
    capture,
    event,
    private_pem,
    sealed,
    signed,
    transaction,
)
from tests.unit.gateways.driving import Drive, answer, drive

PAYLOAD = {"id": REFUND, "status": "BATCHED"}
SENT = answer(200, transaction("TRANSMITTED"))
WRONG_KEY = base64.b64encode(b"another key").decode()


def receive(
    sent: RawDelivery,
    *responses: Any,
    secrets: tuple[str, ...] = (HOOK_SECRET,),
    at: datetime = AT,
) -> Drive:
    return drive(GATEWAY.receive(ACCOUNT, sent, secrets, at), *responses)


def only(sent: RawDelivery, *responses: Any, **how: Any) -> GatewayEvent:
    verdict = receive(sent, *responses, **how).result
    assert isinstance(verdict, Received), verdict
    (one,) = verdict.events
    return one


# --- vectors ----------------------------------------------------------------------


def vector(name: str) -> tuple[RawDelivery, tuple[str, ...], datetime]:
    (found,) = (one for one in SIGNED if one["name"] == name)
    header = found["v-c-signature"]
    stamp = int(header.partition(";")[0].removeprefix("t="))
    at = datetime.fromtimestamp(stamp / 1000, UTC)
    sent = RawDelivery({"v-c-signature": header}, found["body_utf8"].encode())
    return sent, (found["secret"],), at


def test_the_sample_of_the_documentation_holds() -> None:
    sent, secrets, at = vector("cybersource-doc")
    one = only(sent, secrets=secrets, at=at)
    assert one.kind is EventKind.OTHER


@pytest.mark.parametrize("name", ["cybersource-payload", "cybersource-raw"])
def test_a_vector_holds_and_is_asked_about(name: str) -> None:
    sent, secrets, at = vector(name)
    done = receive(sent, SENT, secrets=secrets, at=at)
    (asked,) = done.requests
    assert (asked.method, asked.target) == ("GET", f"/tss/v2/transactions/{REFUND}")
    assert not asked.moves_money
    (one,) = done.result.events
    assert one.kind is EventKind.REFUND
    assert one.word is Word.SUCCEEDED


@pytest.mark.parametrize("name", [one["name"] for one in SIGNED])
def test_a_twin_of_what_a_vector_signs_is_refused(name: str) -> None:
    sent, secrets, at = vector(name)
    (found,) = (one for one in SIGNED if one["name"] == name)
    start = sent.body.index(found["signed_text"].encode())
    for place in range(start, start + len(found["signed_text"])):
        twin = (
            sent.body[:place] + bytes([sent.body[place] ^ 1]) + sent.body[place + 1 :]
        )
        verdict = receive(replace(sent, body=twin), secrets=secrets, at=at).result
        assert isinstance(verdict, Forged), twin


# --- the header -------------------------------------------------------------------


@pytest.mark.parametrize(
    "dress",
    [
        '"{}"',
        '{}";',
        " {} ; ",
        "{};",
        "v=1;{}",
    ],
)
def test_the_dress_of_a_header_does_not_matter(dress: str) -> None:
    sent = signed(event())
    header = dress.format(sent.headers["v-c-signature"])
    again = replace(sent, headers={"v-c-signature": header})
    assert only(again, SENT).word is Word.SUCCEEDED


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1772446530123",
        "sig=AAAA",
        "t=;sig=AAAA",
        "t=1e3;sig=AAAA",
        "t=-1;sig=AAAA",
        "t=1772446530123;t=1;sig=AAAA",
        "t=1772446530123;sig=",
        "t=" + "9" * 40 + ";sig=AAAA",
        "t=1772446530123;sig=\ud800",
    ],
)
def test_a_header_of_another_form_is_refused(header: str) -> None:
    verdict = receive(RawDelivery({"v-c-signature": header}, event())).result
    assert isinstance(verdict, Forged)


def test_any_of_two_secrets_holds() -> None:
    assert only(signed(event()), SENT, secrets=(WRONG_KEY, HOOK_SECRET)).word
    verdict = receive(signed(event()), secrets=(WRONG_KEY,)).result
    assert verdict == Forged("signature_mismatch")


@pytest.mark.parametrize("secrets", [(), ("no*base64",), ("",)])
def test_without_a_usable_secret_nothing_is_judged(secrets: tuple[str, ...]) -> None:
    verdict = receive(signed(event()), secrets=secrets).result
    assert verdict == Unverifiable("no_usable_secret")


@pytest.mark.parametrize("minutes", [-60, -1, 0, 1, 60])
def test_a_stamp_within_an_hour_is_fresh(minutes: int) -> None:
    at = AT + timedelta(minutes=minutes)
    assert only(signed(event()), SENT, at=at).word


@pytest.mark.parametrize("minutes", [-61, 61, 10**6])
def test_a_stamp_of_another_hour_is_stale(minutes: int) -> None:
    at = AT + timedelta(minutes=minutes)
    assert receive(signed(event()), at=at).result == Forged("signature_stale")
    far = signed(event(), stamp="9" * 15)
    assert receive(far).result == Forged("signature_stale")


@pytest.mark.parametrize("body", [b"", b" {} \n"])
def test_a_health_check_is_answered_and_says_nothing(body: bytes) -> None:
    assert receive(RawDelivery({}, body), secrets=()).result == Received(())


def test_what_speaks_must_be_signed() -> None:
    verdict = receive(RawDelivery({}, event())).result
    assert verdict == Forged("signature_missing")


# --- what was signed ---------------------------------------------------------------


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


SPACED = (
    b'  { "a" : [1, {"payload": 2}] , "payload" : { "id" : "%s" , "x":"\xc3\xa9" } }'
)
SPACED_BODY = SPACED.replace(b"%s", REFUND.encode())


@pytest.mark.parametrize(
    "text",
    [
        SPACED_BODY[SPACED_BODY.index(b'{ "id"') : -2],
        compact({"id": REFUND, "x": "é"}),
        SPACED_BODY,
    ],
)
def test_each_official_reading_of_the_signed_text_holds(text: bytes) -> None:
    assert only(signed(SPACED_BODY, text), SENT).word is Word.SUCCEEDED


def test_a_type_that_is_not_signed_is_not_used() -> None:
    body = event(PAYLOAD, eventType="payments.payments.accept")
    alone = signed(body, json.dumps(PAYLOAD).encode())
    one = only(alone, SENT)
    assert one.word is Word.SUCCEEDED
    assert one.type == "status:BATCHED"
    assert one.occurred_at is None
    whole = only(signed(body))
    assert (whole.kind, whole.word) == (EventKind.OTHER, None)
    assert whole.type == "payments.payments.accept"
    assert whole.occurred_at == "2026-03-02T10:15:30Z"


# --- message-level encryption -------------------------------------------------------

BOTH = (HOOK_SECRET, private_pem())


@pytest.mark.parametrize("inner", [event(), compact(PAYLOAD)])
def test_an_encrypted_body_is_opened(inner: bytes) -> None:
    body = compact({"encData": sealed(inner)})
    for text in (inner, body):
        assert only(signed(body, text), SENT, secrets=BOTH).word is Word.SUCCEEDED


def test_an_encrypted_payload_is_opened() -> None:
    secret = sealed(compact(PAYLOAD))
    body = event({"encData": secret})
    for text in (compact(PAYLOAD), compact({"encData": secret}), body):
        assert only(signed(body, text), SENT, secrets=BOTH).word is Word.SUCCEEDED


def test_the_payload_within_what_was_encrypted_may_be_what_is_signed() -> None:
    inner = event(PAYLOAD)
    sent = signed(compact({"encData": sealed(inner)}), json.dumps(PAYLOAD).encode())
    one = only(sent, SENT, secrets=BOTH)
    assert one.type == "status:BATCHED"


def test_without_our_key_an_encrypted_body_waits() -> None:
    body = compact({"encData": sealed(event())})
    verdict = receive(signed(body)).result
    assert verdict == Unverifiable("no_decryption_key")
    broken = (
        HOOK_SECRET,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    )
    assert receive(signed(body), secrets=broken).result == verdict


@pytest.mark.parametrize(
    "head", [{"alg": "RSA1_5"}, {"enc": "A128GCM"}, {"zip": "DEF"}, {"crit": "x"}]
)
def test_another_way_of_encrypting_is_not_opened(head: dict[str, str]) -> None:
    body = compact({"encData": sealed(event(), **head)})
    assert receive(signed(body), secrets=BOTH).result == Forged("not_for_our_key")


def test_a_changed_twin_of_what_was_encrypted_is_refused() -> None:
    good = sealed(event())
    for place in range(0, len(good), 7):
        changed = "A" if good[place] != "A" else "B"
        twin = good[:place] + changed + good[place + 1 :]
        body = compact({"encData": twin})
        verdict = receive(signed(body, event()), secrets=BOTH).result
        assert isinstance(verdict, Forged)


@pytest.mark.parametrize("text", ["a", "a.b.c.d.e", "....", "é.b.c.d.e", "a" * 400])
def test_what_is_no_encrypted_text_is_refused(text: str) -> None:
    body = compact({"encData": text})
    assert receive(signed(body), secrets=BOTH).result == Forged("not_for_our_key")


# --- what it means ------------------------------------------------------------------


def test_a_refund_is_what_is_read_of_it() -> None:
    one = only(signed(event()), SENT)
    said = one.evidence
    assert said is not None
    assert (said.source, said.gateway_reference) == ("webhook", REFUND)
    assert (said.amount_minor, said.currency) == (1050, "EUR")
    assert said.merchant_reference == "rw-000001"
    assert one.payment_aliases == (CAPTURE,)
    assert not one.hint


def test_deliveries_of_one_state_are_one_event() -> None:
    first = only(signed(event(transactionTraceId="1", retryNumber=0)), SENT)
    again = only(signed(event(transactionTraceId="2", retryNumber=1)), SENT)
    assert first.dedupe_id == again.dedupe_id
    other = only(signed(event()), answer(200, transaction("VOIDED")))
    assert other.dedupe_id != first.dedupe_id
    earlier = only(signed(event(PAYLOAD | {"status": "PENDING"})), SENT)
    assert earlier.dedupe_id != first.dedupe_id


def test_a_refund_that_cannot_be_read_yet_is_asked_for_later() -> None:
    one = only(signed(event()), answer(404))
    assert (one.kind, one.word, one.hint) == (EventKind.REFUND, None, True)
    assert one.evidence is not None
    assert one.evidence.gateway_reference == REFUND
    assert one.evidence.merchant_reference == "rw-000001"
    assert one.evidence.amount_minor is None


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (answer(500), "http_500"),
        (
            answer(401, {"response": {"rmsg": "Authentication Failed"}}),
            "http_401:Authentication Failed",
        ),
        (answer(200, b"{"), "not_json"),
        (answer(200, transaction(id=CAPTURE)), "another_transaction"),
    ],
)
def test_what_cannot_be_asked_is_to_be_sent_again(response: Any, reason: str) -> None:
    assert receive(signed(event()), response).result == Unverifiable(reason)


def test_what_turns_out_to_be_no_refund_moves_nothing() -> None:
    one = only(signed(event()), answer(200, capture(id=REFUND)))
    assert (one.kind, one.word) == (EventKind.OTHER, None)


@pytest.mark.parametrize(
    "payload", [None, [], {}, "x", {"id": 5}, {"id": "a/b"}, [{"data": 7}], [[]]]
)
def test_a_payload_that_names_nothing_is_received_unasked(payload: object) -> None:
    done = receive(signed(event(payload)))
    assert isinstance(done.result, Received)
    assert not done.requests
    assert [one.kind for one in done.result.events] == [EventKind.OTHER]


def test_an_older_list_is_as_many_events() -> None:
    other = "7398200000000000000001"
    items = [{"data": PAYLOAD}, {"data": {"id": other}}, {"data": PAYLOAD}]
    verdict = receive(
        signed(event(items)), SENT, answer(200, transaction(id=other)), SENT
    ).result
    assert isinstance(verdict, Received)
    assert [one.word for one in verdict.events] == [Word.SUCCEEDED, Word.PENDING]


def test_a_crowd_in_one_delivery_is_not_asked_for_whole() -> None:
    items = [{"data": {"id": f"{number:022d}"}} for number in range(100)]
    done = receive(signed(event(items)), *[answer(404)] * 20)
    assert len(done.requests) == 20
