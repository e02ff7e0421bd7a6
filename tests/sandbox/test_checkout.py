from __future__ import annotations

import base64
import json
import re
from typing import Any

import jsonschema
import pytest

from refundwatch.sandbox import snapshot
from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.checkout.signing import signature
from refundwatch.sandbox.model import Fate, Reply
from refundwatch.sandbox.world import World
from tests.sandbox.checkout import PAY, Shop, code_of, told
from tests.sandbox.hands import events_of, signer
from tests.shared import SHARED

SPECS = SHARED / "gateways/specs"
SPEC = json.loads((SPECS / "checkout-refunds.json").read_text("utf-8"))
VECTORS = json.loads(
    (SPECS / "webhook-vectors-square-braintree-checkout-authorizenet.json").read_text(
        "utf-8"
    )
)["checkout"]["vectors"]


def fits(value: Any, name: str) -> None:
    schema = SPEC["components"]["schemas"][name]
    whole = {**schema, "components": SPEC["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def accepted(reply: Reply) -> Any:
    assert reply.status == 202, reply
    return json.loads(reply.body)


# --- accepted is not done ---------------------------------------------------------


def test_a_refund_is_accepted_first_and_moves_money_later() -> None:
    shop = Shop()
    reply = shop.refund(1_050, key="k", metadata={"rw_refund_id": "rw-1", "n": 7})
    body = accepted(reply)
    assert re.fullmatch(r"act_\w{26}", body["action_id"])
    assert body["reference"] == "rw-1"
    assert body["_links"]["payment"]["href"].endswith(PAY)
    assert reply.header("cko-request-id")
    assert reply.header("cko-version")
    assert [row.executed for row in shop.rows()] == [False]
    action = shop.actions()[0]
    assert "approved" not in action
    assert action["metadata"] == {"rw_refund_id": "rw-1", "n": "7"}
    shop.wait(60)
    assert [row.net_minor for row in shop.rows()] == [1_050]
    assert shop.actions()[0]["approved"] is True
    assert (shop.rows()[0].merchant_reference, shop.rows()[0].idempotency_key) == (
        "rw-1",
        "k",
    )


def test_answers_fit_the_official_document() -> None:
    shop = Shop()
    body = accepted(shop.refund())
    # The document asks for two links and describes one.
    fits(
        {name: body[name] for name in ("action_id", "reference")},
        "RefundAcceptedResponse",
    )
    shop.wait(60)
    fits(shop.actions(), "PaymentActionsResponse")
    fits(shop.payment(), "PaymentDetails")
    fits(json.loads(shop.refund(9_999).body), "ValidationError")


def test_there_is_no_read_of_a_refund_by_its_id() -> None:
    shop = Shop()
    action_id = accepted(shop.refund())["action_id"]
    for target in (f"/refunds/{action_id}", f"/payments/{PAY}/refunds/{action_id}"):
        assert (shop.send("GET", target).status, shop.send("GET", target).body) == (
            404,
            b"",
        )


def test_the_list_is_newest_first_and_the_balances_add_up() -> None:
    shop = Shop()
    accepted(shop.refund(1_000, reference="rw-1"))
    shop.wait(60)
    accepted(shop.refund(500, reference="rw-2"))
    kinds = [(one["type"], one.get("reference")) for one in shop.actions()]
    assert kinds == [
        ("Refund", "rw-2"),
        ("Refund", "rw-1"),
        ("Capture", None),
        ("Authorization", None),
    ]
    held = shop.payment()["balances"]
    assert (held["total_refunded"], held["available_to_refund"]) == (1_000, 3_500)
    assert shop.payment()["status"] == "Partially Refunded"


def test_a_missing_amount_means_the_whole_payment() -> None:
    shop = Shop()
    accepted(shop.refund(None))
    shop.wait(60)
    assert [row.net_minor for row in shop.rows()] == [5_000]
    assert shop.payment()["status"] == "Refunded"
    assert "refund" not in shop.payment()["_links"]
    part = Shop()
    accepted(part.refund(1))
    assert code_of(part.refund(None)) == (422, "refund_amount_exceeds_balance")


# --- what is refused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "more", "code"),
    [
        (0, {}, "amount_invalid"),
        (-1, {}, "amount_invalid"),
        (True, {}, "amount_invalid"),
        (10.5, {}, "amount_invalid"),
        ("1050", {}, "amount_invalid"),
        (1_000, {"metadata": {"a": {}}}, "metadata_key_invalid"),
        (1_000, {"metadata": []}, "metadata_key_invalid"),
        (1_000, {"reference": "r" * 51}, "parameter_invalid"),
        (5_001, {}, "refund_amount_exceeds_balance"),
    ],
)
def test_a_bad_order_is_refused(amount: Any, more: dict[str, Any], code: str) -> None:
    shop = Shop()
    assert code_of(shop.refund(amount, **more)) == (422, code)
    assert shop.rows() == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    reply = Shop().send("POST", f"/payments/{PAY}/refunds", body)
    assert code_of(reply) == (422, "request_invalid")


def test_nothing_left_not_captured_and_charged_back_are_403_without_a_word() -> None:
    shop = Shop()
    accepted(shop.refund(5_000))
    shop.add("pay_open", captured=False)
    shop.add("pay_back")
    shop.model.dispute("pay_back", shop.now, chargeback=True)
    for payment in (PAY, "pay_open", "pay_back"):
        reply = shop.refund(1, payment=payment)
        assert (reply.status, reply.body) == (403, b"")


def test_an_unknown_payment_is_404_and_a_wrong_key_401_without_a_word() -> None:
    shop = Shop()
    for reply in (
        shop.refund(payment="pay_none"),
        shop.send("GET", "/payments/pay_none"),
    ):
        assert (reply.status, reply.body) == (404, b"")
    reply = shop.send("GET", f"/payments/{PAY}", authorization="Bearer sk_other")
    assert (reply.status, reply.body) == (401, b"")
    assert reply.header("cko-request-id")


@pytest.mark.parametrize("amount", [1_230, 1_231])
def test_three_decimals_end_in_a_zero(amount: int) -> None:
    shop = Shop()
    shop.add("pay_kwd", 10_000, currency="KWD")
    assert shop.refund(amount, payment="pay_kwd").status == (
        202 if amount % 10 == 0 else 422
    )


def test_a_refund_by_the_profile_is_refused_with_a_code_that_is_documented() -> None:
    shop = Shop(refusal=1.0)
    found = {code_of(shop.refund()) for _ in range(20)}
    assert found == {
        (422, "payment_expired"),
        (422, "action_failure_limit_exceeded"),
        (422, "amount_exceeds_balance"),
    }
    assert shop.rows() == []


# --- keys -------------------------------------------------------------------------


def test_an_acceptance_is_repeated_under_its_key_whatever_the_body_says() -> None:
    shop = Shop()
    first = shop.refund(1_000, key="k")
    again = shop.refund(2_000, key="k", reference="rw-2")
    assert (first.status, first.body) == (again.status, again.body)
    assert first.header("cko-request-id") != again.header("cko-request-id")
    assert [row.asked_minor for row in shop.rows()] == [1_000]


def test_a_key_older_than_its_window_executes_again() -> None:
    shop = Shop()
    shop.refund(key="k")
    shop.wait(86_399)
    shop.refund(key="k")
    assert len(shop.rows()) == 1
    shop.wait(1)
    shop.refund(key="k")
    shop.wait(60)
    assert len(shop.world.ledger.doubles()) == 1


def test_a_refusal_is_not_kept_under_its_key() -> None:
    shop = Shop()
    assert shop.refund(9_000, key="k").status == 422
    assert shop.refund(1_000, key="k").status == 202


def test_a_failed_answer_frees_the_key_although_the_order_runs() -> None:
    shop = Shop(error_after=1.0)
    assert shop.refund(key="k").status in (500, 502, 504)
    shop.faults()
    assert shop.refund(key="k").status == 202
    shop.wait(60)
    # The trap: the key alone proves nothing after a 5xx.
    assert len(shop.world.ledger.doubles()) == 1


@pytest.mark.parametrize("fault", ["dropped_after", "reset_after", "truncated"])
def test_an_answer_that_was_lost_is_kept_under_its_key(fault: str) -> None:
    shop = Shop(**{fault: 1.0})
    assert shop.refund(key="k").fate is not Fate.ANSWERED
    shop.faults()
    assert shop.refund(key="k").status == 202
    shop.wait(60)
    assert shop.world.ledger.doubles() == []


def test_the_same_key_at_the_same_time_is_409() -> None:
    shop = Shop(latency_seconds=2.0, latency_spread=0.0)
    first = shop.refund(key="k")
    assert first.latency_seconds == 2.0
    assert shop.refund(key="k").status == 409
    shop.wait(2)
    assert shop.refund(key="k").body == first.body


def test_what_is_held_in_flight_runs_once() -> None:
    shop = Shop(held_in_flight=1.0)
    assert shop.refund(key="k").fate is Fate.EXECUTED_LATE
    shop.faults()
    assert shop.refund(key="k").status == 409
    shop.wait(120)
    assert shop.refund(key="k").status == 202
    assert len(shop.rows()) == 1


# --- voids and reversals ----------------------------------------------------------


def test_what_is_not_captured_is_voided_as_a_whole() -> None:
    shop = Shop()
    shop.add("pay_open", captured=False)
    assert shop.payment("pay_open")["status"] == "Authorized"
    accepted(shop.refund(None, payment="pay_open", what="voids", key="k"))
    again = shop.refund(None, payment="pay_open", what="voids")
    assert (again.status, again.body) == (403, b"")
    posts = shop.wait(60)
    assert events_of(posts) == ["payment_voided"]
    assert [row.net_minor for row in shop.rows()] == [5_000]
    found = shop.payment("pay_open")
    assert (found["status"], found["balances"]["total_voided"]) == ("Voided", 5_000)
    assert shop.actions("pay_open")[0]["type"] == "Void"
    fits(shop.actions("pay_open"), "PaymentActionsResponse")


def test_what_is_captured_is_not_voided() -> None:
    shop = Shop()
    shop.add("pay_open", captured=False)
    shop.model.capture("pay_open", shop.now)
    for payment in (PAY, "pay_open"):
        assert shop.refund(None, payment=payment, what="voids").status == 403
    assert events_of(shop.wait(10)) == ["payment_captured"]
    assert shop.payment("pay_open")["status"] == "Captured"


def test_a_reversal_voids_or_refunds_and_is_silent_when_it_was_done() -> None:
    kinds = set()
    for number in range(24):
        shop = Shop(seed=number)
        shop.add("pay_open", captured=False)
        for payment, kind in ((PAY, "Refund"), ("pay_open", "Void")):
            body = accepted(shop.refund(None, payment=payment, what="reversals"))
            assert body.get("action_type") in (None, kind)
            kinds.add(body.get("action_type"))
            again = shop.refund(None, payment=payment, what="reversals")
            assert (again.status, again.body) == (204, b"")
    assert kinds == {None, "Refund", "Void"}


def test_a_reversal_knows_no_key() -> None:
    shop = Shop(error_before=0.0)
    shop.refund(None, what="reversals", key="k")
    # Nothing is left of it, so no repeat of the first answer comes.
    assert shop.refund(None, what="reversals", key="k").status == 204


# --- webhooks ---------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["id"])
def test_the_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    body = base64.b64decode(vector["body_b64"])
    assert signature(vector["signature_key"], body) == vector["signature"]


def test_a_pending_refund_names_no_reference() -> None:
    shop = Shop(pending_first=1.0)
    action_id = accepted(shop.refund())["action_id"]
    first, second = [told(post) for post in shop.wait(300)]
    assert first["type"] == "payment_refund_pending"
    assert "reference" not in first["data"]
    assert first["data"]["action_id"] == action_id
    assert second["type"] == "payment_refunded"
    assert second["data"]["reference"] == "rw-1"
    assert second["data"]["response_code"] == "10000"


def test_times_have_seven_digits_and_either_form_of_utc() -> None:
    shop = Shop()
    for number in range(12):
        shop.refund(10, reference=f"rw-{number}")
    stamps = [told(post)["created_on"] for post in shop.wait(60)]
    assert all(re.search(r"\.\d{7}(Z|\+00:00)$", stamp) for stamp in stamps)
    assert {stamp[-1] for stamp in stamps} == {"Z", "0"}


def test_a_refund_that_fails_late_is_told_and_never_moved() -> None:
    shop = Shop(fails_late=1.0)
    shop.refund()
    [post] = shop.wait(60)
    assert post.event == "payment_refund_declined"
    assert told(post)["data"]["response_code"][0] in "23"
    assert [row.net_minor for row in shop.rows()] == [0]
    assert shop.actions()[0]["approved"] is False
    assert shop.payment()["balances"]["available_to_refund"] == 5_000


def test_a_refund_can_be_declined_after_it_was_approved() -> None:
    shop = Shop()
    action_id = accepted(shop.refund())["action_id"]
    with pytest.raises(UnknownSubjectError):
        shop.model.bounce(action_id, shop.now)
    shop.wait(60)
    shop.model.bounce(action_id, shop.now)
    [post] = shop.wait(60)
    assert told(post)["data"]["action_id"] == action_id
    assert post.event == "payment_refund_declined"
    assert [row.net_minor for row in shop.rows()] == [0]
    chance = Shop(bounces=1.0)
    chance.refund()
    assert events_of(chance.wait(600)) == [
        "payment_refunded",
        "payment_refund_declined",
    ]


def test_a_refund_of_the_dashboard_has_no_reference_of_ours() -> None:
    shop = Shop()
    shop.model.external_refund(PAY, 700, shop.now)
    [post] = shop.wait(60)
    data = told(post)["data"]
    assert "reference" not in data
    assert "metadata" not in data
    assert [(row.source, row.net_minor) for row in shop.rows()] == [("dashboard", 700)]


def test_a_dispute_names_its_payment_beside_its_own_id() -> None:
    shop = Shop()
    shop.model.dispute(PAY, shop.now, chargeback=False)
    [post] = shop.wait(60)
    body = told(post)
    assert body["type"] == "dispute_received"
    assert (body["data"]["payment_id"], "created_on" in body) == (PAY, False)
    assert body["data"]["id"].startswith("dsp_")


def test_deliveries_are_signed_over_their_bytes_and_may_name_a_value() -> None:
    shop = Shop(settings={"webhook_authorization": "the value"}, webhook_forged=1.0)
    for number in range(8):
        shop.refund(10, reference=f"rw-{number}")
    posts = shop.wait(60)
    forged = [post for post in posts if post.forged]
    assert len(forged) == 8
    signatures = [dict(post.headers).get("Cko-Signature") for post in forged]
    assert None in signatures
    for post in posts:
        headers = dict(post.headers)
        assert headers["Authorization"] == "the value"
        good = headers.get("Cko-Signature") == signature("cko-sandbox-key", post.body)
        assert good is not post.forged


def test_events_of_a_payment_are_listed_and_sent_again() -> None:
    shop = Shop()
    shop.refund()
    shop.add("pay_other")
    shop.refund(payment="pay_other")
    shop.wait(60)
    [row] = shop.get(f"/workflows/events/subject/{PAY}")["data"]
    assert row["type"] == "payment_refunded"
    assert shop.send("POST", f"/workflows/events/{row['id']}/reflow").status == 202
    [post] = shop.wait(60)
    assert told(post)["id"] == row["id"]
    assert shop.send("POST", "/workflows/events/evt_none/reflow").status == 404


def test_an_event_that_nobody_knows_can_come() -> None:
    shop = Shop(webhook_unknown=1.0)
    shop.refund()
    assert set(events_of(shop.wait(60))) == {
        "payment_refunded",
        "payment_refund_reviewed",
    }


# --- bearers ----------------------------------------------------------------------


def token(shop: Shop, pair: str = "ack_sandbox:sandbox-secret", **form: str) -> Reply:
    told_ = {"grant_type": "client_credentials", "scope": "gateway"} | form
    body = "&".join(f"{name}={value}" for name, value in told_.items()).encode()
    basic = "Basic " + base64.b64encode(pair.encode()).decode()
    return shop.send("POST", "/connect/token", body, authorization=basic)


def test_a_token_is_a_bearer_for_its_life() -> None:
    shop = Shop()
    body = json.loads(token(shop).body)
    bearer = {"authorization": f"Bearer {body['access_token']}"}
    assert shop.send("GET", f"/payments/{PAY}", **bearer).status == 200
    shop.wait(body["expires_in"])
    reply = shop.send("GET", f"/payments/{PAY}", **bearer)
    assert (reply.status, reply.body) == (401, b"")


@pytest.mark.parametrize(
    ("pair", "form", "error"),
    [
        ("ack_sandbox:wrong", {}, "invalid_client"),
        ("ack_sandbox:sandbox-secret", {"grant_type": "x"}, "unsupported_grant_type"),
        ("ack_sandbox:sandbox-secret", {"scope": "vault"}, "invalid_scope"),
    ],
)
def test_no_token_for_the_wrong_client(
    pair: str, form: dict[str, str], error: str
) -> None:
    reply = token(Shop(), pair, **form)
    assert (reply.status, json.loads(reply.body)) == (400, {"error": error})


def test_a_token_can_end_early_and_a_key_cannot() -> None:
    shop = Shop(token_expired=1.0)
    assert shop.refund().status == 202
    body = json.loads(token(shop).body)
    bearer = {"authorization": f"Bearer {body['access_token']}"}
    target = f"/payments/{PAY}/refunds"
    first = shop.send("POST", target, {"amount": 1}, **bearer)
    assert (first.status, first.body) == (401, b"")
    assert len(shop.rows()) == 1


# --- faults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("error_before", {500, 502, 504}),
        ("unavailable", {503}),
        ("rate_limited", {429}),
    ],
)
def test_trouble_before_execution_executes_nothing(
    fault: str, statuses: set[int]
) -> None:
    shop = Shop(**{fault: 1.0})
    replies = [shop.refund() for _ in range(12)]
    assert {reply.status for reply in replies} == statuses
    assert all(not reply.header("retry-after") for reply in replies)
    assert shop.rows() == []
    assert shop.world.counters()["checkout"][fault] == 12


def test_a_list_can_lag_behind_what_was_accepted() -> None:
    shop = Shop(lookup_lags=1.0)
    shop.refund()
    assert [one["type"] for one in shop.actions()] == ["Capture", "Authorization"]
    assert shop.payment()["balances"]["available_to_refund"] == 5_000
    shop.wait(60)
    assert shop.actions()[0]["type"] == "Refund"


def test_what_is_false_is_false_in_the_list_and_not_in_the_books() -> None:
    shop = Shop(wrong_amount=1.0, unknown_status=1.0)
    shop.refund(1_000)
    shop.wait(60)
    action = shop.actions()[0]
    assert action["amount"] != 1_000
    assert action["approved"] == "in_transit"
    assert [row.net_minor for row in shop.rows()] == [1_000]
    sparse = accepted(Shop(sparse_answer=1.0).refund())
    assert list(sparse) == ["action_id"]


def test_a_planted_amount_is_what_is_executed() -> None:
    shop = Shop()
    shop.world.plant("checkout", PAY, 77)
    shop.refund(1_000)
    shop.wait(60)
    assert [(row.asked_minor, row.net_minor) for row in shop.rows()] == [(1_000, 77)]
    assert shop.actions()[0]["amount"] == 77


def test_a_snapshot_goes_on_where_it_stopped() -> None:
    shop = Shop(pending_first=1.0)
    access = json.loads(token(shop).body)["access_token"]
    shop.refund(key="k")
    state = json.loads(json.dumps(shop.world.dump()))
    other = Shop()
    other.world = World(shop.config, signer())
    other.world.load(state)
    other.now = shop.now
    assert snapshot.encode(other.rows()) == snapshot.encode(shop.rows())
    assert other.refund(key="k").body == shop.refund(key="k").body
    bearer = {"authorization": f"Bearer {access}"}
    assert other.send("GET", f"/payments/{PAY}", **bearer).status == 200
    assert events_of(other.wait(300)) == events_of(shop.wait(300))
