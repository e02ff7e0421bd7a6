from __future__ import annotations

import json
from typing import Any

import pytest
from graphql import execute_sync, parse

from refundwatch.gateways.braintree import documents
from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.braintree import notices
from refundwatch.sandbox.braintree.objects import global_id, legacy_of
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.model import Fate, Request
from refundwatch.sandbox.money import AmountRefusedError
from refundwatch.sandbox.settings import DAY_SECONDS, BraintreeSettings
from refundwatch.sandbox.world import World
from tests.sandbox.braintree import PAIR, SALE, Merchant, code_of
from tests.sandbox.hands import signer
from tests.unit.gateways.braintree_talk import REFUND_ID, SALE_ID, SIGNED, schema

EVENTS = {
    "SUBMITTED_FOR_SETTLEMENT": "SubmittedForSettlementEvent",
    "SETTLING": "SettlingEvent",
    "SETTLED": "SettledEvent",
    "SETTLEMENT_DECLINED": "SettlementDeclinedEvent",
    "PROCESSOR_DECLINED": "ProcessorDeclinedEvent",
    "VOIDED": "VoidedEvent",
}
UNSETTLED: dict[str, Any] = {
    "sale_settles_seconds": 1_000.0,
    "hidden_seconds": 50.0,
    "settling_seconds": 100.0,
}


def made(answered: Any) -> Any:
    assert "errors" not in answered, answered["errors"]
    [payload] = answered["data"].values()
    return payload.get("refund") or payload.get("reversal")


# --- the schema -------------------------------------------------------------------


def fits(document: str, answered: Any, **variables: Any) -> None:
    """Fail where an answer is none that the official schema could give."""

    def kind_of(value: Any, *_: Any) -> str:
        return str(value.get("__typename") or EVENTS[value["status"]])

    found = execute_sync(
        schema(),
        parse(document),
        root_value=answered["data"],
        variable_values=variables,
        type_resolver=kind_of,
    )
    assert not found.errors, found.errors
    assert found.data == answered["data"]


def test_answers_are_what_the_schema_describes() -> None:
    told = {"transactionId": SALE_ID}
    voided = Merchant(settings=UNSETTLED).reverse()
    fits(documents.REVERSE, voided, input=told)
    fits(documents.REVERSE, Merchant().reverse(), input=told)
    merchant = Merchant()
    fits(documents.REFUND, merchant.refund(), input=told)
    merchant.wait(60)
    fits(documents.REFUND, merchant.refund(), input=told)
    fits(documents.SALE, merchant.ask(documents.SALE, {"id": SALE_ID}), id=SALE_ID)


def test_the_recorded_ids_are_the_ids_made_here() -> None:
    assert global_id("transaction", "rwsale0001") == SALE_ID
    assert global_id("refund", "rwrefund01") == REFUND_ID
    assert legacy_of("refund", REFUND_ID) == "rwrefund01"
    for wrong in (SALE_ID, "rwrefund01", "", "é", None, 5):
        assert legacy_of("refund", wrong) is None


# --- documents --------------------------------------------------------------------


def test_only_what_is_asked_for_is_shown_under_its_own_name() -> None:
    merchant = Merchant()
    refund_id = made(merchant.refund())["id"]
    query = """
      # a comment
      query Two($id: ID!, $n: Int = 3) {
        p: ping
        one: node(id: $id) { ...on Payment { s: status } ... { id } ...f }
        two: node(id: "SALE_ID") { __typename ... on Refund { legacyId } }
      }
      fragment f on Refund { status }
    """.replace("SALE_ID", SALE_ID)
    data = merchant.ask(query, {"id": refund_id})["data"]
    assert data["p"] == "pong"
    status = "SUBMITTED_FOR_SETTLEMENT"
    assert data["one"] == {"s": status, "id": refund_id, "status": status}
    assert data["two"] == {"__typename": "Transaction"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "{ ping",
        "}",
        "{ ping } }",
        "query { ping } query { ping }",
        "{ nothing }",
        "{ ...missing }",
        "fragment a on Query { ...a } { ...a }",
        "mutation { refundTransaction { refund { id } } }",
        "mutation { refundTransaction(input: 5) { refund { id } } }",
        "{ ping(a: }",
        "{ a: }",
        "{ ping % }",
        "{" + "a{" * 40,
    ],
)
def test_what_is_no_question_is_an_error_without_a_class(query: str) -> None:
    answered = Merchant().ask(query)
    assert answered["data"] is None
    assert "extensions" not in answered["errors"][0]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"query": 5}', b"\xff"])
def test_what_is_no_call_is_an_error(body: bytes) -> None:
    reply = Merchant().send(body)
    assert reply.status == 200
    assert json.loads(reply.body)["errors"]


def test_an_undefined_field_is_an_error() -> None:
    wanted = {"id": global_id("transaction", SALE)}
    query = "query S($id: ID!) { node(id: $id) { ... on Transaction { x } } }"
    assert "undefined" in Merchant().ask(query, wanted)["errors"][0]["message"]


def test_wrong_keys_and_a_missing_version_are_refused_with_200() -> None:
    merchant = Merchant()
    assert code_of(merchant.ask("{ ping }", authorization="")) == "AUTHENTICATION"
    wrong = "Basic c2FuZGJveF9wdWJsaWM6eA=="
    assert code_of(merchant.ask("{ ping }", authorization=wrong)) == "AUTHENTICATION"
    old = merchant.ask("{ ping }", braintree_version="")
    assert code_of(old) == "UNSUPPORTED_CLIENT"
    elsewhere = Request(method="GET", path="/graphql")
    assert merchant.model.handle(elsewhere, merchant.now).status == 404


# --- refunds ----------------------------------------------------------------------


def test_a_refund_waits_for_settlement_and_a_card_says_nothing_of_it() -> None:
    merchant = Merchant()
    refund = made(merchant.refund())
    assert refund["status"] == "SUBMITTED_FOR_SETTLEMENT"
    assert refund["orderId"] == "rw-1"
    [row] = merchant.rows()
    assert (row.net_minor, row.merchant_reference) == (0, "rw-1")
    assert merchant.wait(60) == []
    assert [row.net_minor for row in merchant.rows()] == [1_000]
    [seen] = merchant.sale()["refunds"]
    history = [event["status"] for event in seen["statusHistory"]]
    assert history == ["SETTLED", "SETTLING", "SUBMITTED_FOR_SETTLEMENT"]


def test_without_amount_and_reference_the_sales_own_are_taken() -> None:
    merchant = Merchant()
    told = {"transactionId": global_id("transaction", SALE)}
    refund = made(merchant.ask(documents.REFUND, {"input": told}))
    assert (refund["amount"]["value"], refund["orderId"]) == ("50.00", "shop-1")


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("12.5", "81503"),
        ("1e3", "81503"),
        (12.5, "81503"),
        (True, "81503"),
        ("10.001", "81503"),
        ("0.00", "81531"),
        ("-1.00", "81501"),
        ("50.01", "91521"),
    ],
)
def test_an_amount_that_is_none_is_refused(amount: Any, code: str) -> None:
    merchant = Merchant()
    assert code_of(merchant.refund(amount)) == code
    assert merchant.rows() == []


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("10", "USD", 1_000),
        ("10.000", "USD", 1_000),
        ("1.234", "KWD", 1_234),
        ("12", "JPY", 12),
        ("12.00", "JPY", 12),
    ],
)
def test_an_amount_is_whole_or_has_two_or_three_decimals(
    amount: str, currency: str, minor: int
) -> None:
    merchant = Merchant()
    merchant.add("other", currency=currency)
    merchant.refund(amount, sale="other")
    assert [row.amount_minor for row in merchant.rows()] == [minor]


def test_a_currency_of_four_decimals_has_no_form() -> None:
    with pytest.raises(AmountRefusedError):
        Merchant().add("other", 12_345, currency="CLF")


def test_what_is_given_back_already_is_refused() -> None:
    merchant = Merchant()
    merchant.refund("50.00")
    assert code_of(merchant.refund("1.00", key="b")) == "91512"
    assert code_of(merchant.refund("1.00", key="c", sale="nowhere")) == "NOT_FOUND"
    assert code_of(merchant.refund("1.00", key="x" * 256)) == "915230"


# --- voids ------------------------------------------------------------------------


def test_an_unsettled_sale_is_voided_whole_and_once() -> None:
    merchant = Merchant(settings=UNSETTLED)
    assert code_of(merchant.refund("10.00", key="r")) == "91506"
    sale = made(merchant.reverse())
    assert (sale["__typename"], sale["status"]) == ("Transaction", "VOIDED")
    assert made(merchant.reverse())["status"] == "VOIDED"
    assert code_of(merchant.reverse(key="b")) == "91504"
    [row] = merchant.rows()
    assert (row.net_minor, row.merchant_reference) == (5_000, "rw-1")
    assert (merchant.sale()["status"], merchant.sale()["refunds"]) == ("VOIDED", [])
    merchant.wait(2_000)
    assert merchant.sale()["status"] == "VOIDED"
    assert code_of(merchant.refund("1.00", key="s")) == "91506"


def test_a_sale_shows_a_voidable_status_when_settling_has_begun() -> None:
    merchant = Merchant(settings=UNSETTLED)
    merchant.wait(960)
    assert merchant.sale()["status"] == "SUBMITTED_FOR_SETTLEMENT"
    assert code_of(merchant.reverse()) == "915282"
    assert code_of(merchant.refund(key="r")) == "91506"
    merchant.wait(60)
    assert merchant.sale()["status"] == "SETTLING"
    assert code_of(merchant.refund(key="s")) == "91574"
    assert code_of(merchant.reverse(key="t")) == "915282"
    merchant.wait(100)
    assert merchant.sale()["status"] == "SETTLED"
    # The key is spent: what failed under it stays failed.
    assert code_of(merchant.reverse()) == "915234"
    assert made(merchant.reverse(key="b"))["amount"]["value"] == "50.00"


def test_a_reversal_of_a_settled_sale_is_a_refund_that_inherits_its_order_id() -> None:
    merchant = Merchant()
    refund = made(merchant.reverse())
    assert (refund["__typename"], refund["orderId"]) == ("Refund", "shop-1")
    assert merchant.rows()[0].merchant_reference == "rw-1"


def test_a_sale_that_was_only_authorized_is_voided() -> None:
    merchant = Merchant()
    merchant.add("held", captured=False)
    assert merchant.sale("held")["status"] == "AUTHORIZED"
    assert code_of(merchant.refund(sale="held")) == "91506"


def test_a_sale_can_be_settled_by_hand() -> None:
    merchant = Merchant(settings=UNSETTLED)
    query = """mutation S($input: SandboxSettleTransactionInput!) {
      sandboxSettleTransaction(input: $input) { transaction { status } } }"""
    told = {"transactionId": global_id("transaction", SALE)}
    data = merchant.ask(query, {"input": told})["data"]
    assert data["sandboxSettleTransaction"]["transaction"]["status"] == "SETTLED"
    assert made(merchant.refund())["status"] == "SUBMITTED_FOR_SETTLEMENT"


def test_a_refund_is_taken_back_until_it_settles() -> None:
    merchant = Merchant()
    refund_id = made(merchant.refund())["id"]
    told = {"refundId": refund_id, "apiRequestKey": "c"}
    assert made(merchant.ask(documents.CANCEL, {"input": told}))["status"] == "VOIDED"
    again = merchant.ask(documents.CANCEL, {"input": told})
    assert made(again)["status"] == "VOIDED"
    other = {"refundId": refund_id, "apiRequestKey": "d"}
    assert code_of(merchant.ask(documents.CANCEL, {"input": other})) == "91504"
    merchant.wait(60)
    assert [row.net_minor for row in merchant.rows()] == [0]
    assert made(merchant.refund("50.00", key="e"))["amount"]["value"] == "50.00"


# --- keys, rule by rule -----------------------------------------------------------


def test_the_same_key_shows_the_same_refund_as_it_now_is() -> None:
    merchant = Merchant()
    first = made(merchant.refund())
    merchant.wait(60)
    again = made(merchant.refund())
    assert (first["id"], "SETTLED") == (again["id"], again["status"])
    assert len(merchant.rows()) == 1


def test_the_same_key_with_another_input_is_refused() -> None:
    merchant = Merchant()
    merchant.refund("10.00")
    assert code_of(merchant.refund("11.00")) == "915232"
    assert code_of(merchant.reverse()) == "915232"
    assert len(merchant.rows()) == 1


def test_the_same_key_while_the_first_runs_is_in_flight() -> None:
    merchant = Merchant(latency_seconds=2.0, latency_spread=0.0)
    merchant.refund()
    assert code_of(merchant.refund()) == "915233"
    merchant.wait(2.0)
    assert made(merchant.refund())
    assert len(merchant.rows()) == 1


def test_a_key_of_a_request_that_failed_is_spent() -> None:
    merchant = Merchant(refusal=1.0)
    assert code_of(merchant.refund()) in {"915200", "915201", "91547"}
    merchant.world.set_faults("none", {})
    assert code_of(merchant.refund()) == "915234"
    assert merchant.rows() == []


def test_a_key_of_a_request_that_never_began_is_not() -> None:
    merchant = Merchant()
    assert code_of(merchant.refund(sale="nowhere")) == "NOT_FOUND"
    merchant.add("nowhere")
    assert made(merchant.refund(sale="nowhere"))


def test_a_key_lapses_after_thirty_days() -> None:
    merchant = Merchant()
    merchant.refund()
    merchant.wait(30 * DAY_SECONDS)
    merchant.refund()
    assert len(merchant.rows()) == 2


def test_an_account_without_keys_refuses_them() -> None:
    merchant = Merchant(settings={"request_keys": 0})
    assert code_of(merchant.refund()) == "915231"
    assert made(merchant.refund(key=""))
    assert made(merchant.refund(key=""))
    assert len(merchant.rows()) == 2


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
@pytest.mark.parametrize("unsettled", [False, True], ids=["refund", "void"])
def test_the_ledger_holds_what_truly_happened(
    fault: str, fate: Fate, executed: int, *, unsettled: bool
) -> None:
    merchant = Merchant(settings=UNSETTLED if unsettled else None)
    merchant.world.set_faults(None, {fault: 1.0})
    document = documents.REVERSE if unsettled else documents.REFUND
    told: dict[str, Any] = {
        "transactionId": global_id("transaction", SALE),
        "apiRequestKey": "k",
    }
    if not unsettled:
        told["refund"] = {"amount": "50.00", "orderId": "rw-1"}
    body = {"query": document, "variables": {"input": told}}
    reply = merchant.send(json.dumps(body).encode())
    assert reply.fate is fate
    assert merchant.world.counters()["braintree"][fault] == 1
    merchant.wait(600)
    assert [row.net_minor for row in merchant.rows()] == [5_000] * executed


def test_a_resend_heals_what_was_executed_and_not_told() -> None:
    for fault in ("error_after", "executed_late", "held_in_flight", "dropped_after"):
        merchant = Merchant()
        merchant.world.set_faults(None, {fault: 1.0})
        told = {
            "transactionId": global_id("transaction", SALE),
            "apiRequestKey": "k",
            "refund": {"amount": "10.00", "orderId": "rw-1"},
        }
        body = json.dumps({"query": documents.REFUND, "variables": {"input": told}})
        merchant.send(body.encode())
        merchant.world.set_faults("none", {})
        merchant.wait(100)
        assert json.loads(merchant.send(body.encode()).body)["data"]
        merchant.wait(600)
        assert len(merchant.rows()) == 1, fault


def test_a_held_key_is_in_flight_until_it_ran() -> None:
    merchant = Merchant(held_in_flight=1.0)
    told = {
        "transactionId": global_id("transaction", SALE),
        "apiRequestKey": "k",
        "clientMutationId": "rw-1",
        "refund": {"amount": "10.00", "orderId": "rw-1"},
    }
    body = json.dumps({"query": documents.REFUND, "variables": {"input": told}})
    merchant.send(body.encode())
    merchant.world.set_faults("none", {})
    assert code_of(merchant.refund()) == "915233"


@pytest.mark.parametrize("fault", ["wrong_amount", "unknown_status", "sparse_answer"])
def test_a_falsified_answer_leaves_the_books_right(fault: str) -> None:
    merchant = Merchant()
    merchant.world.set_faults(None, {fault: 1.0})
    refund = made(merchant.refund())
    match fault:
        case "wrong_amount":
            assert refund["amount"]["value"] == "10.01"
        case "unknown_status":
            assert refund["status"] == "SETTLEMENT_QUEUED"
        case _:
            assert "orderId" not in refund
    merchant.world.set_faults("none", {})
    [seen] = merchant.sale()["refunds"]
    assert (seen["amount"]["value"], seen["orderId"]) == ("10.00", "rw-1")


def test_reads_lag_behind() -> None:
    merchant = Merchant(lookup_lags=1.0)
    refund_id = made(merchant.refund())["id"]
    assert merchant.sale()["refunds"] == []
    node = "query N($id: ID!) { node(id: $id) { id } }"
    assert code_of(merchant.ask(node, {"id": refund_id})) == "NOT_FOUND"
    merchant.wait(60)
    assert merchant.ask(node, {"id": refund_id})["data"]["node"]
    assert len(merchant.sale()["refunds"]) == 1


def test_a_decline_comes_at_once_or_later_and_moves_nothing() -> None:
    statuses = set()
    for seed in range(8):
        merchant = Merchant(seed=seed, fails_late=1.0)
        status = made(merchant.refund())["status"]
        posts = merchant.wait(600)
        assert [row.executed_at for row in merchant.rows()] == [None]
        later = [] if status == "PROCESSOR_DECLINED" else ["refund_failed"]
        assert [post.event for post in posts] == later
        statuses.add(status)
    assert statuses == {"PROCESSOR_DECLINED", "SUBMITTED_FOR_SETTLEMENT"}


def test_a_planted_amount_is_truly_executed() -> None:
    merchant = Merchant()
    merchant.world.plant("braintree", SALE, 1_100)
    assert made(merchant.refund())["amount"]["value"] == "11.00"


# --- webhooks ---------------------------------------------------------------------


def test_a_banks_refund_tells_of_its_end_and_may_come_back() -> None:
    merchant = Merchant(bounces=1.0)
    merchant.add("bank", method="sepa_direct_debit")
    merchant.refund(sale="bank")
    events = [post.event for post in merchant.wait(600)]
    assert sorted(events) == [
        "refund_failed",
        "transaction_settled",
        "transaction_settlement_declined",
    ]
    [row] = merchant.rows()
    assert row.executed_at
    assert row.bounced_at


def test_a_bounce_by_hand_needs_a_settled_refund() -> None:
    merchant = Merchant()
    legacy_id = made(merchant.refund())["legacyId"]
    with pytest.raises(UnknownSubjectError):
        merchant.model.bounce(legacy_id, merchant.now)
    merchant.wait(60)
    merchant.model.bounce(legacy_id, merchant.now)
    [post] = merchant.wait(60)
    assert "<status>settlement_declined</status>" in notices.document_of(post.body)


@pytest.mark.parametrize("vector", SIGNED["vectors"], ids=lambda v: v["name"])
def test_the_vectors_come_out_of_our_signing(vector: dict[str, str]) -> None:
    pair = f"{SIGNED['public_key']}:{SIGNED['private_key']}"
    assert notices.document_of(vector["form_body"].encode()) == vector["xml"]
    if vector["name"] == "braintree-1":
        body = notices.form_body(vector["xml"], (pair,))
        assert body.decode() == vector["form_body"]


def test_every_pair_of_a_rotation_signs() -> None:
    pairs = ("old_public:old_private", "new_public:new_private")
    merchant = Merchant(settings={"key_pairs": pairs})
    merchant.model.dispute(SALE, merchant.now, chargeback=True)
    [post] = merchant.wait(60)
    assert post.body.count(b"_public%7C") == 2


def test_a_lost_webhook_comes_very_late() -> None:
    merchant = Merchant(webhook_silent=1.0)
    merchant.model.dispute(SALE, merchant.now, chargeback=False)
    assert merchant.wait(30) == []
    assert len(merchant.wait(1_000)) == 1


def test_a_webhook_is_repeated_every_hour_for_three_hours() -> None:
    merchant = Merchant()
    merchant.model.dispute(SALE, merchant.now, chargeback=False)
    attempts = []
    for _ in range(6):
        merchant.now += 3_601
        for post in merchant.model.due(merchant.now):
            attempts.append(post.attempt)
            merchant.model.webhook_answered(post.post_id, 500, merchant.now)
    assert attempts == [1, 2, 3, 4]


# --- what others do ---------------------------------------------------------------


def test_the_control_panel_refunds_settled_sales_and_voids_others_whole() -> None:
    merchant = Merchant()
    merchant.model.external_refund(SALE, 700, merchant.now)
    assert merchant.sale()["refunds"][0]["orderId"] == "shop-1"
    assert merchant.rows()[0].merchant_reference == ""
    merchant = Merchant(settings=UNSETTLED)
    with pytest.raises(UnknownSubjectError):
        merchant.model.external_refund(SALE, 700, merchant.now)
    merchant.model.external_refund(SALE, 5_000, merchant.now)
    assert merchant.sale()["status"] == "VOIDED"


def test_search_finds_by_order_id_page_by_page() -> None:
    merchant = Merchant()
    for number in range(3):
        merchant.refund("1.00", key=f"k{number}", reference="rw-same")
    merchant.refund("1.00", key="other", reference="rw-other")
    query = """query S($after: String) { search { refunds(
      input: {orderId: {is: "rw-same"}}, first: 2, after: $after
    ) { edges { node { legacyId } } pageInfo { hasNextPage endCursor } } } }"""
    first = merchant.ask(query)["data"]["search"]["refunds"]
    assert (len(first["edges"]), first["pageInfo"]["hasNextPage"]) == (2, True)
    after = {"after": first["pageInfo"]["endCursor"]}
    second = merchant.ask(query, after)["data"]["search"]["refunds"]
    assert (len(second["edges"]), second["pageInfo"]["hasNextPage"]) == (1, False)


def test_a_snapshot_goes_on_with_the_same_keys() -> None:
    merchant = Merchant(settings=UNSETTLED)
    merchant.add("old")
    merchant.model.settle_sale(merchant.model.payment("old"), merchant.now)
    merchant.refund(sale="old")
    merchant.reverse(key="v")
    state = json.loads(json.dumps(merchant.world.dump()))
    account = BraintreeSettings(name="braintree", key_pairs=(PAIR,), **UNSETTLED)
    merchant.world = World(SandboxConfig(accounts=(account,)), signer())
    merchant.world.load(state)
    assert made(merchant.refund(sale="old"))["legacyId"]
    assert made(merchant.reverse(key="v"))["status"] == "VOIDED"
    assert len(merchant.rows()) == 2


@pytest.mark.parametrize("profile", ["rough", "hostile"])
def test_the_same_seed_and_requests_give_the_same_replies(profile: str) -> None:
    def story() -> list[object]:
        merchant = Merchant(profile, seed=11, settings=UNSETTLED)
        merchant.add("bank", 50_000, method="us_bank_account")
        merchant.model.settle_sale(merchant.model.payment("bank"), merchant.now)
        told: list[object] = []
        for step in range(40):
            order = {
                "transactionId": global_id("transaction", "bank"),
                "apiRequestKey": f"k{step}",
                "refund": {"amount": "1.00", "orderId": f"rw-{step}"},
            }
            body = {"query": documents.REFUND, "variables": {"input": order}}
            told.append(merchant.send(json.dumps(body).encode()))
            told += [(post.event, post.body) for post in merchant.wait(7)]
        return [*told, merchant.world.counters()]

    assert story() == story()
