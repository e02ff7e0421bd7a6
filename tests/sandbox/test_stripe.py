from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.sandbox.settings import DAY_SECONDS
from tests.sandbox.hands import PI, Hands, body_of, events_of

if TYPE_CHECKING:
    from refundwatch.sandbox.model import Reply


def error_of(reply: Reply) -> dict[str, Any]:
    return body_of(reply)["error"]


def test_a_refund_succeeds_at_once_and_moves_money() -> None:
    hands = Hands()
    reply = hands.stripe_refund(1_050, key="k1")
    refund = body_of(reply)
    assert reply.status == 200
    assert (refund["status"], refund["amount"], refund["currency"]) == (
        "succeeded",
        1_050,
        "eur",
    )
    assert refund["metadata"] == {"rw_id": "rw-1"}
    assert reply.header("request-id").startswith("req_")
    [row] = hands.rows("stripe")
    assert (row.net_minor, row.merchant_reference, row.idempotency_key) == (
        1_050,
        "rw-1",
        "k1",
    )


def test_the_version_header_is_echoed_or_the_account_default() -> None:
    hands = Hands()
    named = hands.stripe("GET", "/v1/balance", **{"Stripe-Version": "2025-01-01.x"})
    assert named.header("stripe-version") == "2025-01-01.x"
    default = hands.stripe("GET", "/v1/balance")
    assert default.header("stripe-version") == "2026-09-30.endive"


def test_basic_credentials_with_the_key_as_user_are_taken() -> None:
    hands = Hands()
    basic = "Basic c2tfdGVzdF9zYW5kYm94Og=="
    reply = hands.send("stripe", "GET", "/v1/balance", headers={"Authorization": basic})
    assert reply.status == 200


def test_a_wrong_key_is_401_and_nothing_is_stored() -> None:
    hands = Hands()
    params = {"payment_intent": PI, "amount": 100}
    bad = {"Authorization": "Bearer sk_test_other"}
    assert hands.stripe("POST", "/v1/refunds", params, key="k", **bad).status == 401
    assert hands.stripe("POST", "/v1/refunds", params, key="k").status == 200
    assert len(hands.rows("stripe")) == 1


# Idempotency, rule by rule.


def test_same_key_same_parameters_replays_the_first_answer() -> None:
    hands = Hands()
    first = hands.stripe_refund(key="k")
    again = hands.stripe_refund(key="k")
    assert again.body == first.body
    assert again.header("idempotent-replayed") == "true"
    assert first.header("idempotent-replayed") == ""
    assert again.header("original-request") == first.header("request-id")
    assert len(hands.rows("stripe")) == 1


def test_a_replay_shows_the_first_status_although_the_refund_moved_on() -> None:
    hands = Hands(pending_first=1.0)
    first = hands.stripe_refund(key="k")
    assert body_of(first)["status"] == "pending"
    hands.wait(600)
    assert body_of(hands.stripe_refund(key="k"))["status"] == "pending"
    refund_id = body_of(first)["id"]
    read = hands.stripe("GET", f"/v1/refunds/{refund_id}")
    assert body_of(read)["status"] == "succeeded"


def test_same_key_other_parameters_is_an_idempotency_error() -> None:
    hands = Hands()
    hands.stripe_refund(1_000, key="k")
    reply = hands.stripe_refund(2_000, key="k")
    assert (reply.status, error_of(reply)["type"]) == (400, "idempotency_error")
    assert len(hands.rows("stripe")) == 1


def test_same_key_while_the_first_call_runs_is_409() -> None:
    hands = Hands(latency_seconds=2.0, latency_spread=0.0)
    first = hands.stripe_refund(key="k")
    assert first.latency_seconds == 2.0
    reply = hands.stripe_refund(key="k")
    assert (reply.status, error_of(reply)["code"]) == (409, "idempotency_key_in_use")
    hands.wait(2.0)
    assert hands.stripe_refund(key="k").body == first.body


def test_a_business_error_is_stored_under_the_key() -> None:
    hands = Hands()
    first = hands.stripe_refund(9_000, key="k")
    assert (first.status, error_of(first)["param"]) == (400, "amount")
    assert "code" not in error_of(first)
    again = hands.stripe_refund(9_000, key="k")
    assert again.header("idempotent-replayed") == "true"
    assert again.status == 400


def test_a_validation_error_is_not_stored() -> None:
    hands = Hands()
    bad = {"payment_intent": PI, "amount": "12.5"}
    assert hands.stripe("POST", "/v1/refunds", bad, key="k").status == 400
    assert hands.stripe_refund(key="k").status == 200


def test_a_429_is_not_stored() -> None:
    hands = Hands(rate_limited=1.0)
    assert hands.stripe_refund(key="k").status == 429
    hands.world.set_faults("none", {})
    reply = hands.stripe_refund(key="k")
    assert (reply.status, reply.header("idempotent-replayed")) == (200, "")


def test_a_stored_500_is_replayed_for_ever_although_money_moved() -> None:
    hands = Hands(error_after=1.0)
    assert hands.stripe_refund(key="k").status == 500
    hands.world.set_faults("none", {})
    again = hands.stripe_refund(key="k")
    assert (again.status, again.header("idempotent-replayed")) == (500, "true")
    assert [row.net_minor for row in hands.rows("stripe")] == [1_000]
    found = body_of(hands.stripe("GET", "/v1/refunds", {"payment_intent": PI}))
    assert [item["metadata"]["rw_id"] for item in found["data"]] == ["rw-1"]


def test_a_stored_500_without_execution_never_executes() -> None:
    hands = Hands(stored_error=1.0)
    assert hands.stripe_refund(key="k").status == 500
    hands.world.set_faults("none", {})
    assert hands.stripe_refund(key="k").status == 500
    assert hands.rows("stripe") == []


def test_a_key_older_than_its_window_executes_again() -> None:
    hands = Hands()
    hands.stripe_refund(key="k")
    hands.wait(DAY_SECONDS - 1)
    hands.stripe_refund(key="k")
    assert len(hands.rows("stripe")) == 1
    hands.wait(1)
    hands.stripe_refund(key="k")
    assert len(hands.rows("stripe")) == 2
    assert len(hands.world.ledger.doubles()) == 1


def test_without_a_key_every_call_is_a_new_refund() -> None:
    hands = Hands()
    hands.stripe_refund()
    hands.stripe_refund()
    assert len(hands.rows("stripe")) == 2


def test_a_key_longer_than_255_is_refused() -> None:
    assert Hands().stripe_refund(key="k" * 256).status == 400


# Refusals.


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"payment_intent": PI, "colour": "red"}, "parameter_unknown", "colour"),
        ({"amount": 100}, "parameter_missing", "payment_intent"),
        (
            {"payment_intent": PI, "amount": "1.5"},
            "parameter_invalid_integer",
            "amount",
        ),
        ({"payment_intent": PI, "amount": 0}, "parameter_invalid_integer", "amount"),
        ({"payment_intent": PI, "amount": -5}, "parameter_invalid_integer", "amount"),
    ],
)
def test_bad_parameters_are_named(
    params: dict[str, Any], code: str, param: str
) -> None:
    reply = Hands().stripe("POST", "/v1/refunds", params)
    assert (reply.status, error_of(reply)["code"]) == (400, code)
    assert error_of(reply)["param"] == param


def test_unknown_payment_is_404() -> None:
    reply = Hands().stripe_refund(pi="pi_none")
    assert (reply.status, error_of(reply)["code"]) == (404, "resource_missing")


def test_nothing_left_is_charge_already_refunded() -> None:
    hands = Hands()
    hands.stripe_refund(5_000)
    reply = hands.stripe_refund(1)
    assert error_of(reply)["code"] == "charge_already_refunded"


def test_a_disputed_charge_is_refused_and_shows_it() -> None:
    hands = Hands()
    hands.world.model("stripe").dispute(PI, hands.now, chargeback=False)
    assert error_of(hands.stripe_refund())["code"] == "charge_disputed"
    charge = body_of(hands.stripe("GET", "/v1/charges/ch_3RwTest0001"))
    assert charge["disputed"] is True
    assert events_of(hands.wait(10)) == ["charge.dispute.created"]


def test_a_payment_that_is_not_captured_is_refused() -> None:
    hands = Hands()
    hands.add("stripe", "pi_auth", captured=False)
    assert (
        error_of(hands.stripe_refund(pi="pi_auth"))["code"] == "charge_not_refundable"
    )
    intent = body_of(hands.stripe("GET", "/v1/payment_intents/pi_auth"))
    assert (intent["status"], intent["amount_received"]) == ("requires_capture", 0)


def test_json_bodies_are_not_accepted() -> None:
    hands = Hands()
    headers = {
        "Authorization": "Bearer sk_test_sandbox",
        "Content-Type": "application/json",
    }
    body = json.dumps({"payment_intent": PI}).encode()
    reply = hands.send("stripe", "POST", "/v1/refunds", headers=headers, body=body)
    assert reply.status == 400


def test_an_omitted_amount_refunds_everything_left() -> None:
    hands = Hands()
    hands.stripe_refund(1_000)
    reply = hands.stripe("POST", "/v1/refunds", {"payment_intent": PI})
    assert body_of(reply)["amount"] == 4_000


def test_already_refunded_money_counts() -> None:
    hands = Hands()
    hands.add("stripe", "pi_half", already_refunded_minor=4_500)
    assert hands.stripe_refund(501, pi="pi_half").status == 400
    assert hands.stripe_refund(500, pi="pi_half").status == 200


# Life.


def test_pending_becomes_succeeded_and_tells_of_it() -> None:
    hands = Hands(pending_first=1.0)
    refund = body_of(hands.stripe_refund())
    assert refund["pending_reason"]
    assert [row.net_minor for row in hands.rows("stripe")] == [0]
    posts = hands.wait(600)
    assert sorted(events_of(posts)) == [
        "charge.refunded",
        "refund.created",
        "refund.updated",
    ]
    updated = next(post for post in posts if post.event == "refund.updated")
    data = json.loads(updated.body)["data"]
    assert data["previous_attributes"] == {"status": "pending"}
    assert [row.net_minor for row in hands.rows("stripe")] == [1_000]


def test_pending_that_fails_never_moved_money_and_frees_the_amount() -> None:
    hands = Hands(fails_late=1.0)
    refund_id = body_of(hands.stripe_refund(5_000))["id"]
    assert "refund.failed" in events_of(hands.wait(600))
    [row] = hands.rows("stripe")
    assert (row.executed_at, row.bounced_at, row.net_minor) == (None, None, 0)
    found = body_of(hands.stripe("GET", f"/v1/refunds/{refund_id}"))
    assert found["failure_reason"]
    hands.world.set_faults("none", {})
    assert hands.stripe_refund(5_000).status == 200


def test_a_bounce_brings_the_money_back() -> None:
    hands = Hands(bounces=1.0)
    hands.stripe_refund(5_000)
    hands.wait(1)
    assert [row.net_minor for row in hands.rows("stripe")] == [5_000]
    assert "refund.failed" in events_of(hands.wait(600))
    [row] = hands.rows("stripe")
    assert row.executed_at is not None
    assert row.bounced_at is not None
    assert row.net_minor == 0


def test_requires_action_is_answered_by_the_customer_in_time() -> None:
    hands = Hands()
    hands.add("stripe", "pi_konbini", method="konbini", currency="JPY")
    refund = body_of(hands.stripe_refund(pi="pi_konbini"))
    assert refund["status"] == "requires_action"
    assert refund["id"].startswith("pyr_")
    assert refund["next_action"]["display_details"]["expires_at"] > hands.now
    hands.wait(600)
    read = hands.stripe("GET", f"/v1/refunds/{refund['id']}")
    assert body_of(read)["status"] == "succeeded"


def test_only_requires_action_can_be_cancelled() -> None:
    hands = Hands()
    hands.add("stripe", "pi_konbini", method="konbini", currency="JPY")
    waiting = body_of(hands.stripe_refund(pi="pi_konbini"))["id"]
    done = body_of(hands.stripe_refund())["id"]
    assert hands.stripe("POST", f"/v1/refunds/{done}/cancel").status == 400
    cancelled = hands.stripe("POST", f"/v1/refunds/{waiting}/cancel")
    assert body_of(cancelled)["status"] == "canceled"
    hands.wait(600)
    read = hands.stripe("GET", f"/v1/refunds/{waiting}")
    assert body_of(read)["status"] == "canceled"


def test_update_changes_metadata_only() -> None:
    hands = Hands()
    refund_id = body_of(hands.stripe_refund())["id"]
    target = f"/v1/refunds/{refund_id}"
    reply = hands.stripe("POST", target, {"metadata[note]": "x", "metadata[rw_id]": ""})
    assert body_of(reply)["metadata"] == {"note": "x"}
    assert hands.stripe("POST", target, {"amount": 5}).status == 400


# Reads.


def test_lists_are_newest_first_and_paged() -> None:
    hands = Hands()
    ids = []
    for number in range(5):
        hands.now += 1
        ids.append(body_of(hands.stripe_refund(100, rw_id=f"rw-{number}"))["id"])
    ids.reverse()
    params = {"payment_intent": PI, "limit": 2}
    page = body_of(hands.stripe("GET", "/v1/refunds", params))
    assert [item["id"] for item in page["data"]] == ids[:2]
    assert page["has_more"] is True
    more = {**params, "starting_after": ids[1], "limit": 3}
    page = body_of(hands.stripe("GET", "/v1/refunds", more))
    assert [item["id"] for item in page["data"]] == ids[2:]
    assert page["has_more"] is False
    back = {**params, "ending_before": ids[3]}
    page = body_of(hands.stripe("GET", "/v1/refunds", back))
    assert [item["id"] for item in page["data"]] == ids[1:3]
    late = {"created[gte]": int(hands.now)}
    page = body_of(hands.stripe("GET", "/v1/refunds", late))
    assert [item["id"] for item in page["data"]] == ids[:1]


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_a_limit_outside_1_to_100_is_refused(limit: str) -> None:
    assert Hands().stripe("GET", "/v1/refunds", {"limit": limit}).status == 400


def test_look_ups_lag() -> None:
    hands = Hands(lookup_lags=1.0)
    refund_id = body_of(hands.stripe_refund())["id"]
    listed = {"payment_intent": PI}
    assert body_of(hands.stripe("GET", "/v1/refunds", listed))["data"] == []
    assert hands.stripe("GET", f"/v1/refunds/{refund_id}").status == 404
    charge = body_of(hands.stripe("GET", "/v1/charges/ch_3RwTest0001"))
    assert charge["amount_refunded"] == 0
    hands.wait(60)
    assert len(body_of(hands.stripe("GET", "/v1/refunds", listed))["data"]) == 1
    charge = body_of(hands.stripe("GET", "/v1/charges/ch_3RwTest0001"))
    assert charge["amount_refunded"] == 1_000


def test_the_intent_expands_its_charge() -> None:
    hands = Hands()
    plain = body_of(hands.stripe("GET", f"/v1/payment_intents/{PI}"))
    assert plain["latest_charge"] == "ch_3RwTest0001"
    params = {"expand[]": "latest_charge"}
    full = body_of(hands.stripe("GET", f"/v1/payment_intents/{PI}", params))
    assert full["latest_charge"]["amount_captured"] == 5_000


def test_events_can_be_listed_and_name_the_attempt() -> None:
    hands = Hands()
    hands.stripe_refund(key="k")
    params = {"type": "refund.created", "created[gte]": int(hands.now)}
    [event] = body_of(hands.stripe("GET", "/v1/events", params))["data"]
    assert event["request"]["idempotency_key"] == "k"
    assert event["data"]["object"]["metadata"] == {"rw_id": "rw-1"}
    read = hands.stripe("GET", f"/v1/events/{event['id']}")
    assert body_of(read) == event
    undelivered = {"type": "refund.created", "delivery_success": "false"}
    assert len(body_of(hands.stripe("GET", "/v1/events", undelivered))["data"]) == 1
    hands.wait(60)
    assert body_of(hands.stripe("GET", "/v1/events", undelivered))["data"] == []


def test_the_balance_answers_and_names_the_mode() -> None:
    hands = Hands()
    hands.stripe_refund(1_000)
    balance = body_of(hands.stripe("GET", "/v1/balance"))
    assert balance["livemode"] is False
    assert balance["available"][0]["amount"] == 4_000


def test_unknown_urls_are_404() -> None:
    assert Hands().stripe("GET", "/v1/nothing").status == 404
