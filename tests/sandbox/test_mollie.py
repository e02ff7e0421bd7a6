from __future__ import annotations

import json
from typing import Any

import pytest

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.mollie.signing import signature
from refundwatch.sandbox.world import World
from tests.contract.schemas import conforms, document
from tests.sandbox.hands import signer
from tests.sandbox.mollie import KEY, TOKEN, TR, Profile, said
from tests.unit.gateways.mollie_hand import SIGNED

LIST = f"/v2/payments/{TR}/refunds"


def shape(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def fits(value: Any, name: str) -> None:
    conforms(document("mollie-refunds.json"), value, shape(name))


# --- orders -----------------------------------------------------------------------


def test_a_refund_is_taken_and_paid_later() -> None:
    mollie = Profile()
    reply = mollie.refund(description="Order 1")
    assert reply.status == 201
    refund = said(reply)
    assert (refund["status"], refund["paymentId"]) == ("pending", TR)
    assert refund["metadata"] == {"rw_refund_id": "rw-1"}
    assert [row.executed for row in mollie.rows()] == [False]
    mollie.wait(60)
    [row] = mollie.rows()
    assert (row.executed, row.net_minor, row.merchant_reference) == (
        True,
        1_000,
        "rw-1",
    )
    assert mollie.get(f"{LIST}/{refund['id']}")["status"] == "refunded"


@pytest.mark.parametrize("faults", [{}, {"pending_first": 1.0}, {"fails_late": 1.0}])
def test_answers_fit_the_official_schema(faults: dict[str, float]) -> None:
    mollie = Profile(**faults)
    fits(said(mollie.refund()), "entity-refund-response")
    mollie.wait(600)
    refund = mollie.get(LIST)["_embedded"]["refunds"][0]
    fits(refund, "list-entity-refund")
    fits(mollie.get(f"{LIST}/{refund['id']}"), "entity-refund-response")
    fits(mollie.get(f"/v2/payments/{TR}?embed=refunds"), "payment-response")
    fits(mollie.get("/v2/profiles/me"), "profile-response")
    fits(mollie.get("/v2/organizations/me", auth=TOKEN), "entity-organization")
    fits(mollie.get(LIST)["_links"], "list-links")
    booked = mollie.get("/v2/balances/primary/transactions", auth=TOKEN)
    for one in booked["_embedded"]["balance_transactions"]:
        fits(one, "entity-balance-transaction")


ERRORS: list[tuple[dict[str, Any], int, str]] = [
    ({"value": "10"}, 422, "amount"),
    ({"value": "10.000"}, 422, "amount"),
    ({"value": "1,00"}, 422, "amount"),
    ({"value": "0.00"}, 422, "amount"),
    ({"value": "50.01"}, 422, "amount"),
    ({"currency": "USD"}, 422, "amount"),
    ({"colour": "red"}, 422, "colour"),
    ({"testmode": True}, 422, "testmode"),
    ({"amount": None}, 422, "amount"),
    ({"amount": {"value": 1, "currency": "EUR"}}, 422, "amount"),
    ({"description": "x" * 256}, 422, "description"),
    ({"metadata": "x" * 1024}, 422, "metadata"),
    ({"payment": "tr_nobody"}, 404, ""),
]


@pytest.mark.parametrize(("changes", "status", "field"), ERRORS, ids=str)
def test_what_mollie_does_not_take_it_refuses(
    changes: dict[str, Any], status: int, field: str
) -> None:
    mollie = Profile()
    reply = mollie.refund(**changes)
    error = said(reply)
    assert (reply.status, error["status"]) == (status, status)
    assert error.get("field", "") == field
    fits(error, "error-response")
    assert mollie.rows() == []


@pytest.mark.parametrize(
    "facts",
    [{"method": "paysafecard"}, {"captured": False}, {"dispute": "chargeback"}],
    ids=str,
)
def test_a_payment_that_cannot_be_refunded_says_so(facts: dict[str, Any]) -> None:
    mollie = Profile()
    mollie.add("tr_other", **facts)
    payment = mollie.get("/v2/payments/tr_other")
    assert ("amountRemaining" in payment) is (facts.get("method") is None)
    assert mollie.refund(payment="tr_other").status == 422


@pytest.mark.parametrize(
    ("currency", "good", "bad"),
    [("JPY", "1000", "1000.00"), ("ISK", "1000", "10.00"), ("KWD", "1.234", "1.23")],
)
def test_an_amount_has_exactly_the_decimals_of_its_currency(
    currency: str, good: str, bad: str
) -> None:
    mollie = Profile()
    mollie.add("tr_money", 1_000_000, currency)
    assert mollie.refund(bad, payment="tr_money", currency=currency).status == 422
    assert mollie.refund(good, payment="tr_money", currency=currency).status == 201


# --- keys and the guard -----------------------------------------------------------


def test_under_a_key_the_first_answer_is_repeated_for_an_hour() -> None:
    mollie = Profile()
    first = mollie.refund(key="k")
    mollie.now += 3_599
    again = mollie.refund(key="k")
    assert said(again) == said(first)
    assert again.header("idempotent-replayed") == "true"
    assert not first.header("idempotent-replayed")
    assert mollie.refund("9.00", key="k").status == 400
    mollie.now += 1
    fresh = mollie.refund(key="k")
    assert said(fresh)["id"] != said(first)["id"]


def test_a_refusal_is_repeated_as_well() -> None:
    mollie = Profile()
    assert mollie.refund("99.00", key="k").status == 422
    assert mollie.refund("99.00", key="k").header("idempotent-replayed") == "true"


def test_an_equal_amount_is_refused_for_an_hour_whatever_the_key() -> None:
    mollie = Profile()
    assert mollie.refund(key="a").status == 201
    guarded = mollie.refund(key="b", reference="rw-2")
    assert guarded.status == 409
    assert "duplicate refund" in said(guarded)["detail"]
    assert mollie.refund("9.99", key="c").status == 201
    mollie.add("tr_other")
    assert mollie.refund(key="d", payment="tr_other").status == 201
    mollie.now += 3_600
    assert mollie.refund(key="b", reference="rw-2").status == 201


def test_a_key_in_use_and_a_refund_in_parallel_are_told_apart() -> None:
    mollie = Profile(latency_seconds=2.0)
    assert mollie.refund(key="a").status == 201
    in_use = mollie.refund(key="a")
    assert in_use.status == 409
    assert "duplicate" not in said(in_use)["detail"]
    assert mollie.refund("1.00", key="b").status == 503
    mollie.now += 60
    assert mollie.refund("1.00", key="b").status == 201


# --- credentials ------------------------------------------------------------------


def test_a_token_must_name_the_mode_and_a_key_must_not() -> None:
    mollie = Profile()
    assert mollie.call("GET", LIST, auth={}).status == 401
    assert mollie.call("GET", LIST, auth=TOKEN).status == 404
    assert mollie.call("GET", f"{LIST}?testmode=true", auth=TOKEN).status == 200
    assert mollie.call("GET", f"{LIST}?testmode=true", auth=KEY).status == 422
    order = {"amount": {"currency": "EUR", "value": "1.00"}}
    assert mollie.call("POST", LIST, order, auth=TOKEN).status == 404
    order["testmode"] = True  # type: ignore[assignment]
    assert mollie.call("POST", LIST, order, auth=TOKEN).status == 201
    assert mollie.call("GET", "/v2/profiles/me", auth=TOKEN).status == 404
    assert mollie.call("GET", "/v2/balances/primary/transactions").status == 404


# --- reads ------------------------------------------------------------------------


def test_a_list_is_read_page_by_page() -> None:
    mollie = Profile()
    for number in range(1, 6):
        mollie.refund(f"{number}.00", reference=f"rw-{number}")
    seen: list[str] = []
    target = f"{LIST}?limit=2"
    while True:
        page = mollie.get(target)
        assert page["count"] == len(page["_embedded"]["refunds"])
        seen += [one["amount"]["value"] for one in page["_embedded"]["refunds"]]
        if page["_links"]["next"] is None:
            break
        target = page["_links"]["next"]["href"]
    assert seen == ["5.00", "4.00", "3.00", "2.00", "1.00"]
    assert mollie.get("/v2/refunds")["count"] == 5
    for wrong in ("limit=0", "limit=251", "limit=x", "from=re_nobody"):
        assert mollie.call("GET", f"{LIST}?{wrong}").status == 400


def test_a_payment_counts_what_was_asked_and_not_cancelled() -> None:
    mollie = Profile()
    refund = said(mollie.refund())
    payment = mollie.get(f"/v2/payments/{TR}?embed=refunds")
    assert payment["amountRefunded"]["value"] == "10.00"
    assert payment["amountRemaining"]["value"] == "40.00"
    assert [one["id"] for one in payment["_embedded"]["refunds"]] == [refund["id"]]
    assert mollie.call("DELETE", f"{LIST}/{refund['id']}").status == 204
    assert mollie.get(f"/v2/payments/{TR}")["amountRefunded"]["value"] == "0.00"


def test_reads_lag_behind_where_the_profile_says_so() -> None:
    mollie = Profile(lookup_lags=1.0)
    refund = said(mollie.refund())
    assert mollie.call("GET", f"{LIST}/{refund['id']}").status == 404
    assert mollie.get(LIST)["count"] == 0
    mollie.wait(60)
    assert mollie.get(LIST)["count"] == 1


# --- cancellations ----------------------------------------------------------------


@pytest.mark.parametrize("queued", [True, False])
def test_a_waiting_refund_is_cancelled_and_disappears(*, queued: bool) -> None:
    mollie = Profile(pending_first=float(queued))
    refund = said(mollie.refund())
    target = f"{LIST}/{refund['id']}"
    reply = mollie.call("DELETE", target)
    assert (reply.status, reply.body) == (204, b"")
    assert mollie.call("GET", target).status == 404
    assert mollie.call("DELETE", target).status == 404
    assert mollie.get(LIST)["count"] == 0
    posts = mollie.wait(600)
    assert [row.executed for row in mollie.rows()] == [False]
    assert "refund.canceled" in [post.event for post in posts]


def test_a_refund_that_a_batch_took_cannot_be_cancelled() -> None:
    mollie = Profile(settings={"batch_seconds": 60.0})
    refund = said(mollie.refund())
    mollie.wait(29)
    assert mollie.get(f"{LIST}/{refund['id']}")["status"] == "pending"
    mollie.wait(62)
    assert mollie.call("DELETE", f"{LIST}/{refund['id']}").status == 422
    mollie.wait(60)
    assert [row.executed for row in mollie.rows()] == [True]


# --- webhooks ---------------------------------------------------------------------


def test_signed_events_and_bare_names_are_sent() -> None:
    mollie = Profile()
    refund = said(mollie.refund())
    posts = mollie.wait(60)
    assert [post.event for post in posts if post.event != "payment"] == [
        "refund.pending",
        "refund.processing",
        "refund.refunded",
    ]
    bare = [post for post in posts if post.event == "payment"]
    assert {post.body for post in bare} == {f"id={TR}".encode()}
    assert len(bare) == 2
    assert "X-Mollie-Signature" not in dict(bare[0].headers)
    for post in posts:
        if post.event == "payment":
            continue
        event = json.loads(post.body)
        fits(event, "entity-webhook-event")
        assert event["entityId"] == refund["id"]
        assert event["_embedded"]["entity"]["status"] == post.event[7:]
        given = dict(post.headers)["X-Mollie-Signature"]
        assert given == signature("mollie_sandbox", post.body)
        read = mollie.get(f"/v2/events/{event['id']}", auth=TOKEN)
        assert read == event
    assert mollie.call("GET", "/v2/events/event_no", auth=TOKEN).status == 404


@pytest.mark.parametrize("vector", SIGNED, ids=lambda v: v["name"])
def test_our_signature_is_mollies(vector: dict[str, Any]) -> None:
    given = signature(vector["secret"], vector["body_utf8"].encode())
    assert given == vector["header_X-Mollie-Signature"]


def test_while_a_secret_changes_each_signs_in_a_line_of_its_own() -> None:
    mollie = Profile(settings={"webhook_secrets": ("new", "old")})
    mollie.refund()
    post = next(post for post in mollie.wait(60) if post.event != "payment")
    lines = [value for name, value in post.headers if name == "X-Mollie-Signature"]
    assert lines == [signature("new", post.body), signature("old", post.body)]


def test_simple_events_bear_no_snapshot_and_forms_can_be_left_out() -> None:
    mollie = Profile(settings={"webhooks": ("simple",)})
    mollie.refund()
    posts = mollie.wait(60)
    assert len(posts) == 3
    for post in posts:
        assert "_embedded" not in json.loads(post.body)


def test_a_bounce_and_a_chargeback_are_told() -> None:
    mollie = Profile()
    refund = said(mollie.refund())
    with pytest.raises(UnknownSubjectError):
        mollie.model.bounce(refund["id"], mollie.now)
    mollie.wait(60)
    mollie.model.bounce(refund["id"], mollie.now)
    mollie.model.dispute(TR, mollie.now, chargeback=True)
    events = [post.event for post in mollie.wait(60)]
    assert events.count("refund.failed") == 1
    assert events.count("chargeback.received") == 1
    assert events.count("payment") == 2
    assert [row.executed for row in mollie.rows()] == [False]
    assert "amountChargedBack" in mollie.get(f"/v2/payments/{TR}")
    booked = mollie.get("/v2/balances/primary/transactions", auth=TOKEN)
    kinds = [one["type"] for one in booked["_embedded"]["balance_transactions"]]
    assert kinds == ["returned-refund", "refund"]


def test_the_dashboard_refunds_without_our_reference_past_the_guard() -> None:
    mollie = Profile()
    mollie.refund()
    mollie.model.external_refund(TR, 1_000, mollie.now, "by hand")
    mollie.wait(60)
    assert sorted(row.source for row in mollie.rows()) == ["api", "dashboard"]
    newest = mollie.get(LIST)["_embedded"]["refunds"][0]
    assert (newest["description"], newest["metadata"]) == ("by hand", None)


def test_a_snapshot_goes_on_where_it_stood() -> None:
    mollie = Profile()
    mollie.refund(key="k")
    state = json.loads(json.dumps(mollie.world.dump()))
    other = World(mollie.world.config, signer())
    other.load(state)
    model = other.model("mollie")
    model.advance(mollie.now + 60)
    assert [row.executed for row in other.ledger.rows("mollie")] == [True]
    assert model.keys.find("k", mollie.now) is not None
