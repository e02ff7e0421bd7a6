"""The only list of the modules whose functions do the store's work.

Invariant: importing this registers every unit and every question exactly once.
"""

from __future__ import annotations

from refundwatch.store.sqlite import (
    alarms,
    arrivals,
    backfill,
    calendar,
    claims,
    customers,
    decisions,
    deliveries,
    events,
    health,
    house,
    intake,
    nudges,
    payments,
    proof,
    queries_list,
    queries_log,
    queries_numbers,
    queries_payments,
    queries_refunds,
    queries_versions,
    recovery,
    replaying,
    rhythm,
    rotation,
    tokens,
)

MODULES = (
    alarms,
    arrivals,
    backfill,
    calendar,
    claims,
    customers,
    decisions,
    deliveries,
    events,
    health,
    house,
    intake,
    nudges,
    payments,
    proof,
    queries_list,
    queries_log,
    queries_numbers,
    queries_payments,
    queries_refunds,
    queries_versions,
    recovery,
    replaying,
    rhythm,
    rotation,
    tokens,
)
