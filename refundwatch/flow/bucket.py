"""How many calls a second a connection bears: a token bucket each.

Invariant: no job begins without a token. What a job has begun goes on, and a probe may
not wait: their calls are owed, and paid for before the next job begins.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Tokens of one connection; `rate` a second, `burst` at most; times monotonic."""

    rate: float
    burst: int
    tokens: float
    filled_at: float

    def seconds_to_token(self, now: float) -> float:
        """Give how long until a call may begin, 0 where it may now."""
        self._fill(now)
        return max((1.0 - self.tokens) / self.rate, 0.0)

    def spend(self, now: float) -> None:
        """Take a token for a call that begins; it may be owed."""
        self._fill(now)
        self.tokens -= 1.0

    def _fill(self, now: float) -> None:
        gained = max(now - self.filled_at, 0.0) * self.rate
        self.tokens = min(self.tokens + gained, float(self.burst))
        self.filled_at = now
