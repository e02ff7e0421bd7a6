"""Webhook ingest: verified, kept once, durable with its audit entry, then answered.

64 keep-alive connections send signed Stripe events of 2 KB, each of them new and each
about a refund that the daemon knows, as fast as they are answered. An answer of 200 is
a delivery on the disk: the bench counts both and compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import peers
from bench.hub import running_hub
from bench.ratio import Row, at_least, interleaved
from bench.stand import Target, environment, load, running_bare, running_djstripe

if TYPE_CHECKING:
    from bench.hub import Hub

TABLE: Final = "webhook ingest, 64 connections"
REACH: Final = 0.35
REACH_DJSTRIPE: Final = 40.0
NOTE: Final = (
    "events about refunds that are paid out already; the inbox applies them beside "
    "ingest, the crowd at the door first; uvloop on both sides where the peers lend it"
)


def run(short: bool) -> list[Row]:  # noqa: FBT001 - every table's signature
    """Measure ours beside the bare handler, and beside dj-stripe where it is there."""
    seconds, rounds = (0.5, 1) if short else (3.0, 7)
    if not short:
        peers.python()
    with (
        running_hub(environment()) as hub,
        running_bare(hub.subjects) as bare,
        running_djstripe(hub.subjects) as djstripe,
    ):
        variants = {
            "ours": lambda: _take(hub, seconds),
            "bare": lambda: load(bare, seconds).per_second,
        }
        if djstripe is not None:
            variants["dj-stripe"] = lambda: (
                load(djstripe, seconds, warm_up_seconds=2.0).per_second
            )
        found = interleaved(variants, rounds)
    ours = ("refundwatch, events/s", found["ours"])
    rows = [
        at_least(
            TABLE,
            ours,
            ("bare aiohttp handler, requests/s", found["bare"]),
            REACH,
            NOTE,
        )
    ]
    if djstripe is not None:
        theirs = ("dj-stripe, events/s", found["dj-stripe"])
        rows.append(at_least(TABLE, ours, theirs, REACH_DJSTRIPE))
    return rows


def target_of(hub: Hub) -> Target:
    """Describe the daemon as a target."""
    return Target(hub.port, "/webhooks/stripe-uk", hub.secret, hub.subjects, 25_000)


def _take(hub: Hub, seconds: float) -> float:
    stored = hub.count()
    taken = load(target_of(hub), seconds)
    if hub.count() - stored != taken.ok:
        raise RuntimeError("An answered delivery is not on the disk.")
    hub.come_to_rest()
    return taken.per_second
