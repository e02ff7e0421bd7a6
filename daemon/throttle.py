"""Token buckets by key: how often somebody may try.

Invariant: memory is bounded; a key that is pushed out starts with a full bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from refundwatch.flow.ports import Clock

_KEYS: Final = 4096


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

    def _level(self, key: str) -> float:
        level, at = self._buckets.get(key, (float(self._burst), 0.0))
        passed = self._clock.monotonic() - at
        return min(level + passed * self._per_second, float(self._burst))
