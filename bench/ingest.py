"""Webhook ingest: verified, kept once, durable with its audit entry, then answered.

64 keep-alive connections send signed Stripe events of 2 KB, each of them new and each
about a refund that the daemon knows, as fast as they are answered. An answer of 200 is
a delivery on the disk: the bench counts both and compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.hub import running_hub
from bench.ratio import Row, at_least, interleaved
from bench.stand import Target, environment, load, running_bare

if TYPE_CHECKING:
    from bench.hub import Hub

TABLE: Final = "webhook ingest, 64 connections"
REACH: Final = 0.35


def run(short: bool) -> list[Row]:  # noqa: FBT001 - every table's signature
    """Measure ours beside the bare handler, and beside dj-stripe where it is there."""
    seconds, rounds = (0.5, 1) if short else (3.0, 7)
    with running_hub(environment()) as hub, running_bare(hub.subjects) as bare:
        ours = target_of(hub)

        def take() -> float:
            stored = hub.count()
            taken = load(ours, seconds)
            if hub.count() - stored != taken.ok:
                raise RuntimeError("An answered delivery is not on the disk.")
            hub.come_to_rest()
            return taken.per_second

        found = interleaved(
            {"ours": take, "bare": lambda: load(bare, seconds).per_second}, rounds
        )
    return [
        at_least(
            TABLE,
            ("refundwatch, events/s", found["ours"]),
            ("bare aiohttp handler, requests/s", found["bare"]),
            REACH,
        )
    ]


def target_of(hub: Hub) -> Target:
    """Describe the daemon as a target."""
    return Target(hub.port, "/webhooks/stripe-uk", hub.secret, hub.subjects, 25_000)
