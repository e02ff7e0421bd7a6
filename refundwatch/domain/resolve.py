"""What follows from looking for a refund whose outcome is unknown (P7).

Invariant: an unknown refund is never given another key and never sent again outside
the window in which its gateway honours the key; "not found" is a statement about now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import (
    LookedUpAbsent,
    ProvenAbsent,
    RefusalConfirmed,
    Unresolvable,
)

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.domain.refund import Refund


@dataclass(frozen=True, slots=True)
class ResolveRules:
    """How a gateway's unknowns are resolved; all times in seconds.

    `in_flight_seconds` is the longest time a request may still be on its way,
    `settle_delay_seconds` the least time between two negative look-ups that count.
    `resend_within_seconds` is how long a key may be used again by the gateway's own
    rule, where our margin would leave less. `resends` is False where nothing may be
    sent, whatever the key's age: then only look-ups and people can end the doubt.
    `evidence_seconds` after the first send the gateway's own message may still tell
    what a look-up cannot. `resend_wait_seconds` is 0 where the key protects a resend
    at once; else a resend needs two negative look-ups, so long after the last send and
    so long apart.
    """

    has_lookup: bool
    key_window_seconds: int
    complete_listing: bool
    backoff_seconds: tuple[int, ...]
    settle_delay_seconds: int
    in_flight_seconds: int
    resends: bool = True
    evidence_seconds: int = 0
    resend_wait_seconds: int = 0
    resend_within_seconds: int = 0


@dataclass(frozen=True, slots=True)
class ResendSameKey:
    """Send the stored bytes again under the stored key."""


_SET_BACK: Final = timedelta(hours=1)
"""A send further ahead than this was stamped by a clock that was wrong."""

AfterAbsence = (
    ResendSameKey | LookedUpAbsent | ProvenAbsent | RefusalConfirmed | Unresolvable
)


def safe_window_seconds(key_window_seconds: int) -> int:
    """Give how long a key may be reused: retention less max(1 h, 5 %), or nothing."""
    margin = max(3600, key_window_seconds * 5 // 100)
    return max(key_window_seconds - margin, 0)


def backoff(steps: tuple[int, ...], tries: int) -> timedelta:
    """Give the wait after `tries` looks; the last step repeats for ever."""
    return timedelta(seconds=steps[min(tries, len(steps) - 1)])


def may_resend(refund: Refund, rules: ResolveRules, elapsed_seconds: int) -> bool:
    """Say whether the same key still protects a resend of the same bytes.

    `elapsed_seconds` since the first send is the larger of wall and monotonic time.
    """
    if not rules.resends or refund.key_stuck or refund.refused_code is not None:
        return False
    safe = safe_window_seconds(rules.key_window_seconds)
    return elapsed_seconds < max(safe, rules.resend_within_seconds)


def after_absence(
    refund: Refund, rules: ResolveRules, elapsed_seconds: int, at: datetime
) -> AfterAbsence:
    """Say what follows when a look-up did not find the refund at `at`.

    A gateway without look-up is asked here too: absence is all it can say. A send
    that the wall clock puts far into the future has no age; then two looks apart end
    with people, and nothing else follows from them.
    """
    due_at = at + backoff(rules.backoff_seconds, refund.lookups + 1)
    if may_resend(refund, rules, elapsed_seconds):
        return _before_resend(refund, rules, at) or ResendSameKey()
    waiting = _before_conclusion(refund, rules, at, due_at)
    if waiting is not None:
        return waiting
    if not rules.has_lookup:
        # Its webhook or its report may still tell, as long as the key is alive.
        if elapsed_seconds < rules.key_window_seconds:
            return LookedUpAbsent(due_at=due_at, counts=False)
        return Unresolvable("no_lookup_outside_window")
    settled_at = _sent_until(refund, rules.in_flight_seconds, at)
    ahead = settled_at - at > _SET_BACK
    if at < settled_at and not ahead:
        return LookedUpAbsent(due_at=max(settled_at, due_at), counts=False)
    plainly = refund.refused_code is not None and not refund.refusal_may_be_echo
    if plainly and not ahead:
        return RefusalConfirmed()
    again_at = _missing_look_at(refund, rules.settle_delay_seconds, at)
    if again_at is not None:
        return LookedUpAbsent(due_at=max(again_at, due_at), counts=True)
    if refund.refused_code is not None:
        return Unresolvable("refused_in_doubt")
    if rules.complete_listing and not ahead:
        return ProvenAbsent("absent_from_complete_listing", due_at=at)
    why = "absent_outside_window" if rules.resends else "absent_and_frozen"
    return Unresolvable(why)


def _before_conclusion(
    refund: Refund, rules: ResolveRules, at: datetime, due_at: datetime
) -> LookedUpAbsent | None:
    """Give the next look while the gateway's own message may still come.

    Counted from the last send. A send that lies far ahead was stamped by a wrong clock:
    then nothing is waited for, and two looks apart end with people.
    """
    until = _sent_until(refund, rules.evidence_seconds, at)
    ahead = _sent_until(refund, 0, at) - at > _SET_BACK
    if not rules.evidence_seconds or ahead or at >= until:
        return None
    landed = at >= _sent_until(refund, rules.in_flight_seconds, at)
    counts = rules.has_lookup and landed
    return LookedUpAbsent(due_at=min(due_at, until), counts=counts)


def _before_resend(
    refund: Refund, rules: ResolveRules, at: datetime
) -> LookedUpAbsent | None:
    """Give the look that must come before a resend, where one is missing yet.

    There are two of them between two sends, so they need no growing back-off.
    """
    wait = rules.resend_wait_seconds
    if not wait:
        return None
    settled_at = _sent_until(refund, wait, at)
    if at < settled_at <= at + _SET_BACK:
        return LookedUpAbsent(due_at=settled_at, counts=False)
    again_at = _missing_look_at(refund, wait, at)
    if again_at is not None:
        return LookedUpAbsent(due_at=again_at, counts=True)
    return None


def _missing_look_at(
    refund: Refund, apart_seconds: int, at: datetime
) -> datetime | None:
    """Say when to look again; None where two looks that far apart found nothing.

    A look that lies in the future was stamped by a wrong clock, and is none.
    """
    apart = timedelta(seconds=apart_seconds)
    first = refund.negative_lookup_at
    if first is None or first > at:
        return at + apart
    return first + apart if at - first < apart else None


def _sent_until(refund: Refund, seconds: int, at: datetime) -> datetime:
    return (refund.last_sent_at or at) + timedelta(seconds=seconds)
