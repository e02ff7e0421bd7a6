from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from refundwatch.sandbox.account import UnknownSubjectError
from refundwatch.sandbox.settings import DAY_SECONDS
from refundwatch.sandbox.world import World
from tests.contract.schemas import conforms, document
from tests.sandbox.hands import events_of, signer
from tests.sandbox.square import (
    PAYMENT,
    SquareHands,
    code_of,
    refund_of,
    square_config,
)


def test_a_refund_waits_for_its_money_and_completes_by_itself() -> None:
    hands = SquareHands()
    refund = refund_of(hands.order(1_050))
    assert (refund["status"], refund["reason"]) == ("PENDING", "rw-000001")
    assert refund["amount_money"] == {"amount": 1_050, "currency": "EUR"}
    assert refund["id"].startswith(f"{PAYMENT}_")
    assert [row.net_minor for row in hands.rows("square")] == [0]
    hands.wait(10)
    [row] = hands.rows("square")
    assert (row.net_minor, row.merchant_reference, row.idempotency_key) == (
        1_050,
        "rw-000001",
        "k1",
    )
    assert hands.read(f"/v2/refunds/{refund['id']}")["refund"]["status"] == "COMPLETED"


def test_the_version_is_echoed_and_its_form_is_checked() -> None:
    hands = SquareHands()
    named = hands.call("GET", "/v2/refunds", Square_Version="2026-09-16")
    assert named.header("square-version") == "2026-09-16"
    bad = hands.call("GET", "/v2/refunds", Square_Version="v2")
    assert code_of(bad) == "INVALID_SQUARE_VERSION_FORMAT"
    assert hands.call("GET", "/v2/refunds", Authorization="Bearer x").status == 401
    assert hands.call("GET", "/v2/nothing").status == 404


# Idempotency, rule by rule.


def test_a_replay_is_the_first_answer_although_the_refund_moved_on() -> None:
    hands = SquareHands()
    first = hands.order()
    hands.wait(60)
    again = hands.order()
    assert again.body == first.body
    assert refund_of(again)["status"] == "PENDING"
    assert hands.read(f"/v2/refunds/{refund_of(again)['id']}")["refund"]["status"] == (
        "COMPLETED"
    )
    assert len(hands.rows("square")) == 1


def test_the_same_request_written_otherwise_is_the_same() -> None:
    hands = SquareHands()
    first = hands.order()
    body = {
        "reason": "rw-000001",
        "amount_money": {"currency": "EUR", "amount": 1_000},
        "payment_id": PAYMENT,
        "idempotency_key": "k1",
    }
    spaced = json.dumps(body, indent=2).encode()
    assert hands.call("POST", "/v2/refunds", spaced).body == first.body


@pytest.mark.parametrize(
    "changes",
    [{"amount": 2_000}, {"reason": "rw-000002"}, {"payment_id": "PAY2"}],
)
def test_a_key_with_another_request_is_refused(changes: dict[str, Any]) -> None:
    hands = SquareHands()
    hands.order()
    assert code_of(hands.order(**changes)) == "IDEMPOTENCY_KEY_REUSED"
    assert len(hands.rows("square")) == 1


def test_a_key_in_use_is_a_conflict() -> None:
    hands = SquareHands(held_in_flight=1.0)
    hands.order()
    hands.world.set_faults("none", {})
    assert code_of(hands.order()) == "CONFLICT"
    hands.wait(100)
    assert refund_of(hands.order())["status"] == "PENDING"
    assert len(hands.rows("square")) == 1


def test_no_failure_is_kept_under_a_key() -> None:
    hands = SquareHands()
    assert code_of(hands.order(5_001)) == "REFUND_AMOUNT_INVALID"
    assert refund_of(hands.order(1_000))["status"] == "PENDING"


def test_an_error_after_execution_leaves_the_success_under_the_key() -> None:
    hands = SquareHands(error_after=1.0)
    assert hands.order().status >= 500
    hands.world.set_faults("none", {})
    refund_of(hands.order())
    assert len(hands.rows("square")) == 1


def test_a_key_is_forgotten_when_its_life_is_over() -> None:
    hands = SquareHands()
    refund_of(hands.order())
    hands.wait(DAY_SECONDS)
    refund_of(hands.order())
    assert len(hands.rows("square")) == 2


# What is refused.


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"key": ""}, "MISSING_REQUIRED_PARAMETER", "idempotency_key"),
        ({"key": "k" * 46}, "VALUE_TOO_LONG", "idempotency_key"),
        ({"key": "é" * 23}, "VALUE_TOO_LONG", "idempotency_key"),
        ({"payment_id": None}, "MISSING_REQUIRED_PARAMETER", "payment_id"),
        ({"amount": None}, "MISSING_REQUIRED_PARAMETER", "amount_money.amount"),
        ({"amount": "10"}, "EXPECTED_INTEGER", "amount_money.amount"),
        ({"amount": 10.0}, "EXPECTED_INTEGER", "amount_money.amount"),
        ({"amount": 0}, "VALUE_TOO_LOW", "amount_money.amount"),
        ({"amount": 2**63}, "VALUE_TOO_HIGH", "amount_money.amount"),
        ({"reason": "r" * 193}, "VALUE_TOO_LONG", "reason"),
        ({"location_id": "L"}, "CONFLICTING_PARAMETERS", "location_id"),
        ({"metadata": {}}, "UNKNOWN_BODY_PARAMETER", "metadata"),
    ],
)
def test_what_breaks_the_schema_is_refused(
    changes: dict[str, Any], code: str, field: str
) -> None:
    reply = SquareHands().order(**changes)
    assert (reply.status, code_of(reply)) == (400, code)
    assert json.loads(reply.body)["errors"][0]["field"] == field


def test_what_is_no_json_object_is_refused() -> None:
    assert code_of(SquareHands().call("POST", "/v2/refunds", b"a=1")) == (
        "EXPECTED_JSON_BODY"
    )


def test_a_key_of_45_characters_is_taken() -> None:
    assert refund_of(SquareHands().order(key="k" * 45))["status"] == "PENDING"


def test_a_payment_nobody_knows_is_not_found() -> None:
    reply = SquareHands().order(payment_id="PAY2")
    assert (reply.status, code_of(reply)) == (404, "NOT_FOUND")


def test_another_currency_is_refused() -> None:
    money = {"amount": 5, "currency": "USD"}
    reply = SquareHands().order(amount_money=money)
    assert code_of(reply) == "CURRENCY_MISMATCH"


def test_only_a_completed_payment_is_refunded() -> None:
    hands = SquareHands()
    hands.add("square", "PAYAUTH", captured=False)
    reply = hands.order(payment_id="PAYAUTH")
    assert code_of(reply) == "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION"
    read = hands.read("/v2/payments/PAYAUTH")["payment"]
    assert read["status"] == "APPROVED"


def test_a_year_after_the_payment_nothing_is_refunded() -> None:
    hands = SquareHands()
    hands.now += 365 * DAY_SECONDS + 1
    assert code_of(hands.order()) == "PAYMENT_NOT_REFUNDABLE"


def test_a_payment_takes_twenty_refunds() -> None:
    hands = SquareHands()
    for number in range(20):
        refund_of(hands.order(1, key=f"k{number}"))
        hands.wait(10)
    assert code_of(hands.order(1, key="k20")) == "PAYMENT_NOT_REFUNDABLE"
    assert len(hands.payment()["refund_ids"]) == 20


def test_while_one_refund_is_pending_another_waits() -> None:
    hands = SquareHands(pending_first=1.0)
    refund_of(hands.order(key="k1"))
    assert code_of(hands.order(key="k2", reason="rw-000002")) == (
        "REFUND_ALREADY_PENDING"
    )
    hands.wait(200)
    assert refund_of(hands.order(key="k2", reason="rw-000002"))["status"] == "PENDING"


def first_that(hands: SquareHands, status: str) -> None:
    """Draw until a refund ended as wanted, each on a payment of its own."""
    for number in range(40):
        payment = f"PAYX{number}"
        hands.add("square", payment)
        refund = refund_of(hands.order(key=f"x{number}", payment_id=payment))
        hands.wait(200)
        read = hands.read(f"/v2/refunds/{refund['id']}")["refund"]
        if read["status"] == status:
            hands.world.set_faults("none", {})
            return
    pytest.fail(f"no refund ended {status}")


@pytest.mark.parametrize(("status", "blocked"), [("FAILED", True), ("REJECTED", False)])
def test_a_failed_refund_blocks_its_payment_and_a_rejected_one_does_not(
    status: str, *, blocked: bool
) -> None:
    hands = SquareHands(fails_late=1.0)
    first_that(hands, status)
    payment = list(hands.world.model("square").books.payments)[-1]
    reply = hands.order(key="again", payment_id=payment)
    assert (reply.status != 200) is blocked
    if blocked:
        assert code_of(reply) == "PAYMENT_NOT_REFUNDABLE"
    assert not [row for row in hands.rows("square") if row.executed]


def test_a_refusal_is_an_error_or_a_refund_that_failed_at_once() -> None:
    hands = SquareHands(refusal=1.0)
    seen = set()
    for number in range(40):
        payment = f"PAYX{number}"
        hands.add("square", payment)
        reply = hands.order(key=f"x{number}", payment_id=payment)
        found = json.loads(reply.body)
        assert found["errors"]
        if reply.status == 200:
            assert found["refund"]["status"] == "FAILED"
        seen.add(reply.status)
    assert seen == {200, 400}
    assert not [row for row in hands.rows("square") if row.executed_at]


def test_a_disputed_payment_is_refused_and_tells_of_it() -> None:
    hands = SquareHands()
    hands.world.model("square").dispute(PAYMENT, hands.now, chargeback=True)
    assert code_of(hands.order()) == "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE"
    told = {post.event: json.loads(post.body) for post in hands.wait(10)}
    assert set(told) == {"dispute.created", "dispute.state.updated"}
    lost = told["dispute.state.updated"]["data"]["object"]["dispute"]
    assert (lost["state"], lost["disputed_payment"]) == (
        "LOST",
        {"payment_id": PAYMENT},
    )


# What is read.


def test_before_the_first_refund_a_payment_has_no_fields_of_refunds() -> None:
    hands = SquareHands()
    assert not {"refund_ids", "refunded_money"} & set(hands.payment())
    refund = refund_of(hands.order())
    assert hands.payment()["refund_ids"] == [refund["id"]]
    assert hands.payment()["refunded_money"]["amount"] == 0
    hands.wait(10)
    assert hands.payment()["refunded_money"]["amount"] == 1_000


def test_what_was_returned_before_is_named_and_read() -> None:
    hands = SquareHands()
    hands.add("square", "PAYOLD", already_refunded_minor=1_200)
    payment = hands.read("/v2/payments/PAYOLD")["payment"]
    assert payment["refunded_money"]["amount"] == 1_200
    [earlier] = payment["refund_ids"]
    read = hands.read(f"/v2/refunds/{earlier}")["refund"]
    assert (read["status"], read["amount_money"]["amount"]) == ("COMPLETED", 1_200)
    assert code_of(hands.order(3_801, payment_id="PAYOLD")) == "REFUND_AMOUNT_INVALID"


def test_reads_lag_behind_a_new_refund() -> None:
    hands = SquareHands(lookup_lags=1.0)
    refund = refund_of(hands.order())
    assert "refund_ids" not in hands.payment()
    assert hands.call("GET", f"/v2/refunds/{refund['id']}").status == 404
    assert hands.read("/v2/refunds") == {}
    hands.wait(60)
    assert hands.payment()["refund_ids"] == [refund["id"]]
    assert len(hands.read("/v2/refunds")["refunds"]) == 1


def test_a_list_is_paged_filtered_and_checked() -> None:
    hands = SquareHands()
    ids = []
    for number in range(5):
        ids.append(refund_of(hands.order(1, key=f"k{number}"))["id"])
        hands.wait(10)
    page = hands.read("/v2/refunds", limit="2", sort_order="ASC")
    assert [one["id"] for one in page["refunds"]] == ids[:2]
    rest = hands.read("/v2/refunds", limit="9", sort_order="ASC", cursor=page["cursor"])
    assert [one["id"] for one in rest["refunds"]] == ids[2:]
    assert "cursor" not in rest
    assert [one["id"] for one in hands.read("/v2/refunds")["refunds"]] == ids[::-1]
    assert hands.read("/v2/refunds", status="PENDING") == {}
    assert hands.read("/v2/refunds", location_id="ELSEWHERE") == {}
    assert hands.read("/v2/refunds", end_time="2020-01-01T00:00:00Z") == {}
    for name, value in (
        ("limit", "101"),
        ("begin_time", "yesterday"),
        ("cursor", "none"),
        ("colour", "red"),
    ):
        assert hands.call("GET", "/v2/refunds", query=((name, value),)).status == 400


# What is told.


def test_three_events_of_a_refund_grow_in_version_and_the_last_brings_the_fee() -> None:
    hands = SquareHands()
    hands.order()
    posts = [json.loads(post.body) for post in hands.wait(60)]
    told = [one["data"]["object"]["refund"] for one in posts if "refund" in one["type"]]
    by_version = sorted(told, key=lambda refund: refund["version"])
    assert [(one["version"], one["status"]) for one in by_version] == [
        (1, "PENDING"),
        (2, "COMPLETED"),
        (3, "COMPLETED"),
    ]
    assert by_version[2]["processing_fee"][0]["amount_money"]["amount"] == -30
    payments = [one for one in posts if one["type"] == "payment.updated"]
    assert payments[-1]["data"]["object"]["payment"]["refund_ids"]
    assert len({one["event_id"] for one in posts}) == len(posts)


def test_cash_is_recorded_and_complete_at_once() -> None:
    hands = SquareHands()
    hands.add("square", "PAYCASH", method="cash")
    assert refund_of(hands.order(payment_id="PAYCASH"))["status"] == "COMPLETED"
    assert [row.net_minor for row in hands.rows("square")] == [1_000]


def test_a_refund_of_the_sellers_own_app_is_told_and_not_ours() -> None:
    hands = SquareHands()
    model = hands.world.model("square")
    model.external_refund(PAYMENT, 700, hands.now, "Accidental charge")
    assert "refund.created" in events_of(hands.wait(10))
    [row] = hands.rows("square")
    assert (row.net_minor, row.source, row.merchant_reference) == (700, "dashboard", "")


def test_a_bounce_brings_the_money_back_and_blocks_the_payment() -> None:
    hands = SquareHands()
    refund = refund_of(hands.order())
    model = hands.world.model("square")
    with pytest.raises(UnknownSubjectError):
        model.bounce(refund["id"], hands.now)
    hands.wait(60)
    model.bounce(refund["id"], hands.now)
    assert [row.net_minor for row in hands.rows("square")] == [0]
    assert code_of(hands.order(key="k2")) == "PAYMENT_NOT_REFUNDABLE"


def test_a_delivery_is_repeated_for_a_day_and_says_so() -> None:
    hands = SquareHands()
    hands.world.model("square").external_refund(PAYMENT, 1, hands.now)
    model = hands.world.model("square")
    start, numbers = hands.now, set()
    while (due_at := hands.world.next_due()) is not None:
        hands.now = max(hands.now, due_at)
        for post in model.due(hands.now):
            model.webhook_answered(post.post_id, 500, hands.now)
            numbers.add(dict(post.headers).get("Square-Retry-Number"))
    assert numbers == {None, *(str(number) for number in range(1, 29))}
    assert 0.9 * DAY_SECONDS < hands.now - start <= 1.1 * DAY_SECONDS


# Faults and snapshots.


def test_answers_can_lie_while_the_books_stay_right() -> None:
    hands = SquareHands(wrong_amount=1.0)
    assert refund_of(hands.order())["amount_money"]["amount"] != 1_000
    assert hands.rows("square")[0].amount_minor == 1_000
    hands = SquareHands(unknown_status=1.0)
    assert refund_of(hands.order())["status"] == "IN_TRANSIT"
    hands = SquareHands(sparse_answer=1.0)
    assert "reason" not in refund_of(hands.order())


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("error_before", {500, 502, 503, 504}),
        ("rate_limited", {429}),
        ("unavailable", {503}),
    ],
)
def test_trouble_before_execution_moves_nothing(fault: str, statuses: set[int]) -> None:
    hands = SquareHands()
    hands.world.set_faults(None, {fault: 1.0})
    assert {hands.order().status for _ in range(20)} <= statuses
    assert hands.rows("square") == []


def test_a_planted_amount_is_what_is_really_paid() -> None:
    hands = SquareHands()
    hands.world.plant("square", PAYMENT, 777)
    assert refund_of(hands.order())["amount_money"]["amount"] == 777
    hands.wait(10)
    assert hands.rows("square")[0].net_minor == 777


def story(hands: SquareHands, steps: range) -> list[object]:
    told: list[object] = []
    for step in steps:
        payment = f"PAYS{step // 5}"
        hands.world.model("square").books.payment(payment) or hands.add(
            "square", payment
        )
        told.append(hands.order(10, key=f"k{step}", payment_id=payment))
        told.extend((post.event, post.body, post.headers) for post in hands.wait(7))
    return told


def test_a_sandbox_goes_on_from_its_snapshot_as_if_nothing_had_happened() -> None:
    whole, parted = SquareHands("hostile", seed=5), SquareHands("hostile", seed=5)
    assert story(whole, range(25)) == story(parted, range(25))
    state = json.loads(json.dumps(parted.world.dump()))
    parted.world = World(square_config("hostile", seed=5), signer())
    parted.world.load(state)
    assert story(whole, range(25, 60)) == story(parted, range(25, 60))


def test_no_secret_is_in_a_repr() -> None:
    [settings] = square_config().accounts
    assert "https://hooks" in repr(replace(settings, webhook_url="https://hooks"))
    assert "EAAA" not in repr(settings)
    assert "square_sandbox" not in repr(settings)


# The official document.


def schema_of(path: str, method: str) -> dict[str, Any]:
    spec = document("square-refunds.json")
    answer = spec["paths"][path][method]["responses"]["200"]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def test_answers_fit_the_official_schema() -> None:
    hands, spec = SquareHands(), document("square-refunds.json")
    reply = hands.order()
    refund_id = refund_of(reply)["id"]
    hands.wait(60)
    refund = "/v2/refunds/{refund_id}"
    payment = "/v2/payments/{payment_id}"
    for path, method, found in (
        ("/v2/refunds", "post", json.loads(reply.body)),
        ("/v2/refunds", "post", json.loads(hands.order(9_999, key="k2").body)),
        ("/v2/refunds", "get", hands.read("/v2/refunds")),
        (refund, "get", hands.read(f"/v2/refunds/{refund_id}")),
        (payment, "get", hands.read(f"/v2/payments/{PAYMENT}")),
    ):
        conforms(spec, found, schema_of(path, method))


def test_events_fit_the_official_schema() -> None:
    hands, spec = SquareHands(), document("square-refunds.json")
    hands.order()
    names = {"refund.created": "Created", "refund.updated": "Updated"}
    told = [post for post in hands.wait(60) if post.event in names]
    assert {post.event for post in told} == set(names)
    for post in told:
        schema = {"$ref": f"#/components/schemas/Refund{names[post.event]}Event"}
        conforms(spec, json.loads(post.body), schema)
