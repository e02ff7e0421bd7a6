from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.sandbox.settings import DAY_SECONDS
from tests.sandbox.hands import PSP, Hands, body_of, events_of

if TYPE_CHECKING:
    from refundwatch.sandbox.model import WebhookPost


def item_of(post: WebhookPost) -> dict[str, Any]:
    found = json.loads(post.body)
    assert found["live"] == "false"
    return found["notificationItems"][0]["NotificationRequestItem"]


def test_a_refund_is_received_and_ends_by_webhook() -> None:
    hands = Hands()
    reply = hands.adyen_refund(1_050, key="k")
    answer = body_of(reply)
    assert (reply.status, answer["status"]) == (201, "received")
    assert answer["amount"] == {"currency": "EUR", "value": 1_050}
    assert len(answer["pspReference"]) == 16
    assert reply.header("idempotency-key") == "k"
    assert [row.net_minor for row in hands.rows("adyen")] == [0]
    [post] = hands.wait(60)
    item = item_of(post)
    assert (item["eventCode"], item["success"]) == ("REFUND", "true")
    assert item["pspReference"] == answer["pspReference"]
    assert item["originalReference"] == PSP
    assert item["merchantReference"] == "rw-1"
    assert [row.net_minor for row in hands.rows("adyen")] == [1_050]


def test_there_is_nothing_to_read() -> None:
    hands = Hands()
    headers = {"X-API-Key": "AQEsandbox"}
    for target in (f"/v72/payments/{PSP}", f"/v72/payments/{PSP}/refunds"):
        assert hands.send("adyen", "GET", target, headers=headers).status == 404


def test_the_probe_answers() -> None:
    hands = Hands()
    body = {"merchantAccount": "SandboxECOM"}
    assert hands.adyen("/v72/paymentMethods", body).status == 200


def test_the_live_path_works_too() -> None:
    hands = Hands()
    body = {"merchantAccount": "SandboxECOM"}
    assert hands.adyen("/checkout/v72/paymentMethods", body).status == 200


# Idempotency, rule by rule.


def test_same_key_repeats_the_first_answer_without_execution() -> None:
    hands = Hands()
    first = hands.adyen_refund(key="k")
    again = hands.adyen_refund(key="k")
    assert (again.status, again.body) == (201, first.body)
    assert again.header("idempotency-key") == "k"
    assert len(hands.rows("adyen")) == 1


def test_same_key_while_the_first_runs_is_transient_704() -> None:
    hands = Hands(latency_seconds=2.0, latency_spread=0.0)
    first = hands.adyen_refund(key="k")
    reply = hands.adyen_refund(key="k")
    assert reply.status in (409, 422)
    assert body_of(reply)["errorCode"] == "704"
    assert reply.header("transient-error") == "true"
    hands.wait(2.0)
    assert hands.adyen_refund(key="k").body == first.body


def test_key_store_down_is_transient_703_and_executes_nothing() -> None:
    hands = Hands(key_store_down=1.0)
    reply = hands.adyen_refund(key="k")
    assert body_of(reply)["errorCode"] == "703"
    assert reply.header("transient-error") == "true"
    hands.world.set_faults("none", {})
    assert hands.rows("adyen") == []
    assert hands.adyen_refund(key="k").status == 201


def test_a_validation_error_stays_under_the_key() -> None:
    hands = Hands()
    first = hands.adyen_refund(psp="UNKNOWN000000000", key="k")
    assert (first.status, body_of(first)["errorCode"]) == (422, "167")
    assert first.header("transient-error") == ""
    again = hands.adyen_refund(psp="UNKNOWN000000000", key="k")
    assert again.body == first.body


def test_a_500_after_execution_stays_under_the_key() -> None:
    hands = Hands(error_after=1.0)
    assert hands.adyen_refund(key="k").status == 500
    hands.world.set_faults("none", {})
    assert hands.adyen_refund(key="k").status == 500
    [post] = hands.wait(60)
    assert item_of(post)["merchantReference"] == "rw-1"
    assert [row.net_minor for row in hands.rows("adyen")] == [1_000]


def test_an_error_before_execution_is_not_kept() -> None:
    hands = Hands(error_before=1.0)
    assert hands.adyen_refund(key="k").status in (502, 503, 504)
    hands.world.set_faults("none", {})
    assert hands.adyen_refund(key="k").status == 201


def test_the_key_window_is_seven_days() -> None:
    hands = Hands()
    hands.adyen_refund(key="k")
    hands.wait(7 * DAY_SECONDS - 1)
    hands.adyen_refund(key="k")
    assert len(hands.rows("adyen")) == 1
    hands.wait(1)
    hands.adyen_refund(key="k")
    assert len(hands.rows("adyen")) == 2


def test_a_key_longer_than_64_is_refused() -> None:
    assert Hands().adyen_refund(key="k" * 65).status == 422


# Refusals.


def test_wrong_credentials_are_401() -> None:
    hands = Hands()
    reply = hands.adyen("/v72/paymentMethods", {}, **{"X-API-Key": "no"})
    assert (reply.status, body_of(reply)["errorType"]) == (401, "security")


def test_another_merchant_account_is_403() -> None:
    reply = Hands().adyen("/v72/paymentMethods", {"merchantAccount": "Other"})
    assert (reply.status, body_of(reply)["errorCode"]) == (403, "901")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount": None}, 422, "100"),
        ({"amount": {"currency": "EUR", "value": 0}}, 422, "137"),
        ({"amount": {"currency": "EUR", "value": "10"}}, 422, "137"),
        ({"amount": {"currency": "EUR", "value": True}}, 422, "137"),
        ({"amount": {"currency": "CLP", "value": 150}}, 422, "137"),
        ({"colour": "red"}, 400, "702"),
        ({"reference": "x" * 81}, 422, "130"),
        ({"merchantRefundReason": "BORED"}, 400, "702"),
    ],
)
def test_bad_bodies_are_refused(change: dict[str, Any], status: int, code: str) -> None:
    hands = Hands()
    body = {
        "merchantAccount": "SandboxECOM",
        "amount": {"currency": "EUR", "value": 100},
        **change,
    }
    reply = hands.adyen(f"/v72/payments/{PSP}/refunds", body)
    assert (reply.status, body_of(reply)["errorCode"]) == (status, code)
    assert body_of(reply)["status"] == status
    assert hands.rows("adyen") == []


def test_a_body_that_is_no_json_is_702() -> None:
    reply = Hands().adyen(f"/v72/payments/{PSP}/refunds", b"{")
    assert (reply.status, body_of(reply)["errorCode"]) == (400, "702")


@pytest.mark.parametrize(
    ("facts", "value", "currency", "reason"),
    [
        ({}, 5_001, "EUR", "Insufficient balance"),
        ({"captured": False}, 100, "EUR", "captured"),
        ({"dispute": "chargeback"}, 100, "EUR", "charged back"),
        ({}, 100, "USD", "Currency"),
    ],
)
def test_what_adyen_learns_later_fails_by_webhook(
    facts: dict[str, Any], value: int, currency: str, reason: str
) -> None:
    hands = Hands()
    hands.add("adyen", "B" * 16, **facts)
    reply = hands.adyen_refund(value, psp="B" * 16, currency=currency)
    assert reply.status == 201
    [post] = hands.wait(60)
    item = item_of(post)
    assert (item["eventCode"], item["success"]) == ("REFUND", "false")
    assert reason in item["reason"]
    [row] = hands.rows("adyen")
    assert (row.executed_at, row.net_minor) == (None, 0)


def test_two_equal_partial_refunds_both_succeed() -> None:
    hands = Hands()
    hands.adyen_refund(2_000, key="a")
    hands.adyen_refund(2_000, key="b")
    hands.wait(60)
    assert [row.net_minor for row in hands.rows("adyen")] == [2_000, 2_000]
    assert len(hands.world.ledger.doubles()) == 1


def test_two_refunds_together_cannot_pass_the_payment() -> None:
    hands = Hands()
    hands.adyen_refund(3_000, key="a", reference="rw-a")
    hands.adyen_refund(3_000, key="b", reference="rw-b")
    outcomes = {
        item_of(post)["merchantReference"]: item_of(post)["success"]
        for post in hands.wait(60)
    }
    assert outcomes == {"rw-a": "true", "rw-b": "false"}
    assert [row.net_minor for row in hands.rows("adyen")] == [3_000, 0]


# Later news.


def test_a_bounce_says_success_true() -> None:
    hands = Hands(bounces=1.0)
    hands.adyen_refund()
    posts = hands.wait(600)
    assert events_of(posts)[0] == "REFUND"
    late = item_of(posts[1])
    assert late["eventCode"] in ("REFUND_FAILED", "REFUNDED_REVERSED")
    assert late["success"] == "true"
    assert late["merchantReference"] == "rw-1"
    [row] = hands.rows("adyen")
    assert (row.executed_at is not None, row.net_minor) == (True, 0)


def test_a_reversal_refunds_what_was_captured() -> None:
    hands = Hands()
    body = {"merchantAccount": "SandboxECOM", "reference": "rw-9"}
    reply = hands.adyen(f"/v72/payments/{PSP}/reversals", body)
    assert "amount" not in body_of(reply)
    [post] = hands.wait(60)
    item = item_of(post)
    assert item["eventCode"] == "CANCEL_OR_REFUND"
    assert item["additionalData"]["modification.action"] == "refund"
    assert [row.net_minor for row in hands.rows("adyen")] == [5_000]


def test_a_reversal_cancels_what_was_not_captured() -> None:
    hands = Hands()
    hands.add("adyen", "C" * 16, captured=False)
    body = {"merchantAccount": "SandboxECOM"}
    hands.adyen(f"/v72/payments/{'C' * 16}/reversals", body)
    [post] = hands.wait(60)
    assert item_of(post)["additionalData"]["modification.action"] == "cancel"
    assert hands.rows("adyen") == []


@pytest.mark.parametrize(("captured", "success"), [(True, "false"), (False, "true")])
def test_a_cancellation_works_only_before_capture(captured: bool, success: str) -> None:
    hands = Hands()
    hands.add("adyen", "D" * 16, captured=captured)
    hands.adyen(f"/v72/payments/{'D' * 16}/cancels", {"merchantAccount": "SandboxECOM"})
    [post] = hands.wait(60)
    item = item_of(post)
    assert (item["eventCode"], item["success"]) == ("CANCELLATION", success)


def test_a_dispute_is_a_chargeback() -> None:
    hands = Hands()
    hands.world.model("adyen").dispute(PSP, hands.now, chargeback=False)
    [post] = hands.wait(60)
    item = item_of(post)
    assert (item["eventCode"], item["originalReference"]) == ("CHARGEBACK", PSP)


def test_a_silent_webhook_comes_in_the_end() -> None:
    hands = Hands(webhook_silent=1.0)
    hands.adyen_refund()
    assert hands.wait(60) == []
    assert events_of(hands.wait(3_600)) == ["REFUND"]
