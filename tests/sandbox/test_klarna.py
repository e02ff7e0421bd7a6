from __future__ import annotations

import json
from typing import Any

import aiohttp
import jsonschema
import pytest

from refundwatch.sandbox import snapshot
from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.klarna.signing import signature
from refundwatch.sandbox.model import Fate, Reply
from refundwatch.sandbox.running import running_sandbox
from refundwatch.sandbox.settings import KlarnaSettings
from refundwatch.sandbox.world import World
from tests.sandbox.hands import signer
from tests.sandbox.klarna import ORDER_ID, ORDERS, PAIR, Merchant
from tests.shared import SHARED

SPECS = SHARED / "gateways/specs"
SPEC = json.loads((SPECS / "klarna-refunds.json").read_text("utf-8"))
VECTORS = json.loads(
    (SPECS / "webhook-vectors-mollie-razorpay-cybersource-klarna.json").read_text(
        "utf-8"
    )
)["klarna_network"]["vectors"]
NETWORK = {"network": "eu1"}


def fits(value: Any, path: str, status: str = "200", method: str = "get") -> None:
    answer = SPEC["paths"][path][method]["responses"][status]
    schema = answer["content"]["application/json"]["schema"]
    whole = {**schema, "components": SPEC["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["error_code"]


# --- refunds ----------------------------------------------------------------------


def test_a_refund_is_booked_at_once_and_its_id_is_in_the_headers() -> None:
    merchant = Merchant()
    replies = [merchant.refund(100, key=str(number)) for number in range(12)]
    assert {reply.status for reply in replies} == {201}
    bodies = {reply.body == b"" for reply in replies}
    assert bodies == {True, False}
    locations = {reply.header("location").startswith("https://") for reply in replies}
    assert locations == {True, False}
    for reply in replies:
        refund_id = reply.header("refund-id")
        assert reply.header("location").endswith(
            f"{ORDERS}/{ORDER_ID}/refunds/{refund_id}"
        )
        assert reply.body in (b"", json.dumps(refund_id).encode())
        assert reply.header("klarna-correlation-id")
    assert [row.net_minor for row in merchant.rows()] == [100] * 12
    order = merchant.order()
    assert order["refunded_amount"] == 1_200
    fits(order, "/ordermanagement/v1/orders/{order_id}")
    listed = order["refunds"][0]
    read = merchant.get(f"{ORDERS}/{ORDER_ID}/refunds/{listed['refund_id']}")
    assert read == listed
    assert read.keys().isdisjoint({"status", "currency"})
    fits(read, "/ordermanagement/v1/orders/{order_id}/refunds/{refund_id}")


def test_a_used_key_repeats_its_first_answer_whatever_the_body_says() -> None:
    merchant = Merchant()
    first = merchant.refund(100, key="k")
    again = merchant.refund(4_000, key="k", reference="rw-2")
    assert again.header("refund-id") == first.header("refund-id")
    assert [row.net_minor for row in merchant.rows()] == [100]
    merchant.now += 24 * 3_600
    later = merchant.refund(100, key="k")
    assert later.header("refund-id") != first.header("refund-id")


def test_without_a_key_each_call_books() -> None:
    merchant = Merchant()
    for _ in range(2):
        merchant.refund(100)
    assert len(merchant.rows()) == 2


def test_a_running_key_conflicts() -> None:
    merchant = Merchant(held_in_flight=1.0)
    merchant.refund(key="k")
    merchant.world.set_faults("none", {})
    assert code(merchant.refund(key="k")) == (409, "CONFLICT")
    merchant.now += 120
    assert merchant.refund(key="k").status == 201
    assert len(merchant.rows()) == 1


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        ("1000", {}),
        (10.0, {}),
        (True, {}),
        (None, {}),
        (0, {}),
        (-1, {}),
        (200_000_001, {}),
        (1_000, {"reference": "x" * 256}),
        (1_000, {"reference": 7}),
        (1_000, {"order_lines": "x"}),
        (1_000, {"order_lines": [{"name": "Boots"}]}),
        (
            1_000,
            {
                "order_lines": [
                    {"name": "B", "quantity": 1, "unit_price": 9, "total_amount": 9}
                ]
            },
        ),
    ],
)
def test_a_body_that_klarna_does_not_take_is_refused(
    amount: Any, more: dict[str, Any]
) -> None:
    merchant = Merchant()
    assert code(merchant.refund(amount, **more)) == (400, "BAD_VALUE")
    assert merchant.rows() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    target = f"{ORDERS}/{ORDER_ID}/refunds"
    assert code(Merchant().send("POST", target, body)) == (400, "BAD_VALUE")


def test_lines_that_sum_up_are_taken_and_shown() -> None:
    merchant = Merchant()
    line = {"name": "B", "quantity": 1, "unit_price": 1_000, "total_amount": 1_000}
    assert merchant.refund(order_lines=[line]).status == 201
    assert merchant.order()["refunds"][0]["order_lines"] == [line]


def test_what_cannot_be_refunded_is_not_allowed() -> None:
    merchant = Merchant()
    merchant.add("open", captured=False)
    early = merchant.refund(order_id="open")
    assert code(early) == (403, "REFUND_NOT_ALLOWED")
    assert "no captures" in early.body.decode()
    fits(
        json.loads(early.body),
        "/ordermanagement/v1/orders/{order_id}/refunds",
        "403",
        "post",
    )
    assert merchant.order("open")["captures"] == []
    assert code(merchant.refund(5_001)) == (403, "REFUND_NOT_ALLOWED")
    assert code(merchant.refund(order_id="nowhere")) == (404, "NO_SUCH_ORDER")
    merchant.world.set_faults(None, {"refusal": 1.0})
    assert code(merchant.refund()) == (403, "REFUND_NOT_ALLOWED")
    assert merchant.rows() == []


@pytest.mark.parametrize("header", ["", "Basic bm9wZQ==", "Bearer x"])
def test_wrong_credentials_are_refused(header: str) -> None:
    reply = Merchant().send("GET", f"{ORDERS}/{ORDER_ID}", authorization=header)
    assert code(reply) == (401, "UNAUTHORIZED")


def test_reads_lag_behind_the_booking() -> None:
    merchant = Merchant(lookup_lags=1.0)
    refund_id = merchant.refund().header("refund-id")
    one = f"{ORDERS}/{ORDER_ID}/refunds/{refund_id}"
    assert merchant.order()["refunds"] == []
    assert merchant.order()["refunded_amount"] == 0
    assert code(merchant.send("GET", one)) == (404, "NOT_FOUND")
    merchant.now += 60
    assert merchant.get(one)["refunded_amount"] == 1_000
    assert merchant.order()["captures"][0]["refunded_amount"] == 1_000


def test_captures_are_read() -> None:
    merchant = Merchant()
    [capture] = merchant.get(f"{ORDERS}/{ORDER_ID}/captures")
    fits([capture], "/ordermanagement/v1/orders/{order_id}/captures")
    way = f"{ORDERS}/{ORDER_ID}/captures/{capture['capture_id']}"
    assert merchant.get(way) == capture
    assert merchant.send("GET", f"{ORDERS}/{ORDER_ID}/captures/x").status == 404
    assert merchant.send("GET", f"{ORDERS}/{ORDER_ID}/x").status == 404
    assert merchant.send("DELETE", "/x").status == 404


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
    ],
)
def test_the_ledger_holds_what_truly_happened(
    fault: str, fate: Fate, executed: int
) -> None:
    merchant = Merchant(**{fault: 1.0})
    assert merchant.refund(key="k").fate is fate
    assert merchant.world.counters()["klarna"][fault] == 1
    merchant.wait(3_600)
    assert [row.net_minor for row in merchant.rows()] == [1_000] * executed


def test_the_limit_answers_with_and_without_reset_and_the_edge_without_object() -> None:
    merchant = Merchant(rate_limited=1.0)
    replies = [merchant.refund() for _ in range(40)]
    assert {reply.status for reply in replies} == {403, 429}
    resets = {r.header("x-ratelimit-reset") for r in replies if r.status == 429}
    assert resets == {"", "1"}
    assert all(b"error_code" not in r.body for r in replies if r.status == 403)


def test_an_error_stays_under_its_key_only_where_the_fault_stores_it() -> None:
    merchant = Merchant(stored_error=1.0)
    assert merchant.refund(key="k").status == 500
    merchant.world.set_faults("none", {})
    assert merchant.refund(key="k").status == 500
    assert merchant.refund(key="other").status == 201


def test_a_wrong_amount_is_told_by_one_read_only() -> None:
    merchant = Merchant(wrong_amount=1.0)
    merchant.refund()
    told = [merchant.order()["refunds"][0]["refunded_amount"] for _ in range(2)]
    assert told[0] != 1_000
    assert told[1] == 1_000
    assert [row.net_minor for row in merchant.rows()] == [1_000]


def test_a_sparse_answer_lacks_one_header_or_both() -> None:
    merchant = Merchant(sparse_answer=1.0)
    replies = [merchant.refund(100) for _ in range(30)]
    held = {(bool(r.header("location")), bool(r.header("refund-id"))) for r in replies}
    assert held == {(True, False), (False, True), (False, False)}


def test_a_planted_amount_is_truly_executed() -> None:
    merchant = Merchant()
    merchant.world.plant("klarna", ORDER_ID, 77)
    merchant.refund(1_000)
    [row] = merchant.rows()
    assert (row.asked_minor, row.net_minor) == (1_000, 77)


async def test_over_http_the_empty_answer_still_names_its_refund() -> None:
    account = KlarnaSettings(name="klarna")
    async with (
        running_sandbox(SandboxConfig(accounts=(account,))) as box,
        aiohttp.ClientSession() as http,
    ):
        box.add_payment("klarna", ORDER_ID, 5_000, "SEK")
        base = box.base_url("klarna")
        login = {"Authorization": f"Basic {PAIR}"}
        for _ in range(6):
            async with http.post(
                f"{base}{ORDERS}/{ORDER_ID}/refunds",
                json={"refunded_amount": 100},
                headers=login,
            ) as answer:
                assert answer.status == 201
                location = answer.headers["Location"]
                assert location.endswith(answer.headers["Refund-Id"])
                assert location.startswith((base, ORDERS))
        assert [row.net_minor for row in box.ledger.rows("klarna")] == [100] * 6


# --- what happens elsewhere -------------------------------------------------------


def test_a_refund_of_the_portal_has_no_reference_of_ours() -> None:
    merchant = Merchant()
    merchant.model.external_refund(ORDER_ID, 300, merchant.now, "by phone")
    [refund] = merchant.order()["refunds"]
    assert "reference" not in refund
    assert refund["description"] == "by phone"
    assert merchant.rows()[0].source == "dashboard"


def test_a_booking_never_comes_back() -> None:
    merchant = Merchant()
    refund_id = merchant.refund().header("refund-id")
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce(refund_id, merchant.now)


def test_a_merchant_that_is_not_on_the_network_hears_nothing() -> None:
    merchant = Merchant()
    merchant.refund()
    merchant.model.dispute(ORDER_ID, merchant.now, chargeback=True)
    assert merchant.wait(3_600) == []


def test_the_network_signs_what_it_tells_and_no_forgery() -> None:
    merchant = Merchant(settings=NETWORK, webhook_forged=1.0, webhook_unknown=1.0)
    merchant.refund()
    merchant.model.dispute(ORDER_ID, merchant.now, chargeback=False)
    posts = merchant.wait(3_600)
    for post in posts:
        told = dict(post.headers)
        good = told["Klarna-Signature"] == signature("kl_signing_sandbox", post.body)
        assert good is not post.forged
    assert {post.event for post in posts} == {
        "payment.request.state-change.completed",
        "payment.dispute.state-change.initiated",
        "payment.review.state-change.opened",
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_the_vectors_come_out_of_our_signing(vector: dict[str, Any]) -> None:
    made = signature(vector["secret"], vector["body_text"].encode())
    assert made == vector["header_value"]


# --- settlements ------------------------------------------------------------------


def test_settlements_join_sales_and_returns_to_payouts() -> None:
    merchant = Merchant()
    merchant.add("euro", currency="EUR")
    merchant.refund(1_000)
    merchant.now += 60
    page = merchant.get("/settlements/v1/payouts?size=1")
    fits(page, "/settlements/v1/payouts")
    assert page["pagination"] == {"count": 1, "total": 2, "offset": 0}
    [payout] = merchant.get("/settlements/v1/payouts?currency_code=SEK")["payouts"]
    assert payout["totals"]["settlement_amount"] == 4_000
    name = payout["payment_reference"]
    assert merchant.get(f"/settlements/v1/payouts/{name}") == payout
    rows = merchant.get(f"/settlements/v1/transactions?payment_reference={name}")
    fits(rows, "/settlements/v1/transactions")
    assert [row["type"] for row in rows["transactions"]] == ["SALE", "RETURN"]
    mine = merchant.get(f"/settlements/v1/transactions?order_id={ORDER_ID}")
    assert mine == rows
    assert (
        merchant.get("/settlements/v1/transactions?order_id=x&offset=0")["transactions"]
        == []
    )


def test_payouts_are_chosen_by_date_times() -> None:
    merchant = Merchant()
    merchant.now += 60
    day = merchant.get("/settlements/v1/payouts")["payouts"][0]["payout_date"][:10]
    base = "/settlements/v1/payouts?start_date="

    def count(query: str) -> int:
        found: int = merchant.get(base + query)["pagination"]["total"]
        return found

    assert count(f"{day}T00:00:00Z&end_date={day}T23:59:59Z") == 1
    # A bare date means midnight, so the day itself is not in it.
    assert count(f"{day}&end_date={day}") == 0


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/settlements/v1/payouts?size=501", 400),
        ("/settlements/v1/payouts?size=x", 400),
        ("/settlements/v1/payouts?start_date=soon", 400),
        ("/settlements/v1/payouts/none", 404),
        ("/settlements/v1/reports/payout-with-transactions", 400),
        ("/settlements/v1/reports/payout-with-transactions?payment_reference=x", 404),
        ("/settlements/v1/else", 404),
    ],
)
def test_a_question_about_settlements_that_is_wrong_is_refused(
    target: str, status: int
) -> None:
    assert Merchant().send("GET", target).status == status


def test_without_permission_settlements_are_hidden_and_orders_are_not() -> None:
    merchant = Merchant(settings={"settlement_permission": 0})
    reply = merchant.send("GET", "/settlements/v1/payouts?size=1")
    assert code(reply) == (403, "ACCESS_NOT_ALLOWED")
    assert merchant.order()["order_id"] == ORDER_ID


def test_a_snapshot_goes_on_with_the_same_keys() -> None:
    merchant = Merchant(wrong_amount=1.0)
    first = merchant.refund(key="k")
    state = json.loads(json.dumps(merchant.world.dump()))
    again = World(merchant.world.config, signer())
    again.load(state)
    assert snapshot.encode(again.dump()) == snapshot.encode(state)
    merchant.world = again
    assert merchant.refund(key="k").header("refund-id") == first.header("refund-id")
