"""How many places of a room each account may take: a storm never takes them all.

Invariant: an account that has no job under way always finds a place, however many
others are slow. Half of the places are kept, in equal parts, each for its account; the
rest is for whoever comes first.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refundwatch.flow.ports import Paths


class Places:
    """The places of one room, by account."""

    def __init__(self, paths: Paths, most: int) -> None:
        """Start with nothing taken; `most` are wanted at once over all accounts."""
        self._paths = paths
        self._taken: Counter[str] = Counter()
        self.wanted = most

    @property
    def most(self) -> int:
        """Give how many places there are: one for each account at least."""
        return max(self.wanted, len(self._widths()))

    def take(self, account: str) -> None:
        """Take a place; whoever does has asked `full` whether there is one."""
        self._taken[account] += 1

    def leave(self, account: str) -> None:
        """Give a place back."""
        self._taken[account] -= 1

    def full(self) -> frozenset[str]:
        """Give the accounts that find no place now."""
        widths = self._widths()
        if not widths:
            return frozenset()
        part = max(self.wanted // (2 * len(widths)), 1)
        kept = {
            name: max(min(part, width) - self._taken[name], 0)
            for name, width in widths.items()
        }
        most = max(self.wanted, len(widths))
        free = most - self._taken.total() - sum(kept.values())
        if free > 0:
            return frozenset()
        return frozenset(name for name, left in kept.items() if not left)

    def _widths(self) -> dict[str, int]:
        """Give what the connections of each account bear together."""
        widths: Counter[str] = Counter()
        for path in self._paths.all():
            widths[path.account.name] += path.concurrency
        return dict(widths)
