"""How long it takes from a request to the money's leaving, as far as it was seen.

Refunds that are still open are censored, not left out: that they have waited so long
says something too. Ways to end are two, paid and unpaid (Aalen-Johansen estimator).
Source: O. Aalen, S. Johansen, Scandinavian Journal of Statistics 5 (1978).

Invariant: chances are never negative and never above 1 together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lags:
    """The chance to be paid `i` days after the request, and to be open before it."""

    paid: Floats
    waiting: Floats

    @property
    def share(self) -> float:
        """Give the chance to be paid at all, as far as was seen."""
        return float(self.paid.sum())

    def ahead(self, age: int, days: int) -> Floats:
        """Give the chances of an open refund to be paid today, tomorrow and so on.

        One that waits longer than any before it may leave at any moment: it counts as
        due today, by the share that is paid at all.
        """
        found = np.zeros(days)
        left = float(self.waiting[age]) if age < len(self.waiting) else 0.0
        if left <= 0:
            found[0] = min(self.share, 1.0)
            return found
        rest = self.paid[age : age + days] / left
        found[: len(rest)] = rest
        return found


AT_ONCE = Lags(np.ones(1), np.ones(1))
"""What is assumed while nothing has ended yet."""


def learn(
    paid: Mapping[int, int], ended: Mapping[int, int], waiting: Mapping[int, int]
) -> Lags:
    """Learn from counts by days: paid, ended unpaid, and still open by age."""
    if not paid:
        return AT_ONCE
    longest = max((*paid, *ended)) + 1
    left = np.ones(longest)
    chances = np.zeros(longest)
    at_risk = (
        sum(paid.values())
        + sum(ended.values())
        + sum(count for age, count in waiting.items() if age > 0)
    )
    still = 1.0
    for day in range(longest):
        left[day] = still
        gone = paid.get(day, 0) + ended.get(day, 0)
        if at_risk > 0:
            chances[day] = still * paid.get(day, 0) / at_risk
            still *= 1 - gone / at_risk
        # Whoever is a day older than this was seen through it, and no further.
        at_risk -= gone + waiting.get(day + 1, 0)
    return Lags(chances, left)
