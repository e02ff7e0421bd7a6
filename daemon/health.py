"""Health and metrics, on loopback: `/livez`, `/readyz`, `/healthz`, `/metrics`.

Invariant: live means that the loop turns; ready means that work may come. No id, no
reference and nothing personal ever becomes a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from refundwatch.domain.refund import RefundState
from refundwatch.errors import RefundwatchError
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from daemon.hub import Hub
    from daemon.queues import Queue

DAY_SECONDS: Final = 86_400
EVERYWHERE: Final = "*"
_WINDOWS: Final = {3600: "1h", DAY_SECONDS: "24h", 30 * DAY_SECONDS: "30d"}
_QUANTILES: Final = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


def build_health(
    hub: Hub,
    deliveries: Mapping[tuple[str, str], int],
    queues: Callable[[], Iterable[Queue]],
) -> web.Application:
    """Build the loopback listener's application."""
    app = web.Application()

    async def livez(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        del request
        if hub.draining or not hub.ready:
            word = "draining" if hub.draining else "starting"
            return web.Response(text=word + "\n", status=503)
        if hub.recovery is not None:
            return web.Response(text=f"recovery: {hub.recovery}\n", status=503)
        if hub.refusing is not None:
            return web.Response(text=hub.refusing + "\n", status=503)
        try:
            await hub.store.read(c.LastSeq())
        except RefundwatchError as error:
            return web.Response(text=error.code + "\n", status=503)
        return web.Response(text="ready\n")

    async def metrics(request: web.Request) -> web.Response:
        del request
        try:
            found = await _collect(hub, deliveries)
            found += _queues(queues())
        except RefundwatchError as error:
            return web.Response(text=error.code + "\n", status=503)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(found))
        return web.Response(
            body=generate_latest(registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    app.router.add_get("/livez", livez)
    app.router.add_get("/healthz", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


class _Snapshot:
    """Hands metrics that were already collected to the library's renderer."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Give the metrics."""
        yield from self._metrics


async def _collect(hub: Hub, deliveries: Mapping[tuple[str, str], int]) -> list[Metric]:
    store, now = hub.store, hub.clock.now()
    metrics: list[Metric] = [
        InfoMetricFamily(
            "refundwatch_build",
            "What runs.",
            value={"version": hub.version, "mode": hub.mode},
        ),
        _gauge(
            "start_timestamp_seconds", "When it started.", hub.started_at.timestamp()
        ),
    ]
    metrics.append(_states(await store.read(c.CountStates())))
    metrics.append(_alarms(await store.read(c.ListAlarms())))
    metrics += _connections(await store.read(c.ListConnections()))
    metrics += _numbers(await store.read(c.GetNumbers(now, DAY_SECONDS)))
    windows = tuple(_WINDOWS)
    metrics.append(_uptime(await store.read(c.GetUptime(now, windows))))
    metrics.append(_deliveries(deliveries))
    metrics += [
        _counter(f"{name}_total", "Counted by this process.", value)
        for name, value in sorted(hub.counters.items())
    ]
    return metrics


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"refundwatch_{name}", words, value=value)


def _counter(name: str, words: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"refundwatch_{name}", words, value=value)


def _states(counts: Mapping[RefundState, int]) -> Metric:
    family = GaugeMetricFamily(
        "refundwatch_refunds", "Refunds by state.", labels=["state"]
    )
    for state in RefundState:
        family.add_metric([state.value], counts.get(state, 0))
    return family


def _alarms(rows: tuple[c.AlarmRow, ...]) -> Metric:
    family = GaugeMetricFamily(
        "refundwatch_alarms_open", "Alarms not closed.", labels=["kind", "severity"]
    )
    counted: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.kind, row.severity)
        counted[key] = counted.get(key, 0) + 1
    for (kind, severity), count in counted.items():
        family.add_metric([kind, severity], count)
    return family


def _connections(rows: tuple[c.ConnectionRow, ...]) -> list[Metric]:
    labels = ["connection", "gateway"]
    up = GaugeMetricFamily("refundwatch_connection_up", "1 is up.", labels=labels)
    last = GaugeMetricFamily(
        "refundwatch_connection_last_ok_timestamp_seconds",
        "The last good answer.",
        labels=labels,
    )
    for row in rows:
        names = [row.id, row.gateway]
        up.add_metric(names, 0 if row.health == "down" or row.paused else 1)
        if row.last_ok_at is not None:
            last.add_metric(names, row.last_ok_at.timestamp())
    return [up, last]


def _numbers(rows: tuple[c.ThreeNumbers, ...]) -> list[Metric]:
    success = GaugeMetricFamily(
        "refundwatch_success_ratio", "Over 24 hours.", labels=["connection"]
    )
    time = GaugeMetricFamily(
        "refundwatch_processing_seconds",
        "From the request, over 24 hours.",
        labels=["connection", "stage", "quantile"],
    )
    for row in rows:
        if row.success_rate is not None:
            success.add_metric([row.connection], row.success_rate)
        for stage, percentiles in row.processing.items():
            for quantile, name in _QUANTILES:
                value = getattr(percentiles, name)
                if value is not None:
                    time.add_metric([row.connection, stage, quantile], value)
    return [success, time]


def _uptime(rows: tuple[c.UptimeRow, ...]) -> Metric:
    family = GaugeMetricFamily(
        "refundwatch_uptime_ratio",
        "Of the time observed within the window.",
        labels=["connection", "window"],
    )
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    for row in rows:
        for name in (row.connection, EVERYWHERE):
            observed, down = sums.get((name, row.window_seconds), (0, 0))
            found = (observed + row.observed_ms, down + row.down_ms)
            sums[name, row.window_seconds] = found
    for (name, window), (observed, down) in sums.items():
        if observed:
            family.add_metric([name, _WINDOWS[window]], (observed - down) / observed)
    return family


def _deliveries(counted: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(
        "refundwatch_deliveries", "Webhooks by verdict.", labels=["account", "verdict"]
    )
    for (account, verdict), count in counted.items():
        family.add_metric([account, verdict], count)
    return family


def _queues(found: Iterable[Queue]) -> list[Metric]:
    peak = GaugeMetricFamily(
        "refundwatch_queue_high_water",
        "The most that ever waited or ran at once.",
        labels=["queue"],
    )
    bound = GaugeMetricFamily(
        "refundwatch_queue_bound", "What it never exceeds.", labels=["queue"]
    )
    for queue in found:
        peak.add_metric([queue.name], queue.peak)
        bound.add_metric([queue.name], queue.bound)
    return [peak, bound]
