from __future__ import annotations

from random import Random
from typing import Any

import pytest

from refundwatch.sandbox.faults import (
    PROFILES,
    REQUEST_FAULTS,
    Dice,
    Fault,
    FaultProfile,
)
from refundwatch.sandbox.model import Fate
from tests.sandbox.hands import CAPTURE, PI, Hands, body_of, events_of

GATEWAYS = ("stripe", "adyen", "paypal")


def test_every_fault_is_a_field_of_a_profile() -> None:
    for fault in Fault:
        assert getattr(FaultProfile(), fault) == 0.0


def test_the_quiet_profile_never_fires() -> None:
    dice = Dice(Random(1), PROFILES["none"])
    assert all(dice.request_fault() is None for _ in range(1_000))
    assert dice.latency() == 0.0


def test_hostile_fires_every_fault_it_promises() -> None:
    profile = PROFILES["hostile"]
    dice = Dice(Random(1), profile)
    drawn = {dice.request_fault() for _ in range(20_000)}
    assert drawn == {None, *REQUEST_FAULTS}
    for fault in Fault:
        assert getattr(profile, fault) > 0.0


def test_draws_match_their_probability() -> None:
    dice = Dice(Random(1), FaultProfile(dropped_after=0.25))
    hits = sum(dice.request_fault() is Fault.DROPPED_AFTER for _ in range(10_000))
    assert 2_300 < hits < 2_700


@pytest.mark.parametrize(
    "values",
    [
        {"refused": 1.5},
        {"refused": -0.1},
        {"latency_seconds": -1},
        {"nonsense": 0.1},
        {"refused": True},
        {"refused": "0.5"},
        {"refused": 0.6, "dropped_after": 0.6},
    ],
)
def test_a_profile_that_means_nothing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        FaultProfile().overridden(values)


def test_waits_follow_the_time_scale() -> None:
    slow = Dice(Random(1), FaultProfile(), time_scale=1.0)
    quick = Dice(Random(1), FaultProfile(), time_scale=0.01)
    assert quick.wait(60.0) == pytest.approx(slow.wait(60.0) / 100)


# What each fault does to the books: the ledger is the truth.


@pytest.mark.parametrize("gateway", GATEWAYS)
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
        ("rate_limited", Fate.ANSWERED, 0),
        ("unavailable", Fate.ANSWERED, 0),
    ],
)
def test_the_ledger_holds_what_truly_happened(
    gateway: str, fault: str, fate: Fate, executed: int
) -> None:
    hands = Hands()
    hands.refund(gateway, reference="warm-up") if gateway == "paypal" else None
    before = len(hands.rows(gateway))
    hands.world.set_faults(None, {fault: 1.0})
    reply = hands.refund(gateway, key="k")
    assert reply.fate is fate
    assert hands.world.counters()[gateway][fault] == 1
    hands.wait(3_600)
    rows = hands.rows(gateway)[before:]
    assert [row.net_minor for row in rows] == [1_000] * executed


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_late_execution_is_invisible_before_its_time(gateway: str) -> None:
    hands = Hands()
    hands.refund("paypal", reference="warm-up")
    before = len(hands.rows(gateway))
    hands.world.set_faults(None, {"executed_late": 1.0})
    hands.refund(gateway, key="k")
    hands.now += 20
    assert len(hands.rows(gateway)) == before
    hands.now += 50
    assert len(hands.rows(gateway)) == before + 1


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_resend_that_overtakes_a_late_arrival_executes_once(gateway: str) -> None:
    hands = Hands()
    hands.refund("paypal", reference="warm-up")
    before = len(hands.rows(gateway))
    hands.world.set_faults(None, {"executed_late": 1.0})
    hands.refund(gateway, key="k")
    hands.world.set_faults("none", {})
    assert hands.refund(gateway, key="k").status in (200, 201)
    hands.wait(3_600)
    assert len(hands.rows(gateway)) == before + 1
    assert hands.world.ledger.doubles() == []


@pytest.mark.parametrize("gateway", ["stripe", "adyen"])
def test_a_new_key_past_a_late_arrival_pays_twice_and_shows(gateway: str) -> None:
    hands = Hands(executed_late=1.0)
    hands.refund(gateway, key="a")
    hands.world.set_faults("none", {})
    hands.refund(gateway, key="b")
    hands.wait(3_600)
    [double] = hands.world.ledger.doubles()
    assert {row.idempotency_key for row in double} == {"a", "b"}


@pytest.mark.parametrize(
    ("gateway", "statuses"),
    [("stripe", {409}), ("adyen", {409, 422}), ("paypal", {409})],
)
def test_a_held_key_answers_in_progress_until_it_ran(
    gateway: str, statuses: set[int]
) -> None:
    hands = Hands()
    hands.refund("paypal", reference="warm-up")
    before = len(hands.rows(gateway))
    hands.world.set_faults(None, {"held_in_flight": 1.0})
    hands.refund(gateway, key="k")
    hands.world.set_faults("none", {})
    assert hands.refund(gateway, key="k").status in statuses
    hands.wait(120)
    assert hands.refund(gateway, key="k").status in (200, 201)
    assert len(hands.rows(gateway)) == before + 1


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_wrong_amount_is_in_the_answer_only(gateway: str) -> None:
    hands = Hands(wrong_amount=1.0)
    answer = body_of(hands.refund(gateway))
    shown = answer["amount"]
    assert shown not in (1_000, {"currency": "EUR", "value": 1_000})
    assert shown != {"currency_code": "EUR", "value": "10.00"}
    hands.wait(60)
    assert [row.net_minor for row in hands.rows(gateway)] == [1_000]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_call_that_executes_nothing_new_is_answered_honestly(gateway: str) -> None:
    hands = Hands()
    hands.refund(gateway, key="k")
    hands.world.set_faults(None, {"error_after": 1.0})
    assert hands.refund(gateway, key="k").status in (200, 201)
    assert hands.world.counters()[gateway] == {}


def test_a_planted_amount_is_truly_executed() -> None:
    hands = Hands()
    hands.world.plant("stripe", PI, 1_234)
    assert body_of(hands.stripe_refund(1_000))["amount"] == 1_234
    [row] = hands.rows("stripe")
    assert (row.asked_minor, row.net_minor) == (1_000, 1_234)
    assert body_of(hands.stripe_refund(1_000))["amount"] == 1_000


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_an_unknown_status_word_is_in_the_answer_only(gateway: str) -> None:
    hands = Hands(unknown_status=1.0)
    status = body_of(hands.refund(gateway))["status"]
    assert status in ("in_transit", "in_review", "PROCESSING")
    hands.wait(60)
    assert [row.net_minor for row in hands.rows(gateway)] == [1_000]


@pytest.mark.parametrize("gateway", ["stripe", "paypal"])
def test_a_refusal_executes_nothing(gateway: str) -> None:
    hands = Hands(refusal=1.0)
    assert hands.refund(gateway).status in (400, 422)
    assert hands.rows(gateway) == []


def test_reads_have_trouble_too() -> None:
    hands = Hands(read_trouble=1.0)
    replies = [hands.stripe("GET", "/v1/balance") for _ in range(60)]
    fates = {reply.fate for reply in replies}
    assert fates == {Fate.ANSWERED, Fate.DROPPED_BEFORE_EXECUTION}
    assert {reply.status for reply in replies} >= {429, 503}
    assert hands.world.counters()["stripe"]["read_trouble"] == 60


def test_429_comes_with_and_without_retry_after() -> None:
    hands = Hands(rate_limited=1.0)
    for gateway in GATEWAYS:
        headers = {hands.refund(gateway).header("retry-after") for _ in range(40)}
        assert headers == {"", "1"}


# Webhooks.


def test_duplicates_carry_the_same_body() -> None:
    hands = Hands(webhook_duplicated=1.0)
    hands.adyen_refund()
    first, second = hands.wait(60)
    assert first.body == second.body


def test_silence_loses_events_where_they_can_be_read() -> None:
    hands = Hands(webhook_silent=1.0)
    hands.stripe_refund()
    hands.paypal_refund()
    assert hands.wait(86_400) == []
    listed = body_of(hands.stripe("GET", "/v1/events"))["data"]
    assert len(listed) == 2


def test_forgeries_are_extra_and_marked() -> None:
    hands = Hands(webhook_forged=1.0)
    hands.paypal_refund()
    posts = hands.wait(60)
    assert sorted(post.forged for post in posts) == [False, True]


def test_a_forgery_is_never_tried_again() -> None:
    hands = Hands(webhook_forged=1.0)
    hands.adyen_refund()
    model = hands.world.model("adyen")
    refused = 0
    for _ in range(20):
        hands.now += 5
        for post in model.due(hands.now):
            refused += post.forged
            status = 401 if post.forged else 200
            model.webhook_answered(post.post_id, status, hands.now)
    assert refused == 1
    assert len(model.outbox) == 0


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_unknown_events_are_well_signed_extras(gateway: str) -> None:
    hands = Hands(webhook_unknown=1.0)
    hands.refund(gateway)
    assert any("REVIEW" in event.upper() for event in events_of(hands.wait(60)))


def test_rough_and_hostile_lose_few_refunds_for_good() -> None:
    for name in ("rough", "hostile"):
        profile = PROFILES[name]
        lost = profile.refusal + profile.fails_late + profile.bounces
        assert lost < 0.02
        open_for_people = (
            profile.stored_error + profile.wrong_amount + profile.unknown_status
        )
        assert open_for_people <= 0.004


@pytest.mark.parametrize("profile", ["rough", "hostile"])
def test_a_storm_resent_with_the_same_keys_executes_each_refund_once(
    profile: str,
) -> None:
    hands = Hands(profile, stored_error=0.0)
    expected = {}
    for number in range(150):
        for gateway in GATEWAYS:
            name = f"{number:03d}{gateway[:1].upper()}".rjust(16, "X")
            hands.add(gateway, name, 10_000)
            where = {"stripe": "pi", "adyen": "psp", "paypal": "capture"}[gateway]
            ours = {"stripe": "rw_id"}.get(gateway, "reference")
            for _ in range(12):
                reply = hands.refund(
                    gateway, key=f"k-{name}", **{where: name, ours: f"rw-{name}"}
                )
                hands.wait(5)
                if reply.status == 401:
                    hands.token = ""
                if reply.fate is Fate.ANSWERED and reply.status in (200, 201):
                    break
            expected[gateway, name] = f"rw-{name}"
    hands.wait(20_000)
    assert hands.world.ledger.doubles() == []
    rows = [row for gateway in GATEWAYS for row in hands.rows(gateway)]
    assert len({row.merchant_reference for row in rows}) == len(rows)
    executed = sum(row.executed for row in rows)
    assert executed > 0.95 * len(expected)


def test_capture_reads_survive_the_wrong_path() -> None:
    hands = Hands()
    assert hands.paypal("GET", f"/v2/payments/captures/{CAPTURE}/x").status == 404
