"""The sandbox's clock: wall time that never goes back.

Invariant: readings only grow, whatever happens to the machine's wall clock.
"""

import time


class SteadyClock:
    """Count on from the wall time of the start by the monotonic clock."""

    def __init__(self) -> None:
        """Take the time of the start."""
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._start + time.monotonic()
