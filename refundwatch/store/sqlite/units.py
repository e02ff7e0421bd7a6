"""The only list of the modules whose functions do the store's work.

Invariant: importing this registers every unit and every question exactly once.
"""

from __future__ import annotations

from refundwatch.store.sqlite import (
    alarms,
    calendar,
    decisions,
    house,
    intake,
    nudges,
    payments,
    tokens,
)

MODULES = (alarms, calendar, decisions, house, intake, nudges, payments, tokens)
