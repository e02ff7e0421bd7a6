"""How often an account's webhooks come, and when their silence is longer than usual.

Time counts only while refunds wait for a word of their gateway. The week is cut into
blocks of three hours, working days and weekends apart, and each block learns how long
silences within it usually are. Blocks that are usually silent (nights, weekends) say
nothing; in the others silence adds up, measured in the gaps that are expected there.
What is too slow for that is held against the account's longest gaps as a whole. A gap
weighs as much as it lasted: a burst of deliveries says no more than its moment.

Invariant: before a rhythm is learned silence is alarmed late, never by a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from refundwatch.domain.histogram import Histogram, bucket_middle_ms, bucket_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PATIENCE: Final = 1.5
"""So many expected gaps of silence are an alarm; within two it has been seen."""

LEAST_SECONDS: Final = 120
"""A shorter gap is never expected: we do not look often enough to tell."""

UNLEARNED_SECONDS: Final = 2 * 86_400
"""The gap that is expected as long as no weekend was seen."""

NEVER_HEARD_SECONDS: Final = 57_600
"""The gap that is expected where webhooks never came: a day of that is an alarm."""

UNHEARD_SECONDS: Final = 600
"""Where nobody looked for longer, nobody listened: that was no silence."""

LEAST_GAPS: Final = 8
WHOLE: Final = "whole"
_BLOCK_HOURS: Final = 3
_QUIET_SECONDS: Final = _BLOCK_HOURS * 1800
_USUAL_PERMILLE: Final = 995
_ALARMED_COUNTS: Final = 2.0
_SATURDAY: Final = 5


def block_of(local: datetime) -> str:
    """Name the block of the week that a moment, in the account's time, lies in."""
    days = "weekend" if local.weekday() >= _SATURDAY else "work"
    return f"{days}/{local.hour // _BLOCK_HOURS * _BLOCK_HOURS:02d}"


@dataclass(frozen=True, slots=True)
class Learned:
    """The gaps within one block, of the week `week` and of the one known before it.

    The histograms count seconds by the length of the gap that they lay in.
    """

    week: int
    gaps: int = 0
    recent: Histogram = field(default_factory=Histogram)
    before: Histogram = field(default_factory=Histogram)

    def with_gap(self, seconds: float, week: int) -> Learned:
        """Count one more gap."""
        at = self if week == self.week else Learned(week, self.gaps, before=self.recent)
        bucket = bucket_of(round(seconds * 1000))
        more = Histogram.of_buckets([(bucket, max(round(seconds), 1))])
        return replace(at, gaps=at.gaps + 1, recent=at.recent.merged(more))

    def usual_seconds(self) -> float | None:
        """Give the gap that is seldom exceeded; None where too few were seen."""
        if self.gaps < LEAST_GAPS:
            return None
        counts = self.before.merged(self.recent).counts
        sums = list(accumulate(seconds for _, seconds in counts))
        rank = -(-sums[-1] * _USUAL_PERMILLE // 1000)
        place = next(place for place, upto in enumerate(sums) if upto >= rank)
        return max(bucket_middle_ms(counts[place][0]) / 1000, LEAST_SECONDS)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is known of one account's webhooks.

    `silent_since` is None while nothing waits for a word; `silent` are the seconds of
    the silence so far by block, `looked_at` is when that was last looked at.
    """

    looked_at: datetime | None = None
    heard_at: datetime | None = None
    silent_since: datetime | None = None
    silent: Mapping[str, float] = field(default_factory=dict)
    learned: Mapping[str, Learned] = field(default_factory=dict)

    @property
    def silent_seconds(self) -> float:
        """Give how long nothing has been heard although something should."""
        return sum(self.silent.values())

    @property
    def expected_seconds(self) -> float:
        """Give the gap that is expected at the longest, where the silence is now."""
        lively = [usual for block in self.silent if (usual := self._lively(block))]
        return max(lively, default=self._whole())

    @property
    def expected_gaps(self) -> float:
        """Give the silence in expected gaps."""
        pieces = [
            seconds / usual
            for block, seconds in self.silent.items()
            if (usual := self._lively(block))
        ]
        return max(sum(pieces), self.silent_seconds / self._whole())

    def expected_at(self, local: datetime) -> float:
        """Give the gap that is expected at a moment, in the account's time."""
        lively = self._lively(block_of(local))
        return self._whole() if lively is None else lively

    def is_learned_at(self, local: datetime) -> bool:
        """Tell whether that gap was learned, or stands in for what nobody knows yet."""
        if self._lively(block_of(local)) is not None:
            return True
        learned = self.learned.get(WHOLE)
        if learned is None or self.heard_at is None:
            return False
        return learned.usual_seconds() is not None and bool(learned.before.count)

    @property
    def is_too_long(self) -> bool:
        """Tell whether the silence is longer than usual."""
        return self.expected_gaps >= PATIENCE

    def _lively(self, block: str) -> float | None:
        """Give a block's usual gap; None where silence is usual, or nothing known."""
        learned = self.learned.get(block)
        usual = learned.usual_seconds() if learned is not None else None
        return usual if usual is not None and usual <= _QUIET_SECONDS else None

    def _whole(self) -> float:
        """Give the account's usual gap over whole weeks."""
        if self.heard_at is None:
            return NEVER_HEARD_SECONDS
        learned = self.learned.get(WHOLE)
        usual = learned.usual_seconds() if learned is not None else None
        if learned is None or usual is None or not learned.before.count:
            return UNLEARNED_SECONDS
        return usual


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an account: when, there in local time, and what was found.

    `heard_at` is when its last delivery came, `awaited` how many refunds wait.
    """

    at: datetime
    local: datetime
    heard_at: datetime | None
    awaited: int


def listen(rhythm: Rhythm, look: Look) -> Rhythm:
    """Learn from one look; the silence goes on, begins anew, or is none."""
    last, heard_at = rhythm.looked_at, look.heard_at
    if not _was_here(last, look.at):
        rhythm = replace(rhythm, silent_since=None, silent={})
    rhythm = replace(rhythm, looked_at=look.at)
    if heard_at is not None and heard_at > look.at:
        # Stamped by a clock that was ahead: until it is past, nothing can be told.
        return replace(rhythm, silent_since=None, silent={})
    if heard_at is not None and heard_at != rhythm.heard_at:
        rhythm = _heard(_waited(rhythm, last, heard_at, look), heard_at, look)
        last = heard_at
    if look.awaited <= 0:
        return replace(rhythm, silent_since=None, silent={})
    return _waited(rhythm, last, look.at, look)


def _was_here(last: datetime | None, at: datetime) -> bool:
    return last is not None and 0 <= (at - last).total_seconds() <= UNHEARD_SECONDS


def _waited(
    rhythm: Rhythm, last: datetime | None, until: datetime, look: Look
) -> Rhythm:
    """Add the time since the last look to a silence; one that begins has none."""
    if rhythm.silent_since is None or last is None:
        return replace(rhythm, silent_since=until, silent={block_of(look.local): 0.0})
    block = block_of(look.local)
    more = max((until - last).total_seconds(), 0.0)
    silent = {**rhythm.silent, block: rhythm.silent.get(block, 0.0) + more}
    return replace(rhythm, silent=silent)


def _heard(rhythm: Rhythm, heard_at: datetime, look: Look) -> Rhythm:
    """End a silence and learn from it; after it another one begins."""
    learned = dict(rhythm.learned)
    if rhythm.silent_seconds > 0:
        # A loss of webhooks is no rhythm, but one that changed is learned bit by bit.
        share = min(1.0, _ALARMED_COUNTS / max(rhythm.expected_gaps, 1e-9))
        week = look.local.date() - timedelta(days=look.local.weekday())
        gaps = {**rhythm.silent, WHOLE: rhythm.silent_seconds}
        for block, seconds in gaps.items():
            known = learned.get(block, Learned(week.toordinal()))
            learned[block] = known.with_gap(seconds * share, week.toordinal())
    return replace(
        rhythm, heard_at=heard_at, silent_since=heard_at, silent={}, learned=learned
    )
