"""When to try again, when to look, and how old an open question is.

Invariant: a wait is never shorter than the gateway asked for, and it is the same for
the same refund and attempt, so that a replay is exact and a crowd still spreads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import TYPE_CHECKING, Final

from refundwatch.domain.resolve import backoff
from refundwatch.gateways.contract import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.domain.refund import Refund
    from refundwatch.flow.ports import Clock, FlowSettings
    from refundwatch.gateways.contract import Capabilities

RETRY_CAP_SECONDS: Final = 600
"""What certainly was not executed is tried again at least this often."""

LONGEST_ASKED_SECONDS: Final = 86_400
"""The longest wait that a gateway can ask for; more is read as this."""

FAR: Final = timedelta(days=365)
_SPREAD: Final = 0.5
_MOST_MARKS: Final = 100_000


def spread(key: str, tries: int) -> float:
    """Give a fraction in [0, 1) that depends on the refund and the try alone."""
    digest = sha256(f"{key}:{tries}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def can_be_read(capabilities: Capabilities) -> bool:
    """Tell whether the gateway can be asked about a refund at all."""
    return capabilities.reads_refund or capabilities.lookup is not Lookup.NONE


class Pace:
    """The waits between tries, from the settings that hold when one is asked for."""

    def __init__(self, rules: Callable[[], FlowSettings], clock: Clock) -> None:
        """Take the waits from the settings that `rules` gives."""
        self._rules = rules
        self._clock = clock

    @property
    def _settings(self) -> FlowSettings:
        return self._rules()

    @property
    def longest_seconds(self) -> int:
        """Give the longest wait before the next try or look of anything."""
        settings = self._settings
        longest = max(
            *settings.backoff_seconds,
            settings.in_flight_seconds,
            settings.settle_delay_seconds,
            settings.poll_first_seconds,
            settings.poll_repeat_seconds,
            LONGEST_ASKED_SECONDS,
        )
        return int(longest * (1 + _SPREAD)) + 1

    def retry_at(self, refund: Refund, at_least: float | None = None) -> datetime:
        """Say when a refund that was not executed is sent again.

        `at_least` is what the gateway asked for, in seconds.
        """
        return self.after_tries(
            refund.id, max(refund.attempts - 1, 0), at_least, RETRY_CAP_SECONDS
        )

    def after_tries(
        self,
        key: str,
        tries: int,
        at_least: float | None = None,
        cap_seconds: float | None = None,
    ) -> datetime:
        """Say when to try again after so many tries, spread by the key."""
        base = backoff(self._settings.backoff_seconds, tries).total_seconds()
        if cap_seconds is not None:
            base = min(base, cap_seconds)
        base = max(base, self._asked(at_least))
        wait = base * (1 + _SPREAD * spread(key, tries))
        return self._clock.now() + timedelta(seconds=wait)

    def look_at(self, refund: Refund, at_least: float | None = None) -> datetime:
        """Say when an unanswered refund is looked up, exactly by the back-off."""
        tries = max(refund.lookups, refund.attempts - 1, 0)
        wait = backoff(self._settings.backoff_seconds, tries).total_seconds()
        wait = max(wait, self._asked(at_least))
        return self._clock.now() + timedelta(seconds=wait)

    def _asked(self, seconds: float | None) -> int:
        """Give what a gateway asked for, in whole seconds, as long as it is here."""
        return self._settings.scaled(ceil(seconds or 0))

    def first_poll(self, capabilities: Capabilities) -> datetime | None:
        """Say when a pending refund is first asked about; None where nobody can."""
        if not can_be_read(capabilities):
            return None
        return self._clock.now() + timedelta(seconds=self._settings.poll_first_seconds)

    def next_poll(self, refund: Refund, at_least: float | None = None) -> datetime:
        """Say when a pending refund is asked about again."""
        wait = max(self._settings.poll_repeat_seconds, self._asked(at_least))
        jitter = 1 + _SPREAD * spread(refund.id, 0)
        return self._clock.now() + timedelta(seconds=wait * jitter)


@dataclass(slots=True)
class _Mark:
    """What the monotonic clock knows of one refund; times in its seconds."""

    first_sent_at: datetime
    seen: float
    age_then: float
    sent: float | None = None
    absent: float | None = None


class Ages:
    """How long ago refunds were sent, whatever the wall clock does.

    The age is the larger of the wall's difference and of what the monotonic clock
    saw in this process. That one stands still while the machine sleeps, so it is no
    measure any more once the wall was seen before the moment of sending.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing seen."""
        self._clock = clock
        self._marks: dict[str, _Mark] = {}

    def sent(self, refund: Refund) -> None:
        """Note that the refund is sent at this moment."""
        mark = self._mark(refund)
        if mark is not None:
            mark.sent = self._clock.monotonic()
            mark.absent = None

    def absent(self, refund: Refund) -> None:
        """Note the first look-up whose "not found" counts."""
        mark = self._mark(refund)
        if mark is not None and mark.absent is None:
            mark.absent = self._clock.monotonic()

    def of(self, refund: Refund, unsure_seconds: float) -> int:
        """Give the age in seconds, 0 for one never sent.

        It is at least `unsure_seconds` where the wall clock was set back meanwhile:
        then nobody knows.
        """
        mark = self._mark(refund)
        if mark is None:
            return 0
        now = self._clock.monotonic()
        wall = (self._clock.now() - mark.first_sent_at).total_seconds()
        if wall < 0:
            mark.age_then = wall
        age_then = mark.age_then if mark.age_then >= 0 else unsure_seconds
        return int(max(wall, age_then + now - mark.seen, 0))

    def missing_seconds(
        self, refund: Refund, in_flight_seconds: float, settle_seconds: float
    ) -> float:
        """Give how long a conclusion from absence must wait by the monotonic clock.

        Only what this process saw counts, so 0 can also mean "not known here". The
        wait is in whole seconds: the wall would round a small part of one away, and
        who waits for nothing looks again for ever.
        """
        mark = self._mark(refund)
        if mark is None:
            return 0.0
        now = self._clock.monotonic()
        waits = [0.0]
        if mark.sent is not None:
            waits.append(mark.sent + in_flight_seconds - now)
        if mark.absent is not None:
            waits.append(mark.absent + settle_seconds - now)
        return float(ceil(max(waits)))

    def forget(self, refund_id: str) -> None:
        """Drop what is noted of a refund whose question is closed."""
        self._marks.pop(refund_id, None)

    def _mark(self, refund: Refund) -> _Mark | None:
        sent_at = refund.first_sent_at
        if sent_at is None:
            return None
        mark = self._marks.get(refund.id)
        if mark is None or mark.first_sent_at != sent_at:
            if len(self._marks) >= _MOST_MARKS:
                self._marks.pop(next(iter(self._marks)))
            wall = (self._clock.now() - sent_at).total_seconds()
            mark = _Mark(sent_at, self._clock.monotonic(), wall)
            self._marks[refund.id] = mark
        return mark
