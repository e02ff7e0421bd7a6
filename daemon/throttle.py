"""Token buckets by key: how often somebody may try.

Invariant: memory is bounded; a key that is pushed out starts with a full bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from refundwatch.config import ApiConfig
    from refundwatch.flow.ports import Clock

_KEYS: Final = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """How often somebody may ask: a second, and at once."""

    per_second: float
    burst: int


def rate_of(config: ApiConfig) -> Rate:
    """Give the configured rate of the operator API."""
    return Rate(float(config.requests_per_second), config.burst)


class Throttle:
    """Allows `burst` tries at once, then `per_second` more each second."""

    def __init__(self, clock: Clock, per_second: float, burst: int) -> None:
        """Start with every bucket full."""
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, key: str) -> bool:
        """Take one try from the key's bucket; False when it is empty."""
        level = self._level(key)
        allowed = level >= 1
        self._buckets[key] = (level - 1 if allowed else level, self._clock.monotonic())
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEYS:
            self._buckets.popitem(last=False)
        return allowed

    def wait_seconds(self, key: str) -> int:
        """Give after how many whole seconds the key's next try is allowed."""
        return max(1, ceil((1 - self._level(key)) / self._per_second))

    def _level(self, key: str) -> float:
        level, at = self._buckets.get(key, (float(self._burst), 0.0))
        passed = self._clock.monotonic() - at
        return min(level + passed * self._per_second, float(self._burst))
