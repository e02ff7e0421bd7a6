"""What the dashboard knows: one frozen value, and the one function that moves it.

Invariant: `reduce` is pure and total; a change that is not newer than the last one is
dropped, a refund is never replaced by an older one, and nothing is called live that
was not heard within `STALE_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from refundwatch.api.models import (
    AlarmView,
    ChangeFrame,
    ConnectionView,
    HealthFrame,
    MetricsView,
    MeView,
    RefundView,
    ResetFrame,
    SnapshotFrame,
    StateName,
    StatusView,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

STALE_SECONDS: Final = 5
RECENT: Final = 200
TOUCHED: Final = 500
REOPENED: Final = "log:reopened"
"""The change by which a recovery ends."""


class Line(StrEnum):
    """How the line to the daemon stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    RETRYING = "retrying"


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """The daemon sent a frame."""

    frame: SnapshotFrame | ChangeFrame | HealthFrame | ResetFrame
    at: datetime


@dataclass(frozen=True, slots=True)
class StatusRead:
    """After a reconnection: who the daemon is and whom it takes us for."""

    status: StatusView
    me: MeView


@dataclass(frozen=True, slots=True)
class LineLost:
    """The line broke or was refused; the next try is at `retry_at`."""

    trouble: str
    at: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class LineTried:
    """A new try has begun."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmAnswered:
    """The daemon took an acknowledgement."""

    alarm: AlarmView


Event: TypeAlias = (
    FrameArrived | StatusRead | LineLost | LineTried | Ticked | AlarmAnswered
)
_NO_COUNTS: Final[Mapping[StateName, int]] = MappingProxyType({})
_NO_REFUNDS: Final[Mapping[str, RefundView]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HubState:
    """Everything known; `seq` is the last change seen, None before the first frame.

    `touched` holds refunds that changed lately by id; `changes` counts changes of
    refunds, `created` those among them that were new.
    """

    line: Line = Line.CONNECTING
    heard_at: datetime | None = None
    lost_at: datetime | None = None
    retry_at: datetime | None = None
    trouble: str | None = None
    seq: int | None = None
    status: StatusView | None = None
    me: MeView | None = None
    counts: Mapping[StateName, int] = field(default_factory=lambda: _NO_COUNTS)
    connections: tuple[ConnectionView, ...] = ()
    alarms: tuple[AlarmView, ...] = ()
    metrics: MetricsView | None = None
    recent: tuple[ChangeFrame, ...] = ()
    touched: Mapping[str, RefundView] = field(default_factory=lambda: _NO_REFUNDS)
    changes: int = 0
    created: int = 0
    snapshots: int = 0

    @property
    def live(self) -> bool:
        """Tell whether what is shown is what is."""
        return self.line is Line.LIVE

    @property
    def recovery(self) -> str | None:
        """Say what the hub's log lost, while nothing is sent for it."""
        return None if self.status is None else self.status.recovery

    def may(self, permission: str) -> bool:
        """Tell whether our roles grant this permission, as the daemon said."""
        return self.me is not None and permission in self.me.permissions

    def why_not(self, permission: str | None = None) -> str | None:
        """Say why nothing can be decided now; None when it can."""
        if not self.live:
            return "What is shown may be out of date: wait until the line is live."
        if self.recovery is not None:
            return "The log is in recovery: nothing is changed until two admins end it."
        if permission is not None and not self.may(permission):
            return f"None of your roles allows {permission}."
        return None


def reduce(state: HubState, event: Event) -> HubState:
    """Give the state after an event."""
    match event:
        case FrameArrived(frame=frame, at=at):
            return _framed(_heard(state, at), frame)
        case StatusRead(status=status, me=me):
            return replace(state, status=status, me=me)
        case LineLost(trouble=trouble, at=at, retry_at=retry_at):
            return replace(
                state,
                line=Line.RETRYING,
                trouble=trouble,
                lost_at=state.lost_at or state.heard_at or at,
                retry_at=retry_at,
            )
        case LineTried():
            line = Line.CONNECTING
            return state if state.live else replace(state, line=line, retry_at=None)
        case Ticked(at=at):
            return _ticked(state, at)
        case AlarmAnswered(alarm=alarm):
            alarms = tuple(alarm if it.id == alarm.id else it for it in state.alarms)
            return replace(state, alarms=alarms)


def _heard(state: HubState, at: datetime) -> HubState:
    return replace(
        state, line=Line.LIVE, heard_at=at, lost_at=None, retry_at=None, trouble=None
    )


def _ticked(state: HubState, at: datetime) -> HubState:
    heard = state.heard_at
    silent = heard is None or at - heard > timedelta(seconds=STALE_SECONDS)
    if state.line is Line.LIVE and silent:
        return replace(state, line=Line.STALE, lost_at=heard)
    return state


def _framed(
    state: HubState, frame: SnapshotFrame | ChangeFrame | HealthFrame | ResetFrame
) -> HubState:
    match frame:
        case SnapshotFrame():
            return replace(
                _health(state, frame),
                seq=frame.seq,
                status=frame.status,
                me=frame.me,
                snapshots=state.snapshots + 1,
            )
        case HealthFrame():
            return _health(state, frame)
        case ChangeFrame():
            return _changed(state, frame)
        case ResetFrame():
            # A snapshot follows; what was seen of single refunds counts no more.
            return replace(state, seq=None, touched=_NO_REFUNDS, recent=())


def _health(state: HubState, frame: SnapshotFrame | HealthFrame) -> HubState:
    return replace(
        state,
        counts=MappingProxyType(dict(frame.counts)),
        connections=tuple(frame.connections),
        alarms=tuple(frame.alarms),
        metrics=frame.metrics,
    )


def _changed(state: HubState, frame: ChangeFrame) -> HubState:
    if state.seq is not None and frame.seq <= state.seq:
        return state
    moved = replace(state, seq=frame.seq, recent=(*state.recent, frame)[-RECENT:])
    if frame.kind == REOPENED and moved.status is not None:
        over = moved.status.model_copy(update={"recovery": None})
        moved = replace(moved, status=over)
    if frame.counts is not None:
        moved = replace(moved, counts=MappingProxyType(dict(frame.counts)))
    if frame.refund is None:
        return moved
    return replace(
        moved,
        touched=_with(moved.touched, frame.refund),
        changes=moved.changes + 1,
        created=moved.created + (frame.kind == "refund:created"),
    )


def _with(
    touched: Mapping[str, RefundView], refund: RefundView
) -> Mapping[str, RefundView]:
    known = touched.get(refund.id)
    if known is not None and known.seq > refund.seq:
        return touched
    newer = {key: value for key, value in touched.items() if key != refund.id}
    newer[refund.id] = refund
    for oldest in list(newer)[: max(len(newer) - TOUCHED, 0)]:
        del newer[oldest]
    return MappingProxyType(newer)
