from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.health import (
    Health,
    HealthState,
    Observation,
    Observed,
    Opened,
    Span,
    observe,
)

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
GAP = timedelta(seconds=60)


def at(seconds: int) -> datetime:
    return T0 + timedelta(seconds=seconds)


def span(start: int, end: int) -> Span:
    return Span(at(start), at(end))


def run(*seen: tuple[int, str | None]) -> tuple[HealthState, list[Observed]]:
    state = HealthState()
    steps = []
    for seconds, failure in seen:
        steps.append(observe(state, Observation(at(seconds), failure), GAP))
        state = steps[-1].state
    return state, steps


def totals(steps: list[Observed]) -> tuple[int, int]:
    observed = [s.observed for s in steps if s.observed]
    down = [span for s in steps for span in s.down]
    return _seconds(observed), _seconds(down)


def _seconds(spans: list[Span]) -> int:
    return int(sum((s.end - s.start).total_seconds() for s in spans))


def test_nothing_seen_is_unknown() -> None:
    assert HealthState().health is Health.UNKNOWN


def test_first_observation_observes_no_time() -> None:
    state, steps = run((0, None))
    assert state.health is Health.UP
    assert totals(steps) == (0, 0)


def test_two_failures_are_no_outage() -> None:
    state, steps = run((0, None), (10, "timeout"), (20, "timeout"), (30, None))
    assert state.health is Health.UP
    assert totals(steps) == (30, 0)
    assert all(s.opened is None and s.closed is None for s in steps)


def test_third_failure_opens_the_outage_at_the_first() -> None:
    state, steps = run(
        (0, None), (10, "timeout"), (20, "server_error"), (35, "transport")
    )
    assert state.health is Health.DOWN
    assert state.down_since == at(10)
    assert steps[-1].opened == Opened(at(10), "transport")
    assert totals(steps) == (35, 25)


def test_next_good_answer_ends_the_outage() -> None:
    state, steps = run(
        (0, "timeout"),
        (10, "timeout"),
        (20, "timeout"),
        (30, "timeout"),
        (45, None),
        (50, None),
    )
    assert steps[-2].closed == span(0, 45)
    assert steps[-1].closed is None
    assert state.health is Health.UP
    assert totals(steps) == (50, 45)


def test_a_good_answer_between_starts_the_count_again() -> None:
    state, _ = run((0, "x"), (1, "x"), (2, None), (3, "x"), (4, "x"))
    assert state.health is Health.DEGRADED
    assert state.failing_since == at(3)


def test_silence_is_unobserved_also_within_an_outage() -> None:
    _, steps = run((0, "x"), (10, "x"), (20, "x"), (500, "x"), (510, None))
    assert totals(steps) == (30, 30)
    assert steps[-1].closed == span(0, 510)


def test_silence_between_the_three_failures_is_not_down() -> None:
    _, steps = run((0, "x"), (300, "x"), (310, "x"))
    assert steps[-1].opened == Opened(at(0), "x")
    assert totals(steps) == (10, 10)


def test_a_silence_of_exactly_the_gap_is_observed() -> None:
    assert totals(run((0, None), (60, None))[1]) == (60, 0)
    assert totals(run((0, None), (61, None))[1]) == (0, 0)


def test_a_late_observation_counts_at_the_newest_time() -> None:
    state, steps = run((0, None), (30, None), (10, "x"))
    assert state.seen_at == at(30)
    assert state.last_failure_at == at(30)
    assert totals(steps) == (30, 0)


def test_a_clock_set_back_observes_again_from_there() -> None:
    year = 365 * 86400
    state, steps = run((0, None), (year, "x"), (10, "x"), (20, "x"), (40, None))
    assert totals(steps) == (30, 30)
    assert steps[3].opened == Opened(at(10), "x")
    assert steps[4].closed == span(10, 40)
    assert state.seen_at == at(40)


history = st.lists(
    st.tuples(st.integers(-5, 90), st.sampled_from([None, None, "timeout", "x"])),
    max_size=60,
)


@given(history)
def test_fold_equals_counting_second_by_second(
    steps_ahead: list[tuple[int, str | None]],
) -> None:
    seen: list[tuple[int, str | None]] = []
    now = 0
    for ahead, failure in steps_ahead:
        now += ahead
        seen.append((now, failure))
    state, steps = run(*seen)
    effective = _effective(seen)
    observed, down, down_since = _reference(effective)
    assert totals(steps) == (observed, down)
    assert (state.down_since is not None) is (down_since is not None)
    if down_since is not None:
        assert state.down_since == at(down_since)


def _effective(seen: list[tuple[int, str | None]]) -> list[tuple[int, str | None]]:
    newest = None
    result = []
    for when, failure in seen:
        newest = when if newest is None else max(newest, when)
        result.append((newest, failure))
    return result


def _reference(seen: list[tuple[int, str | None]]) -> tuple[int, int, int | None]:
    """Mark outages over the whole history first, then count the observed seconds."""
    outages: list[tuple[int, int | None]] = []
    run_start: list[int] = []
    for when, failure in seen:
        if failure is None:
            if len(run_start) >= 3:
                outages.append((run_start[0], when))
            run_start = []
        else:
            run_start.append(when)
    open_since = run_start[0] if len(run_start) >= 3 else None
    if open_since is not None:
        outages.append((open_since, None))
    observed = down = 0
    for (start, _), (end, _) in pairwise(seen):
        if end - start > GAP.total_seconds():
            continue
        observed += end - start
        inside = any(a <= start and (b is None or end <= b) for a, b in outages)
        down += (end - start) if inside else 0
    return observed, down, open_since
