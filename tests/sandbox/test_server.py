from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import replace

import aiohttp
import pytest

from refundwatch.demo.ports import free_ports
from refundwatch.sandbox.running import running_sandbox
from tests.sandbox.hands import CAPTURE, PI, config
from tests.sandbox.live import AUTH, Live, live_sandbox


def net(live: Live) -> list[int]:
    return [row.net_minor for row in live.box.ledger.rows("stripe")]


async def test_an_answered_refund_and_its_webhooks() -> None:
    async with live_sandbox() as live:
        status, _ = await live.stripe_refund()
        assert status == 200
        await live.box.settled()
        kinds = {json.loads(got.body)["type"] for got in live.received}
        assert kinds == {"refund.created", "charge.refunded"}
        assert {got.path for got in live.received} == {"/stripe"}


@pytest.mark.parametrize(
    ("fault", "executed"),
    [
        ("refused", []),
        ("dropped_before", []),
        ("dropped_after", [1_000]),
        ("reset_after", [1_000]),
        ("truncated", [1_000]),
    ],
)
async def test_a_client_without_an_answer_and_the_truth(
    fault: str, executed: list[int]
) -> None:
    async with live_sandbox(**{fault: 1.0, "hang_seconds": 1.0}) as live:
        with pytest.raises(aiohttp.ClientError):
            await live.stripe_refund()
        assert net(live) == executed
        assert live.box.world.counters()["stripe"] == {fault: 1}


async def test_a_truncated_answer_announces_more_than_it_sends() -> None:
    async with live_sandbox(truncated=1.0) as live:
        with pytest.raises(aiohttp.ClientPayloadError):
            await live.stripe_refund()


async def test_a_reset_is_a_reset() -> None:
    async with live_sandbox(reset_after=1.0) as live:
        with pytest.raises((ConnectionResetError, aiohttp.ClientOSError)):
            await live.stripe_refund()


async def test_what_the_model_took_happens_although_the_client_left() -> None:
    async with live_sandbox(latency_seconds=500.0) as live:
        with pytest.raises(TimeoutError):
            await live.stripe_refund(patience=0.5)
        assert net(live) == [1_000]
        await live.box.settled()
        assert live.received


async def test_a_late_execution_comes_after_the_clients_timeout() -> None:
    faults = {"executed_late": 1.0, "late_seconds": 200.0, "hang_seconds": 500.0}
    async with live_sandbox(**faults) as live:
        with pytest.raises(TimeoutError):
            await live.stripe_refund(patience=0.5)
        assert net(live) == []
        await live.box.settled()
        assert net(live) == [1_000]


async def test_a_garbled_answer_is_no_json() -> None:
    async with live_sandbox(garbled=1.0) as live:
        _, body = await live.stripe_refund()
        with contextlib.suppress(ValueError):
            assert not isinstance(json.loads(body).get("id"), str)
        assert net(live) == [1_000]


async def test_an_outage_refuses_connections_and_ends_by_itself() -> None:
    async with live_sandbox() as live:
        await live.stripe_refund(100)
        await live.http.close()
        live.box.outage("stripe", 1.5)
        await asyncio.sleep(0.05)
        async with aiohttp.ClientSession(headers=AUTH) as http:
            url = live.box.base_url("stripe") + "/v1/balance"
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(url)
            await asyncio.sleep(2.0)
            async with http.get(url) as answer:
                assert answer.status == 200


async def test_refused_webhooks_are_tried_again() -> None:
    async with live_sandbox(time_scale=0.001) as live:
        live.answers[:] = [500, 500]
        live.box.external_refund("adyen", "993617894903480A", 100)
        await live.box.settled()
        assert len(live.received) == 3
        assert len({got.body for got in live.received}) == 1


async def test_a_receiver_that_is_away_gets_the_webhook_later() -> None:
    async with live_sandbox(time_scale=0.001) as live:
        live.box.pause_webhooks("stripe")
        await live.stripe_refund()
        await asyncio.sleep(0.1)
        assert live.received == []
        live.box.resume_webhooks("stripe")
        await live.box.settled()
        assert len(live.received) == 2


async def test_parallel_refunds_of_one_payment_never_pass_its_amount() -> None:
    async with live_sandbox() as live:
        calls = (live.stripe_refund(3_000, key=f"k{n}") for n in range(50))
        answers = await asyncio.gather(*calls)
        assert sorted(status for status, _ in answers) == [200] + [400] * 49
        assert net(live) == [3_000]


async def test_parallel_calls_under_one_key_execute_once() -> None:
    async with live_sandbox(latency_seconds=5.0, latency_spread=0.0) as live:
        answers = await asyncio.gather(*(live.stripe_refund() for _ in range(20)))
        assert sorted(status for status, _ in answers) == [200] + [409] * 19
        assert net(live) == [1_000]


async def test_the_certificate_is_served_where_the_webhook_says() -> None:
    async with live_sandbox() as live:
        live.box.external_refund("paypal", CAPTURE, 100)
        await live.box.settled()
        [got] = live.received
        url = got.headers["PAYPAL-CERT-URL"]
        assert url.startswith(live.box.base_url("paypal") + "/v1/notifications/certs/")
        async with live.http.get(url) as answer:
            assert (await answer.text()).startswith("-----BEGIN CERTIFICATE-----")


async def test_a_body_over_the_limit_is_413() -> None:
    async with live_sandbox() as live:
        url = live.box.base_url("stripe") + "/v1/refunds"
        async with live.http.post(
            url, data=io.BytesIO(b"x" * (1 << 21)), headers=AUTH
        ) as answer:
            assert answer.status == 413


async def test_query_and_path_reach_the_model() -> None:
    async with live_sandbox() as live:
        url = live.box.base_url("stripe") + "/v1/payment_intents/" + PI
        params = {"expand[]": "latest_charge"}
        async with live.http.get(url, params=params, headers=AUTH) as answer:
            found = await answer.json()
        assert found["latest_charge"]["object"] == "charge"


async def test_a_change_at_the_very_end_does_not_keep_it_running() -> None:
    async with asyncio.timeout(10), running_sandbox(config()) as box:
        later = box.clock.now() + 3_600
        box.world.model("stripe").schedule(later, "settles", "re_1")
        box.worker.wake()
        await asyncio.sleep(0.05)
        box.worker.wake()


async def test_an_outage_spares_the_second_port() -> None:
    (port,) = free_ports(1)
    wanted = config()
    stripe = replace(wanted.accounts[0], second_port=port)
    async with (
        running_sandbox(replace(wanted, accounts=(stripe,))) as box,
        aiohttp.ClientSession(headers=AUTH) as http,
    ):
        box.outage(stripe.name, 30.0)
        await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(box.base_url(stripe.name) + "/v1/balance")
        async with http.get(f"http://127.0.0.1:{port}/v1/balance") as answer:
            assert answer.status == 200
