"""How well each connection did with orders lately; for choosing, never for counting.

Invariant: what was seen loses half its weight every five minutes, so that a connection
that was passed over is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.health import FAILING_OUTCOMES

if TYPE_CHECKING:
    from refundwatch.store.contract import CallRecord

ORDERS: Final = frozenset({"refund", "void"})
HALF_LIFE_SECONDS: Final = 300.0
_WEIGHT: Final = 0.125
_BEST: Final = 1000.0


@dataclass(slots=True)
class _Score:
    """Answered orders in a thousand, and milliseconds each; `at` is monotonic."""

    answered: float
    latency_ms: float
    at: float


class Scores:
    """The scores of connections, from the calls that this process saw."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._scores: dict[str, _Score] = {}

    def saw(self, connection: str, call: CallRecord, now: float) -> None:
        """Add a call; only orders say how well orders go."""
        if call.operation not in ORDERS:
            return
        good = 0.0 if call.outcome in FAILING_OUTCOMES else _BEST
        score = self._scores.get(connection)
        if score is None:
            score = _Score(_BEST, float(call.duration_ms), now)
            self._scores[connection] = score
        answered = self._faded(score, now)
        score.answered = answered + (good - answered) * _WEIGHT
        score.latency_ms += (call.duration_ms - score.latency_ms) * _WEIGHT
        score.at = now

    def of(self, connection: str, now: float) -> tuple[int | None, int | None]:
        """Give answered orders in a thousand and milliseconds each; None unknown."""
        score = self._scores.get(connection)
        if score is None:
            return None, None
        return round(self._faded(score, now)), round(score.latency_ms)

    def _faded(self, score: _Score, now: float) -> float:
        """Forget failures with time: what was long ago counts as good."""
        left: float = 0.5 ** (max(now - score.at, 0.0) / HALF_LIFE_SECONDS)
        return _BEST - (_BEST - score.answered) * left
