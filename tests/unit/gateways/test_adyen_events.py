from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.refund import Evidence, Word
from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.contract import (
    AccountView,
    EventKind,
    Forged,
    GatewayEvent,
    Received,
    Unverifiable,
)
from tests.unit.gateways.driving import ADYEN, NOW, VECTORS, delivery, result_of

if TYPE_CHECKING:
    from refundwatch.gateways.contract import Verdict

GATEWAY = Adyen()
RECORDED = json.loads((VECTORS / "webhooks_adyen.json").read_text("utf-8"))["vectors"]
SECRET = "A1B2C3D4E5F60718293A4B5C6D7E8F90A1B2C3D4E5F60718293A4B5C6D7E8F90"
OLD_SECRET = "0" * 64

ITEM = {
    "amount": {"currency": "EUR", "value": 1050},
    "eventCode": "REFUND",
    "eventDate": "2026-11-20T10:15:30+01:00",
    "merchantAccountCode": "RefundwatchTestECOM",
    "merchantReference": "rw-000001",
    "originalReference": "993617894903480A",
    "paymentMethod": "visa",
    "pspReference": "993617894906488A",
    "reason": "",
    "success": "true",
}


def signature(item: dict[str, Any], secret: str = SECRET) -> str:
    amount = item.get("amount") or {}
    fields = [
        item.get("pspReference"),
        item.get("originalReference"),
        item.get("merchantAccountCode"),
        item.get("merchantReference"),
        amount.get("value"),
        amount.get("currency"),
        item.get("eventCode"),
        item.get("success"),
    ]
    joined = ":".join("" if field is None else str(field) for field in fields)
    mac = hmac.new(bytes.fromhex(secret), joined.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def signed(secret: str = SECRET, **changes: Any) -> dict[str, Any]:
    item = {k: v for k, v in (ITEM | changes).items() if v is not ...}
    extra = item.get("additionalData") or {}
    item["additionalData"] = extra | {"hmacSignature": signature(item, secret)}
    return item


def envelope(*items: object, live: object = "false") -> bytes:
    wrapped = [{"NotificationRequestItem": item} for item in items]
    return json.dumps({"live": live, "notificationItems": wrapped}).encode()


def receive(body: bytes, *secrets: str, account: AccountView = ADYEN) -> Verdict:
    return result_of(GATEWAY.receive(account, delivery(body), secrets, NOW))


def received(**changes: Any) -> GatewayEvent:
    verdict = receive(envelope(signed(**changes)), SECRET)
    assert isinstance(verdict, Received)
    (only,) = verdict.events
    return only


# --- vectors ----------------------------------------------------------------------


def account_of(vector: dict[str, Any]) -> AccountView:
    name = vector["signing_string"].split(":")[2]
    return replace(ADYEN, settings={"merchant_account": name})


def verdict_of(vector: dict[str, Any], body: bytes) -> Verdict:
    return receive(body, vector["hmac_key_hex"], account=account_of(vector))


@pytest.mark.parametrize("vector", RECORDED, ids=lambda v: v["name"])
def test_a_signature_vector_is_accepted(vector: dict[str, Any]) -> None:
    assert isinstance(verdict_of(vector, vector["body_utf8"].encode()), Received)


def meaning(event: GatewayEvent) -> tuple[object, ...]:
    """Give everything of an event that only signed fields may decide."""
    said = event.evidence and replace(event.evidence, failure_code=None)
    return (event.kind, event.dedupe_id, event.word, said, event.payment_reference)


@pytest.mark.parametrize("vector", RECORDED, ids=lambda v: v["name"])
def test_every_bit_flipped_is_refused_or_changes_nothing_that_counts(
    vector: dict[str, Any],
) -> None:
    body = bytearray(vector["body_utf8"].encode())
    true = verdict_of(vector, bytes(body))
    assert isinstance(true, Received)
    expected = [meaning(event) for event in true.events]
    refused = 0
    for index in range(len(body) * 8):
        body[index // 8] ^= 1 << index % 8
        verdict = verdict_of(vector, bytes(body))
        body[index // 8] ^= 1 << index % 8
        if isinstance(verdict, Received):
            assert [meaning(event) for event in verdict.events] == expected, index
        else:
            assert isinstance(verdict, Forged)
            refused += 1
    assert refused > len(body) * 4


@pytest.mark.parametrize("vector", RECORDED, ids=lambda v: v["name"])
def test_every_bit_flipped_in_the_signature_is_refused(vector: dict[str, Any]) -> None:
    given = vector["expected_hmacSignature"].encode()
    body = vector["body_utf8"].encode()
    start = body.index(given)
    for index in range(len(given) * 8):
        twin = bytearray(body)
        twin[start + index // 8] ^= 1 << index % 8
        assert isinstance(verdict_of(vector, bytes(twin)), Forged), index


SIGNED_CHANGES: list[dict[str, Any]] = [
    {"pspReference": "993617894906488B"},
    {"originalReference": "993617894903480B"},
    {"originalReference": None},
    {"merchantAccountCode": "Other"},
    {"merchantReference": "rw-000002"},
    {"amount": {"currency": "EUR", "value": 1051}},
    {"amount": {"currency": "USD", "value": 1050}},
    {"amount": {"currency": "EUR", "value": "1050"}},
    {"amount": {"currency": "EUR", "value": 1050.0}},
    {"eventCode": "CANCELLATION"},
    {"success": "false"},
    {"success": True},
]


@pytest.mark.parametrize("change", SIGNED_CHANGES, ids=str)
def test_a_changed_signed_field_is_forged(change: dict[str, Any]) -> None:
    assert receive(envelope(signed() | change), SECRET) == Forged("signature_mismatch")


def test_either_key_of_a_rotation_holds() -> None:
    for secret in (SECRET, OLD_SECRET):
        body = envelope(signed(secret))
        assert isinstance(receive(body, OLD_SECRET, SECRET), Received)
        assert isinstance(receive(body, "1" * 64), Forged)


def test_one_unsigned_item_spoils_the_whole_delivery() -> None:
    good, bad = signed(), signed(pspReference="993617894906488C") | {"success": "false"}
    assert receive(envelope(good, bad), SECRET) == Forged("signature_mismatch")
    assert receive(envelope(good, ITEM), SECRET) == Forged("signature_missing")
    assert receive(envelope(good, 5), SECRET) == Forged("malformed")


def test_every_signed_item_becomes_an_event() -> None:
    second = signed(pspReference="993617894906488C", success="false")
    verdict = receive(envelope(signed(), second), SECRET)
    assert isinstance(verdict, Received)
    assert [e.word for e in verdict.events] == [Word.SUCCEEDED, Word.FAILED]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"live":"false","notificationItems":[]}',
        b'{"live":"false","notificationItems":{}}',
        b'{"live":"false","live":"false"}',
    ],
)
def test_a_body_without_items_is_forged(body: bytes) -> None:
    assert receive(body, SECRET) == Forged("malformed")


@pytest.mark.parametrize("secrets", [(), ("",), ("not hex",)])
def test_without_a_usable_key_nothing_can_be_verified(secrets: tuple[str, ...]) -> None:
    verdict = receive(envelope(signed()), *secrets)
    assert verdict == Unverifiable("no_usable_secret")


def test_an_item_of_another_merchant_account_is_taken_and_moves_nothing() -> None:
    other = signed(merchantAccountCode="Other")
    verdict = receive(envelope(other, signed()), SECRET)

    assert isinstance(verdict, Received)
    stranger, ours = verdict.events
    assert stranger.kind is EventKind.OTHER
    assert stranger.type == "other_merchant_account"
    assert (stranger.word, stranger.evidence) == (None, None)
    assert stranger.payment_reference is None
    assert stranger.dedupe_id != ours.dedupe_id
    assert ours.word is Word.SUCCEEDED


@pytest.mark.parametrize("mode", ["live", "sandbox"])
@pytest.mark.parametrize("live", ["true", "false", True, False, None])
def test_a_delivery_of_the_other_mode_is_forged(mode: str, live: object) -> None:
    verdict = receive(
        envelope(signed(), live=live), SECRET, account=replace(ADYEN, mode=mode)
    )
    if live == ("true" if mode == "live" else "false"):
        assert isinstance(verdict, Received)
    else:
        assert verdict == Forged("live")


# --- meaning ----------------------------------------------------------------------


def test_a_refund_event_speaks_in_our_words_and_units() -> None:
    assert received() == GatewayEvent(
        kind=EventKind.REFUND,
        dedupe_id="REFUND:993617894906488A:true",
        type="REFUND",
        occurred_at="2026-11-20T09:15:30Z",
        word=Word.SUCCEEDED,
        evidence=Evidence(
            source="webhook",
            raw_status="REFUND:true",
            gateway_reference="993617894906488A",
            merchant_reference="rw-000001",
            payment_reference="993617894903480A",
            amount_minor=1050,
            currency="EUR",
        ),
        payment_reference="993617894903480A",
        hint=False,
    )


@pytest.mark.parametrize(
    ("code", "success", "word"),
    [
        ("REFUND", "true", Word.SUCCEEDED),
        ("REFUND", "false", Word.FAILED),
        ("REFUND", "maybe", Word.UNSEEN),
        ("REFUND_FAILED", "true", Word.REVERSED),
        ("REFUND_FAILED", "false", Word.UNSEEN),
        ("REFUNDED_REVERSED", "true", Word.REVERSED),
        ("POSTPONED_REFUND", "true", Word.PENDING),
        ("POSTPONED_REFUND", "false", Word.UNSEEN),
        ("VOID_PENDING_REFUND", "true", Word.UNSEEN),
    ],
)
def test_success_speaks_of_the_event_and_not_always_of_the_refund(
    code: str, success: str, word: Word
) -> None:
    got = received(eventCode=code, success=success)
    assert (got.kind, got.word) == (EventKind.REFUND, word)
    assert got.dedupe_id == f"{code}:993617894906488A:{success}"


@pytest.mark.parametrize(
    ("action", "success", "word"),
    [
        ("refund", "true", Word.SUCCEEDED),
        ("refund", "false", Word.FAILED),
        ("cancel", "true", None),
        ("", "true", Word.UNSEEN),
    ],
)
def test_a_reversal_is_a_refund_only_where_its_action_says_so(
    action: str, success: str, word: Word | None
) -> None:
    got = received(
        eventCode="CANCEL_OR_REFUND",
        success=success,
        additionalData={"modification.action": action},
    )
    assert got.word is word
    assert got.kind is (EventKind.OTHER if word is None else EventKind.REFUND)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Transaction hasn't been captured, refund not possible", "not_captured"),
        ("Insufficient balance on payment", "insufficient_balance"),
        ("Payment is already refunded", "already_refunded"),
        ("Mrs Example asked for it", "refund"),
        ("", "refund"),
    ],
)
def test_the_free_text_of_a_failure_becomes_a_code(reason: str, code: str) -> None:
    evidence = received(success="false", reason=reason).evidence
    assert evidence is not None
    assert evidence.failure_code == code


@pytest.mark.parametrize("reference", ["", ...])
def test_an_empty_merchant_reference_was_not_stated(reference: object) -> None:
    evidence = received(merchantReference=reference).evidence
    assert evidence is not None
    assert evidence.merchant_reference is None


@pytest.mark.parametrize(
    ("currency", "units", "minor"),
    [("CLP", 1200, 12), ("CVE", 12, 1200), ("IDR", 50, 5000), ("ISK", 500, 5)],
)
def test_event_amounts_are_restated_in_iso_minor_units(
    currency: str, units: int, minor: int
) -> None:
    evidence = received(amount={"currency": currency, "value": units}).evidence
    assert evidence is not None
    assert (evidence.amount_minor, evidence.currency) == (minor, currency)


def test_an_event_amount_that_cannot_be_restated_goes_to_people() -> None:
    got = received(amount={"currency": "CLP", "value": 1250})
    assert got.word is Word.UNSEEN
    assert got.evidence is not None
    assert got.evidence.raw_status == "amount:1250 CLP"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("REQUEST_FOR_INFORMATION", EventKind.DISPUTE_OPENED),
        ("NOTIFICATION_OF_CHARGEBACK", EventKind.DISPUTE_OPENED),
        ("CHARGEBACK", EventKind.DISPUTE_OPENED),
        ("SECOND_CHARGEBACK", EventKind.DISPUTE_OPENED),
        ("PREARBITRATION_OPEN", EventKind.DISPUTE_OPENED),
        ("CHARGEBACK_REVERSED", EventKind.DISPUTE_CLOSED),
        ("PREARBITRATION_WON", EventKind.DISPUTE_CLOSED),
        ("AUTHORISATION", EventKind.OTHER),
        ("REFUND_WITH_DATA", EventKind.OTHER),
        ("REPORT_AVAILABLE", EventKind.OTHER),
        ("NEVER_HEARD_OF", EventKind.OTHER),
    ],
)
def test_another_event_names_the_payment_and_carries_no_word(
    code: str, kind: EventKind
) -> None:
    got = received(eventCode=code)
    assert (got.kind, got.word) == (kind, None)
    assert got.payment_reference == "993617894903480A"


def test_a_dispute_without_an_original_names_the_payment_by_its_own() -> None:
    got = received(eventCode="CHARGEBACK_REVERSED", originalReference=...)
    assert got.payment_reference == "993617894906488A"


@pytest.mark.parametrize("field", ["pspReference", "eventCode", "success"])
def test_a_signed_item_nobody_understands_is_kept(field: str) -> None:
    missing: dict[str, Any] = {field: ...}
    body = envelope(signed(**missing))
    verdict = receive(body, SECRET)
    assert isinstance(verdict, Received)
    (got,) = verdict.events
    assert got.kind is EventKind.OTHER
    assert got.dedupe_id == hashlib.sha256(body).hexdigest()
