"""Which of an account's connections a refund takes, and why.

Invariant: the same candidates give the same route, and every connection of the
account stands in it with the one reason that counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOSEN: Final = "chosen"
BUSY: Final = "busy"
DOWN: Final = "down"

_RATE_STEP: Final = 50
"""Failures are weighed in steps of 5 %: less than one is none."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One connection as it stands; `barrier` names why it cannot be used at all.

    `success_permille` is the share of its latest orders that the gateway answered,
    `latency_ms` how long they usually take; None where nothing is known.
    `fee_basis_points` is what the house pays there beyond the cheapest way.
    """

    connection: str
    barrier: str | None = None
    down: bool = False
    busy: bool = False
    success_permille: int | None = None
    latency_ms: int | None = None
    fee_basis_points: int = 0


@dataclass(frozen=True, slots=True)
class RouteNote:
    """Why one connection was chosen or passed over; a code, and what it rests on."""

    connection: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A choice; `chosen` is None where no connection can be used now."""

    chosen: str | None
    notes: tuple[RouteNote, ...]


def route(candidates: Sequence[Candidate]) -> Route:
    """Choose among the connections of an account, given in configured order.

    In this order of weight: usable at all; not down; more orders answered; cheaper;
    quicker by its class (doubling); first in the configuration. One that is busy is
    worth waiting for only where the others are barred or down.
    """
    usable = [one for one in candidates if one.barrier is None]
    well = [one for one in usable if not one.down]
    ranked = sorted(well or usable, key=_rank)
    free = [one for one in ranked if not one.busy]
    chosen = free[0] if free else None
    notes = tuple(_note(one, chosen, only_down=not well) for one in candidates)
    return Route(chosen.connection if chosen else None, notes)


def _rank(one: Candidate) -> tuple[int, int, int]:
    """Rank by what differs enough to count; equals stay in configured order."""
    answered = 1000 if one.success_permille is None else one.success_permille
    return (1000 - answered) // _RATE_STEP, one.fee_basis_points, _latency_class(one)


def _latency_class(one: Candidate) -> int:
    return (one.latency_ms or 0).bit_length()


def _note(one: Candidate, chosen: Candidate | None, *, only_down: bool) -> RouteNote:
    if one.barrier is not None:
        reason, _, detail = one.barrier.partition(":")
        return RouteNote(one.connection, reason, detail)
    if chosen is not None and one.connection == chosen.connection:
        return RouteNote(one.connection, CHOSEN, _standing(one))
    if one.down and not only_down:
        return RouteNote(one.connection, DOWN, _standing(one))
    if one.busy:
        return RouteNote(one.connection, BUSY, _standing(one))
    return RouteNote(one.connection, _lost_by(one, chosen), _standing(one))


def _lost_by(one: Candidate, chosen: Candidate | None) -> str:
    if chosen is None:
        return BUSY
    ours, theirs = _rank(one), _rank(chosen)
    for ours_by, theirs_by, reason in zip(
        ours, theirs, ("fails_more", "dearer", "slower"), strict=True
    ):
        if ours_by > theirs_by:
            return reason
    return "later_in_configuration"


def _standing(one: Candidate) -> str:
    parts = []
    if one.success_permille is not None:
        parts.append(f"answered {one.success_permille / 10:g} %")
    if one.latency_ms is not None:
        parts.append(f"{one.latency_ms} ms")
    if one.fee_basis_points:
        parts.append(f"fee {one.fee_basis_points} bp")
    return ", ".join(parts)
