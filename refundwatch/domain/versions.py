"""Which version of a gateway's API answers, and whether a change made calls time out.

A run is what one version answered of one operation over one connection. Calls without
an answer name no version: they count for the version that answered last.

Invariant: whether a change had an effect is judged at a few fixed counts of calls and
never in between, because who looks after every call finds an effect in any noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from refundwatch.domain.proportion import Z95, Z99, Share, difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NOTHING: Final = Share()
UNNAMED: Final = ""
"""The version of an operation in which nobody names one."""

ENOUGH: Final = 40
"""Calls after a change that allow a first verdict whatever they show."""

LOOKS: Final[Mapping[int, float]] = {20: Z99, ENOUGH: Z95, 200: Z99, 1000: Z99}
"""After how many calls a change is judged, and how sure an effect must be then.

One look at 95 % is the verdict. The early one, for what nobody should wait for, and
the later ones, which may correct it, ask for 99 %: together they hardly add to what
chance alone may pass off as an effect.
"""

FEW_BEFORE: Final = 20
"""With fewer calls before a change nothing can be said of its effect."""

LAST_LOOK: Final = max(LOOKS)
BLOCK: Final = 1000
"""What counts as "before" are the newest one to two blocks of so many calls."""

RETURNS_AFTER: Final = timedelta(hours=24)
"""A version not seen for so long that answers again is a change anew. While a gateway
rolls a version out, old and new answer in turn, which is one change."""


class Effect(StrEnum):
    """What a change did to timeouts, as far as the calls tell."""

    OPEN = "open"
    MORE = "more_timeouts"
    FEWER = "fewer_timeouts"
    NONE = "no_effect"
    TOO_FEW = "too_few_calls"


@dataclass(frozen=True, slots=True)
class Named:
    """The version a call counts for; `stated` when a gateway's answer names it."""

    version: str
    stated: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What one version answered since `since`; shares are timeouts of calls.

    `block` and `past` are the newest calls, `lent` those before the run, for as long
    as it has few of its own. `watched` says that a notice waits for its calls.
    """

    version: str
    stated: bool
    asked: str | None
    since: datetime
    last_at: datetime
    tried: Share = NOTHING
    block: Share = NOTHING
    past: Share = NOTHING
    lent: Share = NOTHING
    watched: bool = False

    @property
    def recent(self) -> Share:
        """Give the newest calls, with those before the run where it has few."""
        own = self.past + self.block
        return own if own.whole >= ENOUGH else own + self.lent


def named(current: Run | None, answered: str | None, asked: str | None) -> Named:
    """Say which version a call counts for, from what it asked and was answered."""
    if answered:
        return Named(answered, stated=True)
    if current is not None and current.stated:
        return Named(current.version, stated=True)
    return Named(asked or UNNAMED, stated=False)


def is_change(current: Run, known: Run | None, name: Named, at: datetime) -> bool:
    """Tell whether another version answers now that did not answer of late.

    What an answer does not state is not a change of the gateway: one operation may
    ask two paths of different versions.
    """
    if not (current.stated and name.stated) or name.version == current.version:
        return False
    return known is None or at - known.last_at > RETURNS_AFTER


def begun(current: Run | None, name: Named, asked: str | None, at: datetime) -> Run:
    """Begin a run; what was before it is lent to it."""
    lent = NOTHING if current is None else current.recent
    return Run(name.version, name.stated, asked, at, at, lent=lent)


def counted(run: Run, at: datetime, *, timed_out: bool) -> Run:
    """Count one call."""
    one = Share(int(timed_out), 1)
    block, past = run.block + one, run.past
    if block.whole >= BLOCK:
        block, past = NOTHING, block
    return replace(
        run,
        last_at=max(run.last_at, at),
        tried=run.tried + one,
        block=block,
        past=past,
    )


def judged(known: Effect, before: Share, after: Share) -> Effect:
    """Judge a change where its calls are just as many as a look asks for."""
    z = LOOKS.get(after.whole)
    if z is None:
        return known
    if before.whole < FEW_BEFORE:
        return Effect.TOO_FEW if after.whole >= ENOUGH else known
    seen = difference(before, after, z)
    if seen.excludes_zero:
        return Effect.MORE if seen.value > 0 else Effect.FEWER
    if after.whole < ENOUGH or difference(before, after).excludes_zero:
        return known
    return Effect.NONE
