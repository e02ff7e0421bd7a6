"""How an account's webhooks usually come, as an API model.

Invariant: what is said to be expected is what the alarm goes by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from refundwatch.api import models as m
from refundwatch.domain.rhythm import PATIENCE

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.rhythm import Rhythm


def rhythm(known: Rhythm, timezone: str, now: datetime) -> m.RhythmView:
    """Present what was learned for this moment of the account's week."""
    local = now.astimezone(ZoneInfo(timezone))
    expected = known.expected_at(local)
    return m.RhythmView(
        expected_gap_seconds=round(expected),
        learned=known.is_learned_at(local),
        alarm_after_seconds=round(expected * PATIENCE),
        silent_since=known.silent_since,
        silent_seconds=round(known.silent_seconds),
        too_long=known.is_too_long,
    )
