from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundwatch.sandbox import snapshot
from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.model import Fate, Reply
from refundwatch.sandbox.razorpay.signing import signature
from refundwatch.sandbox.world import World
from tests.sandbox.hands import signer
from tests.sandbox.razorpay import PAIR, PAYMENT_ID, Merchant
from tests.shared import SHARED

VECTORS = json.loads(
    (
        SHARED
        / "gateways/specs/webhook-vectors-mollie-razorpay-cybersource-klarna.json"
    ).read_text("utf-8")
)["razorpay"]["vectors"]
KEY = "k" * 10
HALF_YEAR = 200 * 86_400.0


def body_of(reply: Reply) -> Any:
    return json.loads(reply.body)


def said(reply: Reply) -> str:
    found: str = body_of(reply)["error"]["description"]
    return found


# --- refunds ----------------------------------------------------------------------


def test_a_refund_is_answered_with_itself() -> None:
    merchant = Merchant()
    order = {
        "amount": 10_000,
        "receipt": "rw-1",
        "notes": {"rw_refund_id": "rw-1"},
        "speed": "normal",
    }
    reply = merchant.refund(order, key=KEY)
    found = body_of(reply)
    assert reply.status == 200
    assert found["id"].startswith("rfnd_")
    assert len(found["id"]) == len("rfnd_") + 14
    assert (found["amount"], found["currency"]) == (10_000, "INR")
    assert (found["status"], found["payment_id"]) == ("processed", PAYMENT_ID)
    assert (found["receipt"], found["notes"]) == ("rw-1", {"rw_refund_id": "rw-1"})
    assert found["acquirer_data"] == {"arn": None}
    merchant.wait(60)
    read = merchant.get(f"/v1/refunds/{found['id']}")
    assert len(read["acquirer_data"]["arn"]) == 14
    assert merchant.get(f"/v1/payments/{PAYMENT_ID}/refunds/{found['id']}") == read
    [row] = merchant.rows()
    assert (row.net_minor, row.merchant_reference) == (10_000, "rw-1")


@pytest.mark.parametrize("body", [b"", {}, {"amount": None}, {"receipt": "rw-1"}])
def test_without_an_amount_everything_that_is_left_is_given_back(body: Any) -> None:
    merchant = Merchant()
    merchant.refund({"amount": 10_000})
    assert body_of(merchant.refund(body))["amount"] == 40_000
    assert sum(row.net_minor for row in merchant.rows()) == 50_000


def test_without_a_key_each_call_is_a_refund() -> None:
    merchant = Merchant()
    for _ in range(3):
        merchant.refund({"amount": 10_000})
    assert len(merchant.rows()) == 3


def test_a_key_repeats_its_refund_and_refuses_another_body() -> None:
    merchant = Merchant()
    first = merchant.refund({"amount": 10_000}, key=KEY)
    assert merchant.refund({"amount": 10_000}, key=KEY) == first
    assert "Different request" in said(merchant.refund({"amount": 9_999}, key=KEY))
    merchant.now += 86_400
    assert body_of(merchant.refund({"amount": 10_000}, key=KEY)) != body_of(first)
    assert len(merchant.rows()) == 2


def test_a_running_key_is_still_in_progress() -> None:
    merchant = Merchant(held_in_flight=1.0)
    merchant.refund({"amount": 100}, key=KEY)
    merchant.world.set_faults("none", {})
    reply = merchant.refund({"amount": 100}, key=KEY)
    assert reply.status == 409
    assert "still in progress" in said(reply)
    merchant.now += 120
    assert merchant.refund({"amount": 100}, key=KEY).status == 200
    assert len(merchant.rows()) == 1


@pytest.mark.parametrize("key", ["short", "with blanks in it", "ümlauts-in-it"])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    merchant = Merchant()
    assert merchant.refund({"amount": 100}, key=key).status == 400
    assert merchant.rows() == []


@pytest.mark.parametrize(("guard", "rows"), [("refuse", 1), ("return", 1), ("none", 2)])
def test_a_used_receipt_is_refused_returned_or_taken(guard: str, rows: int) -> None:
    merchant = Merchant(settings={"receipt_guard": guard})
    first = merchant.refund({"amount": 100, "receipt": "rw-1"}, key="a" * 10)
    again = merchant.refund({"amount": 100, "receipt": "rw-1"}, key="b" * 10)
    assert len(merchant.rows()) == rows
    if guard == "refuse":
        assert "receipt" in said(again)
    if guard == "return":
        assert body_of(again) == body_of(first)
    other = merchant.refund({"amount": 100, "receipt": "rw-2"}, key="c" * 10)
    assert other.status == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"amount": 99}, "at least INR 1.00"),
        ({"amount": 0}, "integer"),
        ({"amount": "100"}, "integer"),
        ({"amount": 100.0}, "integer"),
        ({"amount": True}, "integer"),
        ({"amount": 50_001}, "greater than amount captured"),
        ({"amount": 100, "reason": "x"}, "should not be sent"),
        ({"amount": 100, "speed": "fast"}, "speed"),
        ({"amount": 100, "receipt": 7}, "receipt"),
        ({"amount": 100, "notes": "x"}, "notes"),
        ({"amount": 100, "notes": {str(n): "" for n in range(16)}}, "notes"),
        ({"amount": 100, "notes": {"a": "x" * 257}}, "notes"),
        (b"[]", "parse"),
        (b"{", "parse"),
    ],
)
def test_what_razorpay_does_not_take_is_a_bad_request(body: Any, text: str) -> None:
    merchant = Merchant()
    reply = merchant.refund(body)
    assert reply.status == 400
    assert body_of(reply)["error"]["code"] == "BAD_REQUEST_ERROR"
    assert text in said(reply)
    assert merchant.rows() == []


def test_what_cannot_be_refunded_is_refused() -> None:
    merchant = Merchant()
    merchant.add("pay_open", captured=False)
    early = merchant.refund({"amount": 100}, payment_id="pay_open")
    assert "status should be captured" in said(early)
    assert "does not exist" in said(merchant.refund({}, payment_id="pay_none"))
    merchant.refund({})
    assert "fully refunded already" in said(merchant.refund({"amount": 100}))


def test_the_last_digit_of_three_must_be_zero() -> None:
    merchant = Merchant()
    merchant.add("pay_kwd", 1_000_000, currency="KWD")
    refused = merchant.refund({"amount": 295_991}, payment_id="pay_kwd")
    assert refused.status == 400
    taken = merchant.refund({"amount": 295_990}, payment_id="pay_kwd")
    assert body_of(taken)["amount"] == 295_990
    assert merchant.rows()[0].net_minor == 295_990


def test_an_old_payment_is_refused_at_once_or_fails_later() -> None:
    merchant = Merchant()
    merchant.add("pay_old", created_at=merchant.now - HALF_YEAR)
    replies = [
        merchant.refund({"amount": 100}, payment_id="pay_old") for _ in range(20)
    ]
    assert {reply.status for reply in replies} == {200, 400}
    pending = [body_of(reply) for reply in replies if reply.status == 200]
    assert {refund["status"] for refund in pending} == {"pending"}
    posts = merchant.wait(3_600)
    assert "refund.failed" in {post.event for post in posts}
    assert [row for row in merchant.rows() if row.executed] == []


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Basic {PAIR}", 200),
        (f"basic {PAIR}", 401),
        ("Basic bm9wZQ==", 401),
        ("", 401),
    ],
)
def test_the_scheme_is_taken_in_one_spelling(header: str, status: int) -> None:
    reply = Merchant().send("GET", "/v1/refunds?count=1", authorization=header)
    assert reply.status == status


def test_another_address_is_denied_access() -> None:
    merchant = Merchant(settings={"address_allowed": 0})
    assert said(merchant.send("GET", "/v1/refunds")) == "Access Denied"


def test_a_wrong_path_is_a_bad_request() -> None:
    merchant = Merchant()
    for method, target in (
        ("POST", f"/v1/payments/{PAYMENT_ID}/refunds"),
        ("GET", "/v1/else"),
        ("DELETE", "/v1/refunds"),
    ):
        reply = merchant.send(method, target)
        assert (reply.status, "URL was not found" in said(reply)) == (400, True)


# --- reads ------------------------------------------------------------------------


def test_lists_are_pages_newest_first_by_ten() -> None:
    merchant = Merchant()
    names = []
    for _ in range(12):
        merchant.now += 10
        names.append(body_of(merchant.refund({"amount": 100}))["id"])
    newest = names[::-1]
    base = f"/v1/payments/{PAYMENT_ID}/refunds"

    def ids(query: str) -> list[str]:
        page = merchant.get(base + query)
        assert page["entity"] == "collection"
        assert page["count"] == len(page["items"])
        return [item["id"] for item in page["items"]]

    assert ids("") == newest[:10]
    assert ids("?count=5&skip=10") == newest[10:]
    assert ids("?count=100") == newest
    assert ids(f"?from={int(merchant.now)}") == newest[:1]
    assert ids(f"?to={int(merchant.now) - 111}") == []
    assert merchant.get("/v1/refunds?count=1")["items"][0]["id"] == newest[0]
    for bad in ("?count=101", "?count=0", "?skip=x"):
        assert merchant.send("GET", base + bad).status == 400


def test_reads_lag_behind_the_refund() -> None:
    merchant = Merchant(lookup_lags=1.0)
    refund_id = body_of(merchant.refund({"amount": 100}))["id"]
    assert merchant.get("/v1/refunds")["items"] == []
    assert merchant.get(f"/v1/payments/{PAYMENT_ID}")["amount_refunded"] == 0
    assert merchant.send("GET", f"/v1/refunds/{refund_id}").status == 400
    merchant.now += 60
    assert merchant.get(f"/v1/refunds/{refund_id}")["amount"] == 100


def test_a_payment_says_what_was_given_back() -> None:
    merchant = Merchant()
    way = f"/v1/payments/{PAYMENT_ID}"

    def told() -> tuple[Any, ...]:
        found = merchant.get(way)
        return found["status"], found["refund_status"], found["amount_refunded"]

    assert told() == ("captured", None, 0)
    merchant.refund({"amount": 100})
    assert told() == ("captured", "partial", 100)
    merchant.refund({})
    assert told() == ("refunded", "full", 50_000)
    merchant.add("pay_open", captured=False)
    assert merchant.get("/v1/payments/pay_open")["captured"] is False


def test_only_notes_can_be_changed() -> None:
    merchant = Merchant()
    refund_id = body_of(merchant.refund({"amount": 100}))["id"]
    target = f"/v1/refunds/{refund_id}"
    assert merchant.get(target)["notes"] == []
    reply = merchant.send("PATCH", target, b'{"notes":{"a":"b"}}')
    assert body_of(reply)["notes"] == {"a": "b"}
    assert merchant.send("PATCH", target, b"{}").status == 400


def test_the_reconciliation_lists_settled_movements_by_indian_day() -> None:
    merchant = Merchant()
    refund_id = body_of(merchant.refund({"amount": 100, "receipt": "rw-1"}))["id"]
    merchant.now += 60
    base = "/v1/settlements/recon/combined"
    day = datetime.fromtimestamp(merchant.now, UTC) + timedelta(days=1)
    query = f"?year={day.year}&month={day.month}&day={day.day}&count=1000"
    rows = merchant.get(base + query)["items"]
    assert [row["type"] for row in rows] == ["payment", "refund"]
    refund = rows[1]
    assert (refund["entity_id"], refund["debit"], refund["credit"]) == (
        refund_id,
        100,
        0,
    )
    assert "receipt" not in refund
    assert merchant.get(f"{base}?year={day.year - 1}&month=1")["items"] == []
    assert merchant.send("GET", base).status == 400
    assert merchant.send("GET", f"{base}{query}1").status == 400


# --- faults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "fate", "executed"),
    [
        ("refused", Fate.REFUSED, 0),
        ("dropped_before", Fate.DROPPED_BEFORE_EXECUTION, 0),
        ("dropped_after", Fate.DROPPED_AFTER_EXECUTION, 1),
        ("executed_late", Fate.EXECUTED_LATE, 1),
        ("held_in_flight", Fate.EXECUTED_LATE, 1),
        ("reset_after", Fate.RESET, 1),
        ("truncated", Fate.TRUNCATED, 1),
        ("garbled", Fate.ANSWERED, 1),
        ("error_before", Fate.ANSWERED, 0),
        ("error_after", Fate.ANSWERED, 1),
        ("stored_error", Fate.ANSWERED, 0),
        ("rate_limited", Fate.ANSWERED, 0),
        ("unavailable", Fate.ANSWERED, 0),
        ("key_store_down", Fate.ANSWERED, 0),
    ],
)
def test_the_ledger_holds_what_truly_happened(
    fault: str, fate: Fate, executed: int
) -> None:
    merchant = Merchant(**{fault: 1.0})
    assert merchant.refund({"amount": 1_000}, key=KEY).fate is fate
    assert merchant.world.counters()["razorpay"][fault] == 1
    merchant.wait(3_600)
    assert [row.net_minor for row in merchant.rows()] == [1_000] * executed


def test_a_bank_that_breaks_down_can_look_like_a_bad_request() -> None:
    merchant = Merchant(error_before=1.0)
    seen = set()
    for _ in range(40):
        reply = merchant.refund({"amount": 100})
        seen.add((reply.status, body_of(reply)["error"]["code"]))
    assert (400, "GATEWAY_ERROR") in seen
    assert all(code != "BAD_REQUEST_ERROR" for _, code in seen)


def test_refusals_speak_of_age_balance_or_nothing() -> None:
    merchant = Merchant(refusal=1.0)
    texts = {said(merchant.refund({"amount": 100})) for _ in range(40)}
    assert len(texts) == 3
    assert merchant.rows() == []


@pytest.mark.parametrize(
    ("fault", "member"),
    [("wrong_amount", "amount"), ("unknown_status", "status")],
)
def test_a_falsehood_is_in_the_answer_only(fault: str, member: str) -> None:
    merchant = Merchant(**{fault: 1.0})
    found = body_of(merchant.refund({"amount": 1_000}))
    read = merchant.get(f"/v1/refunds/{found['id']}")
    assert found[member] != read[member]
    assert [row.net_minor for row in merchant.rows()] == [1_000]


def test_a_sparse_answer_has_no_status() -> None:
    found = body_of(Merchant(sparse_answer=1.0).refund({"amount": 100}))
    assert found.keys().isdisjoint({"status", "acquirer_data"})


# --- life and events --------------------------------------------------------------


def events(merchant: Merchant, seconds: float = 3_600) -> list[str]:
    return sorted(post.event for post in merchant.wait(seconds))


def test_a_refund_tells_that_it_was_made_and_processed() -> None:
    merchant = Merchant()
    merchant.refund({"amount": 100})
    assert events(merchant) == ["refund.created", "refund.processed"]


def test_an_instant_refund_can_become_a_normal_one() -> None:
    merchant = Merchant(pending_first=1.0)
    found = body_of(merchant.refund({"amount": 100, "speed": "optimum"}))
    assert (found["status"], found["speed_processed"]) == ("pending", "normal")
    posts = merchant.wait(3_600)
    [slow] = [post for post in posts if post.event == "refund.speed_changed"]
    told = json.loads(slow.body)
    assert "created_at" not in told
    assert told["payload"]["created_at"] > 0
    merchant.world.set_faults("none", {})
    quick = body_of(merchant.refund({"amount": 100, "speed": "optimum"}))
    assert (quick["status"], quick["speed_processed"]) == ("processed", "instant")


def test_a_pending_refund_can_fail_and_a_processed_one_come_back() -> None:
    merchant = Merchant(fails_late=1.0)
    merchant.refund({"amount": 100})
    assert events(merchant) == ["refund.created", "refund.failed"]
    merchant.world.set_faults("none", {"bounces": 1.0})
    merchant.refund({"amount": 100})
    assert "refund.failed" in events(merchant)
    assert [row.net_minor for row in merchant.rows()] == [0, 0]
    assert merchant.get(f"/v1/payments/{PAYMENT_ID}")["amount_refunded"] == 0


def test_only_a_processed_refund_comes_back() -> None:
    merchant = Merchant()
    refund_id = body_of(merchant.refund({"amount": 100}))["id"]
    merchant.model.bounce(refund_id, merchant.now)
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce(refund_id, merchant.now)


def test_a_refund_of_the_dashboard_has_no_receipt() -> None:
    merchant = Merchant()
    merchant.model.external_refund(PAYMENT_ID, 300, merchant.now, "by phone")
    merchant.model.external_refund(PAYMENT_ID, 300, merchant.now)
    bare, noted = merchant.get("/v1/refunds")["items"]
    assert (bare["receipt"], bare["notes"]) == (None, [])
    assert noted["notes"] == {"comment": "by phone"}
    assert {row.source for row in merchant.rows()} == {"dashboard"}


def test_a_dispute_is_told_with_its_payment() -> None:
    merchant = Merchant()
    merchant.model.dispute(PAYMENT_ID, merchant.now, chargeback=True)
    [post] = merchant.wait(60)
    told = json.loads(post.body)
    assert told["event"] == "payment.dispute.created"
    assert told["payload"]["dispute"]["entity"]["payment_id"] == PAYMENT_ID


def test_events_are_signed_and_forgeries_are_not() -> None:
    merchant = Merchant(webhook_forged=1.0, webhook_unknown=1.0)
    merchant.refund({"amount": 100})
    posts = merchant.wait(3_600)
    assert any(post.event == "refund.review.opened" for post in posts)
    for post in posts:
        told = dict(post.headers)
        good = told["X-Razorpay-Signature"] == signature("rzp_sandbox", post.body)
        assert good is not post.forged
        assert told["X-Razorpay-Event-Id"]


def test_a_redelivery_has_the_same_id_and_the_secret_from_before_a_change() -> None:
    merchant = Merchant(settings={"webhook_secrets": ("new", "old")})
    merchant.model.dispute(PAYMENT_ID, merchant.now, chargeback=False)
    first, *again = merchant.wait(600, status=500)
    assert again
    for post, secret in ((first, "new"), *((post, "old") for post in again)):
        told = dict(post.headers)
        assert told["X-Razorpay-Signature"] == signature(secret, post.body)
        assert told["X-Razorpay-Event-Id"] == dict(first.headers)["X-Razorpay-Event-Id"]


def test_after_a_day_of_failures_the_whole_webhook_is_switched_off() -> None:
    merchant = Merchant()
    merchant.model.dispute(PAYMENT_ID, merchant.now, chargeback=False)
    start = merchant.now
    failed = merchant.wait(3 * 86_400, status=500)
    assert len(failed) > 3
    assert merchant.model.outbox.paused
    assert merchant.now - start > 86_400
    merchant.refund({"amount": 100})
    assert merchant.wait(86_400) == []


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_the_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    made = signature(vector["secret"], vector["body_text"].encode())
    assert made == vector["header_value"]


def test_a_snapshot_goes_on_with_the_same_keys() -> None:
    merchant = Merchant(pending_first=1.0)
    first = merchant.refund({"amount": 100}, key=KEY)
    state = json.loads(json.dumps(merchant.world.dump()))
    again = World(merchant.world.config, signer())
    again.load(state)
    assert snapshot.encode(again.dump()) == snapshot.encode(state)
    merchant.world = again
    assert merchant.refund({"amount": 100}, key=KEY) == first
