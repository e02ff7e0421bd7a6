from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.api import models as m
from tests.tui.hub import START, Hub, alarm, refund
from tui.state import (
    AlarmAnswered,
    FrameArrived,
    HubState,
    Line,
    LineLost,
    LineTried,
    Ticked,
    reduce,
)

if TYPE_CHECKING:
    from tui.state import Event

HUB = Hub(refunds=[refund(1)])


def change(seq: int, number: int = 1, state: str = "queued") -> FrameArrived:
    frame = m.ChangeFrame(
        seq=seq,
        at=START,
        kind="refund:created",
        actor="system",
        refund=refund(number, state, seq=seq),
    )
    return FrameArrived(frame, START)


def snapshot(seq: int = 10) -> FrameArrived:
    health = HUB.health()
    frame = m.SnapshotFrame(
        seq=seq,
        now=START,
        status=HUB.status(),
        me=HUB.me(),
        counts=health.counts,
        connections=health.connections,
        alarms=health.alarms,
        metrics=health.metrics,
    )
    return FrameArrived(frame, START)


def after(*events: Event, start: HubState | None = None) -> HubState:
    state = start or HubState()
    for event in events:
        state = reduce(state, event)
    return state


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 5)), max_size=60))
def test_any_order_of_changes_keeps_each_refund_at_its_newest(
    moves: list[tuple[int, int]],
) -> None:
    state = HubState()
    newest: dict[str, int] = {}
    for seq, number in moves:
        before = state.seq
        state = reduce(state, change(seq, number))
        if before is None or seq > before:
            newest[refund(number).id] = seq
        assert state.seq == max(seq, before or 0)
    assert {key: it.seq for key, it in state.touched.items()} == newest


@given(st.permutations(list(range(1, 12))))
def test_late_changes_never_take_the_sequence_back(order: list[int]) -> None:
    seen = []
    state = HubState()
    for seq in order:
        state = reduce(state, change(seq))
        seen.append(state.seq or 0)
    assert seen == sorted(seen)
    assert state.seq == 11


def test_duplicate_change_counts_once() -> None:
    state = after(snapshot(), change(11), change(11), change(12, 2), change(11))
    assert (state.seq, state.changes, state.created) == (12, 2, 2)


def test_gap_is_taken_because_not_every_entry_is_a_change() -> None:
    assert after(snapshot(10), change(15)).seq == 15


def test_older_version_of_a_refund_never_replaces_a_newer() -> None:
    old = change(20)
    frame = old.frame.model_copy(update={"refund": refund(1, "sending", seq=4)})
    state = after(change(15), replace(old, frame=frame))
    assert state.touched[refund(1).id].seq == 15


def test_reset_forgets_and_waits_for_a_snapshot() -> None:
    reset = FrameArrived(m.ResetFrame(seq=3), START)
    state = after(snapshot(), change(11), reset)
    assert state.seq is None
    assert not state.touched
    assert after(snapshot(3), start=state).seq == 3


def test_silence_makes_live_stale_and_a_frame_makes_it_live() -> None:
    quiet = Ticked(START + timedelta(seconds=6))
    state = after(snapshot(), Ticked(START + timedelta(seconds=5)))
    assert state.live
    state = reduce(state, quiet)
    assert state.line is Line.STALE
    assert state.why_not() is not None
    later = replace(change(11), at=START + timedelta(seconds=7))
    assert reduce(state, later).live


def test_lost_line_keeps_since_when_over_all_tries() -> None:
    lost = LineLost("gone", START + timedelta(seconds=3), START + timedelta(seconds=4))
    again = replace(lost, at=START + timedelta(seconds=9))
    state = after(snapshot(), lost, LineTried(), again)
    assert state.line is Line.RETRYING
    assert state.lost_at == START
    assert not state.live


def test_permission_is_what_the_daemon_said() -> None:
    state = after(snapshot())
    assert state.why_not("refund:approve") is None
    assert "refund:resolve" in (state.why_not("refund:resolve") or "")


def test_acknowledged_alarm_is_shown_at_once() -> None:
    state = after(snapshot())
    seen = alarm(acknowledged_at=START, acknowledged_by="person:ann")
    assert reduce(state, AlarmAnswered(seen)).alarms == (seen,)


def test_what_is_remembered_of_refunds_is_bounded() -> None:
    state = HubState()
    for number in range(1, 620):
        state = reduce(state, change(number, number))
    assert len(state.touched) == 500
    assert len(state.recent) == 200
    assert refund(619).id in state.touched


def test_recovery_bars_decisions_until_the_log_is_reopened() -> None:
    taken = snapshot()
    assert isinstance(taken.frame, m.SnapshotFrame)
    lost = taken.frame.status.model_copy(update={"recovery": "It lost its end."})
    frame = taken.frame.model_copy(update={"status": lost})
    state = after(FrameArrived(frame, START))
    assert state.recovery == "It lost its end."
    assert "recovery" in (state.why_not() or "")
    reopened = m.ChangeFrame(
        seq=11, at=START, kind="log:reopened", actor="person:sue", refund=None
    )
    state = after(FrameArrived(reopened, START), start=state)
    assert state.recovery is None
    assert state.why_not() is None
