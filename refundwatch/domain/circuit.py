"""When a connection's orders or reads are left alone, and when they are tried again.

A circuit opens at the fifth failure in a row, or by hand. After a wait that doubles
with each trip it is half open: then reads are let through to find out (a probe, or one
that is due anyway), and the second good one in a row closes it. One opened by hand
without an end stays open until somebody closes it. Invariant: no order leaves over a
circuit that is not closed; what was on its way when it opened neither closes nor
lengthens it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

FAILURES_TO_OPEN: Final = 5
READS_TO_CLOSE: Final = 2
FIRST_WAIT: Final = timedelta(seconds=30)
DOUBLINGS: Final = 4
LONGEST_WAIT: Final = FIRST_WAIT * 2**DOUBLINGS
LONGEST_TRIP: Final = timedelta(days=7)
"""The longest that a circuit is opened by hand with an end."""


class Part(StrEnum):
    """Which of a connection's operations a circuit stands for."""

    ORDERS = "orders"
    READS = "reads"


class Standing(StrEnum):
    """How a circuit stands at a moment."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One circuit; `actor` is who opened it, None where it opened by itself.

    `until` is when it is half open, None while it is closed and for one that only a
    person closes. `trips` counts how often it opened since orders last went well.
    """

    failures: int = 0
    trips: int = 0
    opened_at: datetime | None = None
    until: datetime | None = None
    good_reads: int = 0
    reason: str | None = None
    actor: str | None = None

    def standing(self, now: datetime) -> Standing:
        """Say how it stands now.

        An end further ahead than any wait was stamped by a clock that was wrong.
        """
        if self.opened_at is None:
            return Standing.CLOSED
        if self.until is None:
            return Standing.OPEN
        longest = LONGEST_WAIT if self.actor is None else LONGEST_TRIP
        waits = timedelta() < self.until - now <= longest
        return Standing.OPEN if waits else Standing.HALF_OPEN


@dataclass(frozen=True, slots=True)
class Called:
    """One call that ended: of which part it was; `failure` names how it failed."""

    part: Part
    started_at: datetime
    ended_at: datetime
    failure: str | None = None


def after_call(
    circuit: Circuit, part: Part, called: Called, first_wait: timedelta = FIRST_WAIT
) -> Circuit:
    """Give the circuit of `part` after a call.

    `first_wait` is how long it stays open the first time; where a connection is looked
    at more often than usual it may be less than `FIRST_WAIT`, never more.
    """
    if circuit.opened_at is not None:
        return _while_open(circuit, called, first_wait)
    if called.part is not part:
        return circuit
    if called.failure is None:
        return Circuit() if circuit.failures or circuit.trips else circuit
    failures = circuit.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(circuit, failures=failures)
    return _opened(circuit, called.ended_at, called.failure, first_wait)


def _while_open(circuit: Circuit, called: Called, first_wait: timedelta) -> Circuit:
    """Only a read that began once it was half open says anything."""
    half_open = circuit.standing(called.started_at) is Standing.HALF_OPEN
    if called.part is Part.ORDERS or not half_open:
        return circuit
    if called.failure is not None:
        return _opened(circuit, called.ended_at, called.failure, first_wait)
    good = circuit.good_reads + 1
    if good < READS_TO_CLOSE:
        return replace(circuit, good_reads=good)
    # Its trips stay until an order went well: reads can be good where orders are not.
    return Circuit(trips=circuit.trips)


def _opened(
    circuit: Circuit, at: datetime, reason: str, first_wait: timedelta
) -> Circuit:
    trips = circuit.trips + 1
    wait = min(first_wait, FIRST_WAIT) * 2 ** min(trips - 1, DOUBLINGS)
    return Circuit(
        trips=trips,
        opened_at=circuit.opened_at or at,
        until=at + wait,
        reason=reason if circuit.actor is None else circuit.reason,
        actor=circuit.actor,
    )


def tripped(
    circuit: Circuit,
    at: datetime,
    reason: str,
    actor: str,
    lasts: timedelta | None,
) -> Circuit:
    """Open a circuit by hand, for a time or until somebody closes it."""
    return Circuit(
        trips=circuit.trips,
        opened_at=circuit.opened_at or at,
        until=None if lasts is None else at + lasts,
        reason=reason,
        actor=actor,
    )
