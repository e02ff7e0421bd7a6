from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.hands import CAPTURE, PI, PSP
from tests.sandbox.live import live_sandbox


async def test_payments_come_one_by_one_and_in_bulk() -> None:
    async with live_sandbox() as live:
        one = {
            "account": "stripe",
            "reference": "pi_a",
            "amount_minor": 100,
            "currency": "EUR",
            "already_refunded_minor": 40,
        }
        status, added = await live.admin("POST", "/payments", one)
        assert (status, added["charge_id"]) == (201, "ch_a")
        rows = [{**one, "reference": f"pi_b{n}"} for n in range(5)]
        bulk = {"payments": rows}
        assert await live.admin("POST", "/payments/bulk", bulk) == (201, {"added": 5})
        _, found = await live.admin("GET", "/payments?account=stripe&limit=4&offset=2")
        assert (len(found["payments"]), found["total"]) == (4, 7)
        assert found["next_offset"] == 6
        assert found["payments"][0]["remaining_minor"] == 60


async def test_a_bulk_with_one_bad_payment_adds_none() -> None:
    async with live_sandbox() as live:
        good = {
            "account": "stripe",
            "reference": "pi_g",
            "amount_minor": 100,
            "currency": "EUR",
        }
        for bad in (
            {**good, "reference": "pi_h", "account": "nobody"},
            {**good, "reference": "pi_h", "amount_minor": 1.5},
            {**good, "reference": "pi_h", "colour": "red"},
            {**good, "reference": "pi_h", "amount_minor": 101, "currency": "MGA"},
            {**good, "reference": PI},
            {"account": "stripe"},
            [],
        ):
            status, problem = await live.admin(
                "POST", "/payments/bulk", {"payments": [good, bad]}
            )
            assert status in (400, 404)
            assert problem["error"]
        _, found = await live.admin("GET", "/payments?payment=pi_g")
        assert found["total"] == 0


async def test_the_same_payment_again_changes_nothing() -> None:
    async with live_sandbox() as live:
        same = {
            "account": "stripe",
            "reference": PI,
            "amount_minor": 5_000,
            "currency": "EUR",
        }
        await live.stripe_refund(1_000)
        status, _ = await live.admin("POST", "/payments", same)
        assert status == 201
        _, found = await live.admin("GET", f"/payments?payment={PI}")
        assert found["payments"][0]["remaining_minor"] == 4_000


async def test_the_ledger_is_served_whole_paged_and_by_payment() -> None:
    async with live_sandbox() as live:
        for number in range(3):
            await live.stripe_refund(100, key=f"k{number}")
        _, whole = await live.admin("GET", "/ledger")
        assert [row["net_minor"] for row in whole["rows"]] == [100, 100, 100]
        assert whole["rows"][0]["executed"] is True
        _, paged = await live.admin("GET", "/ledger?limit=2")
        assert (len(paged["rows"]), paged["next_offset"]) == (2, 2)
        _, one = await live.admin("GET", f"/ledger?account=stripe&payment={PI}")
        assert one["total"] == 3
        _, none = await live.admin("GET", "/ledger?account=adyen")
        assert none["rows"] == []
        _, summary = await live.admin("GET", "/ledger/summary")
        assert summary["payments"] == [
            {"account": "stripe", "payment": PI, "currency": "EUR", "net": 300}
        ]
        # Three executions of one reference of ours must be seen, never merged.
        assert [len(rows) for rows in summary["doubles"]] == [3]


async def test_faults_can_be_changed_and_are_counted() -> None:
    async with live_sandbox() as live:
        change = {"profile": "none", "overrides": {"rate_limited": 1.0}}
        status, profile = await live.admin("PUT", "/faults", change)
        assert (status, profile["rate_limited"]) == (200, 1.0)
        assert (await live.stripe_refund())[0] == 429
        _, seen = await live.admin("GET", "/status")
        assert seen["faults_fired"]["stripe"] == {"rate_limited": 1}
        assert seen["accounts"]["stripe"]["base_url"] == live.box.base_url("stripe")
        one = {"overrides": {"rate_limited": 0.0}, "account": "stripe"}
        await live.admin("PUT", "/faults", one)
        _, faults = await live.admin("GET", "/faults")
        assert faults["accounts"]["stripe"]["rate_limited"] == 0.0
        assert faults["accounts"]["adyen"]["rate_limited"] == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"profile": "gentle"},
        {"overrides": {"nonsense": 1}},
        {"overrides": {"refused": 2}},
        {"colour": "red"},
    ],
)
async def test_bad_faults_are_refused(change: dict[str, Any]) -> None:
    async with live_sandbox() as live:
        status, problem = await live.admin("PUT", "/faults", change)
        assert status == 400
        assert problem["error"]


async def test_disputes_bounces_and_refunds_by_hand() -> None:
    async with live_sandbox() as live:
        await live.stripe_refund()
        [row] = live.box.ledger.rows("stripe")
        bounce = {"account": "stripe", "refund_id": row.refund_id}
        assert (await live.admin("POST", "/bounces", bounce))[0] == 201
        assert (await live.admin("POST", "/bounces", bounce))[0] == 404
        by_hand = {"account": "adyen", "payment": PSP, "amount_minor": 700}
        status, refund = await live.admin("POST", "/external-refunds", by_hand)
        assert (status, refund["source"]) == (201, "dashboard")
        dispute = {"account": "paypal", "payment": CAPTURE}
        assert (await live.admin("POST", "/disputes", dispute))[0] == 201
        unknown = {"account": "paypal", "payment": "none"}
        assert (await live.admin("POST", "/disputes", unknown))[0] == 404
        await live.box.settled()
        _, ledger = await live.admin("GET", "/ledger")
        assert [(row["source"], row["net_minor"]) for row in ledger["rows"]] == [
            ("api", 0),
            ("dashboard", 700),
        ]
        paths = [got.path for got in live.received]
        assert paths.count("/adyen") == 1
        assert paths.count("/paypal") == 1
        assert paths.count("/stripe") == 4


async def test_a_wrong_amount_can_be_planted() -> None:
    async with live_sandbox() as live:
        plant = {"account": "stripe", "payment": PI, "amount_minor": 1_111}
        assert (await live.admin("POST", "/planted-amounts", plant))[0] == 201
        await live.stripe_refund(1_000)
        _, ledger = await live.admin("GET", "/ledger")
        [row] = ledger["rows"]
        assert (row["asked_minor"], row["amount_minor"]) == (1_000, 1_111)
        zero = {**plant, "amount_minor": 0}
        assert (await live.admin("POST", "/planted-amounts", zero))[0] == 400


async def test_webhooks_can_be_paused_dropped_resumed_and_flushed() -> None:
    async with live_sandbox(time_scale=1.0, webhook_seconds=500.0) as live:
        await live.stripe_refund()
        _, paused = await live.admin("POST", "/webhooks/pause", {"account": "stripe"})
        assert paused == {"webhooks": 0}
        assert (await live.admin("POST", "/webhooks/drop"))[1] == {"webhooks": 2}
        await live.admin("POST", "/webhooks/resume")
        live.box.external_refund("adyen", PSP, 100)
        flush = {"hurry": True}
        assert (await live.admin("POST", "/webhooks/flush", flush))[1]["webhooks"] == 1
        await live.box.settled(5.0)
        assert [got.path for got in live.received] == ["/adyen"]
        _, seen = await live.admin("GET", "/status")
        assert seen["accounts"]["stripe"]["dropped_webhooks"] == 2


async def test_the_ca_is_served() -> None:
    async with live_sandbox() as live:
        async with live.http.get(live.box.admin_url + "/ca") as answer:
            assert await answer.text() == live.box.ca_pem
        assert live.box.ca_pem.startswith("-----BEGIN CERTIFICATE-----")


async def test_an_outage_can_be_asked_for() -> None:
    async with live_sandbox() as live:
        bad = {"account": "stripe", "seconds": "long"}
        assert (await live.admin("POST", "/outages", bad))[0] == 400
        good = {"account": "stripe", "seconds": 0.01}
        assert (await live.admin("POST", "/outages", good))[0] == 201
