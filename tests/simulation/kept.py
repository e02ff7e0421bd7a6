"""Seeds that once broke an invariant, and what was wrong; they are played for ever."""

from __future__ import annotations

from typing import Final

KEPT: Final[dict[int, str]] = {
    46: "a stranger's refund was booked by a read, and again by its webhook",
}
