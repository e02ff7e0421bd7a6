"""Health and metrics on loopback: true, quiet about ids, never in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from refundwatch.store.contract import RaiseAlarm
from tests.daemon.living import living, living_with_gateways, until

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import Metric

    from tests.daemon.living import Living

LABELS = {
    "account",
    "connection",
    "gateway",
    "kind",
    "mode",
    "quantile",
    "queue",
    "severity",
    "stage",
    "state",
    "verdict",
    "version",
    "window",
}


async def get(daemon: Living, path: str) -> tuple[int, str]:
    async with daemon.tcp_http.get(daemon.health + path) as response:
        return response.status, await response.text()


async def metrics(daemon: Living) -> tuple[str, dict[str, Metric]]:
    status, text = await get(daemon, "/metrics")
    assert status == 200
    families = list(text_string_to_metric_families(text))
    return text, {family.name: family for family in families}


async def test_live_and_ready_once_started(daemon: Living) -> None:
    assert await get(daemon, "/livez") == (200, "ok\n")
    assert await get(daemon, "/healthz") == (200, "ok\n")
    assert await get(daemon, "/readyz") == (200, "ready\n")
    assert (await get(daemon, "/v1/status"))[0] == 404


async def test_draining_daemon_is_live_but_not_ready(daemon: Living) -> None:
    daemon.hub.draining = True
    assert await get(daemon, "/readyz") == (503, "draining\n")
    assert (await get(daemon, "/livez"))[0] == 200


async def test_daemon_that_recovers_is_not_ready_yet(daemon: Living) -> None:
    daemon.hub.ready = False
    assert await get(daemon, "/readyz") == (503, "starting\n")


async def test_store_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.hub.store.close()
        status, text = await get(daemon, "/readyz")
        assert (status, text) == (503, "store.closed\n")
        assert (await get(daemon, "/livez"))[0] == 200


async def test_metrics_are_read_by_prometheus_itself(daemon: Living) -> None:
    await daemon.refund()
    await daemon.call("GET", "/v1/tokens", by="viewer")
    await daemon.call("GET", "/v1/tokens", token="rwk_wrong")
    _, families = await metrics(daemon)
    refunds = families["refundwatch_refunds"]
    states = {it.labels["state"]: it.value for it in refunds.samples}
    assert states["awaiting_approval"] == 1
    assert len(states) == 14
    assert families["refundwatch_build_info"].samples[0].labels["mode"] == "sandbox"
    assert families["refundwatch_auth_failures"].samples[0].value == 1
    assert families["refundwatch_auth_denials"].samples[0].value == 1
    started = families["refundwatch_start_timestamp_seconds"].samples[0].value
    assert abs(started - daemon.hub.clock.now().timestamp()) < 60


async def test_counters_are_there_before_anything_was_counted(daemon: Living) -> None:
    """A rate over a counter that is not there yet misses its first event."""
    _, families = await metrics(daemon)
    for name in ("auth_failures", "auth_denials", "loop_crashes", "api_crashes"):
        assert families[f"refundwatch_{name}"].samples[0].value == 0


async def test_metrics_name_no_id_and_no_person(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_secret_reference", 10_000, "GBP")
        payment = await daemon.payment(
            10_000,
            gateway_reference="pi_secret_reference",
            customer={"name": "Jane Doe", "email": "jane@example.com"},
        )
        refund = await daemon.refund(100, payment=payment, request_id="rq-secret")
        await daemon.becomes(refund, "succeeded")
        await daemon.hub.store.execute(
            RaiseAlarm(
                daemon.hub.clock.now(), "payment_frozen", "warning", payment, {"a": 1}
            )
        )
        text, families = await metrics(daemon)
        found = {
            label
            for family in families.values()
            for sample in family.samples
            for label in sample.labels
        }
        assert found <= LABELS
        for word in (
            payment,
            refund["id"],
            refund["merchant_reference"],
            "rq-secret",
            "pi_secret",
            "jane",
            "Jane",
            "person:",
            "rwk_",
        ):
            assert word not in text
        assert families["refundwatch_alarms_open"].samples
        assert families["refundwatch_processing_seconds"].samples
        success = families["refundwatch_success_ratio"].samples
        assert {sample.value for sample in success} == {1.0}


async def test_three_numbers_are_in_the_api_too(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 10_000, "GBP")
        payment = await daemon.payment(10_000, gateway_reference="pi_1")
        refund = await daemon.refund(100, payment=payment)
        await daemon.becomes(refund, "succeeded")
        await daemon.parts.house.prober.probe_all()

        async def observed() -> bool:
            answer = await daemon.call("GET", "/v1/metrics?window=3600", by="viewer")
            rows = {row["connection"]: row for row in answer.body["items"]}
            row = rows.get("stripe-uk/main")
            return bool(
                row
                and row["success_rate"] == 1.0
                and any(p["count"] for p in row["processing"].values())
            )

        await until(observed)
        split = await daemon.call("GET", "/v1/metrics?by_currency=true", by="viewer")
        assert "GBP" in {row["currency"] for row in split.body["items"]}
        found = await daemon.call("GET", "/v1/connections/stripe-uk/main", by="viewer")
        assert found.body["health"] == "up"
        outages = await daemon.call("GET", "/v1/outages", by="viewer")
        assert outages.body["items"] == []
        account = await daemon.call("GET", "/v1/accounts/stripe-uk", by="viewer")
        assert account.body["connections"] == ["stripe-uk/main"] or account.body[
            "connections"
        ] == ["main"]


async def test_uptime_and_versions_are_told_by_connection(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:

        async def observed() -> bool:
            await daemon.parts.house.prober.probe_all()
            shown = await daemon.call(
                "GET", "/v1/connections/stripe-uk/main", by="viewer"
            )
            return all(it["uptime"] == 1.0 for it in shown.body["uptimes"])

        await until(observed)
        shown = await daemon.call("GET", "/v1/connections", by="viewer")
        windows = [it["window_seconds"] for it in shown.body["items"][0]["uptimes"]]
        assert windows == [3600, 86_400, 30 * 86_400]
        _, families = await metrics(daemon)
        seen = {
            (it.labels["connection"], it.labels["window"]): it.value
            for it in families["refundwatch_uptime_ratio"].samples
        }
        for window in ("1h", "24h", "30d"):
            assert seen["stripe-uk/main", window] == seen["*", window] == 1.0

        listed = await daemon.call("GET", "/v1/gateways/versions", by="viewer")
        rows = {it["connection"]: it for it in listed.body["items"]}
        stripe = rows["stripe-uk/main"]
        assert (stripe["operation"], stripe["stated"]) == ("probe", True)
        assert stripe["version"] == stripe["version_asked"]
        assert stripe["answered"]["calls"] >= 2
        assert stripe["notices"] == []
        assert rows["paypal-us/main"]["stated"] is False
