"""How good forecasts were: WAPE, bias and coverage, of days and of sums.

Invariant: every way is scored on the same days, each foretold before it came.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Score:
    """One way at one horizon; shares of 1, None where there is nothing to divide by.

    `cover` is of days (or sums) not known to be empty; `cover_all` counts those too.
    """

    way: str
    horizon: int
    of: str
    targets: int
    wape: float | None
    bias: float | None
    cover: float | None
    cover_all: float | None


@dataclass(slots=True)
class Tally:
    """Misses of one way at one horizon, added up."""

    targets: int = 0
    actual: float = 0.0
    missed: float = 0.0
    lean: float = 0.0
    told: int = 0
    within: int = 0
    empty_right: int = 0
    banded: bool = False

    def add(self, actual: float, forecast: float) -> None:
        """Count one target."""
        self.targets += 1
        self.actual += actual
        self.missed += abs(forecast - actual)
        self.lean += forecast - actual

    def band(self, actual: float, low: float, high: float) -> None:
        """Count whether a target was within its band."""
        self.banded = True
        if high <= 0:
            self.empty_right += actual <= 0
            return
        self.told += 1
        self.within += low <= actual <= high

    def score(self, way: str, horizon: int, of: str) -> Score:
        """Give what it comes to."""
        hits = self.within + self.empty_right
        return Score(
            way=way,
            horizon=horizon,
            of=of,
            targets=self.targets,
            wape=_share(self.missed, self.actual),
            bias=_share(self.lean, self.actual),
            cover=_share(self.within, self.told) if self.banded else None,
            cover_all=_share(hits, self.targets) if self.banded else None,
        )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


@dataclass(slots=True)
class Board:
    """The tallies of all ways, horizons, days and sums."""

    tallies: dict[tuple[str, int, str], Tally] = field(default_factory=dict)

    def of(self, way: str, horizon: int, of: str) -> Tally:
        """Give one tally."""
        return self.tallies.setdefault((way, horizon, of), Tally())

    def scores(self) -> tuple[Score, ...]:
        """Give all scores, in the order they were begun."""
        return tuple(
            tally.score(way, horizon, of)
            for (way, horizon, of), tally in self.tallies.items()
        )
