from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from refundwatch.domain.proportion import Share, difference
from refundwatch.domain.versions import (
    BLOCK,
    ENOUGH,
    RETURNS_AFTER,
    Effect,
    Named,
    Run,
    begun,
    counted,
    is_change,
    judged,
    named,
)

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OLD = Run("2026-09", stated=True, asked="2026-09", since=AT, last_at=AT)


def test_what_the_answer_names_is_the_version() -> None:
    assert named(OLD, "2026-11", "2026-09") == Named("2026-11", stated=True)


def test_call_without_answer_counts_for_the_version_that_answered_last() -> None:
    assert named(OLD, None, "2026-10") == Named("2026-09", stated=True)


def test_version_that_no_answer_states_is_the_one_asked() -> None:
    assert named(None, None, "v71") == Named("v71", stated=False)
    assert named(None, None, None) == Named("", stated=False)
    silent = replace(OLD, stated=False, version="v71")
    assert named(silent, None, "v72") == Named("v72", stated=False)


def test_only_another_version_that_is_stated_is_a_change() -> None:
    new = Named("2026-11", stated=True)
    assert is_change(OLD, None, new, AT)
    assert not is_change(OLD, None, Named("2026-09", stated=True), AT)
    assert not is_change(replace(OLD, stated=False), None, new, AT)
    assert not is_change(OLD, None, Named("v2", stated=False), AT)


def test_versions_that_answer_in_turn_are_one_change() -> None:
    new = replace(OLD, version="2026-11")
    name = Named("2026-11", stated=True)
    assert not is_change(OLD, new, name, AT + RETURNS_AFTER)
    assert is_change(OLD, new, name, AT + RETURNS_AFTER + timedelta(seconds=1))


def test_newest_one_to_two_blocks_are_what_was_before() -> None:
    run = OLD
    for _ in range(BLOCK):
        run = counted(run, AT, timed_out=True)
    assert run.recent == Share(BLOCK, BLOCK)
    for _ in range(2 * BLOCK - 1):
        run = counted(run, AT, timed_out=False)
    assert run.recent == Share(0, 2 * BLOCK - 1)
    assert run.tried == Share(BLOCK, 3 * BLOCK - 1)


def test_run_with_few_calls_borrows_those_before_it() -> None:
    old = replace(OLD, block=Share(4, 200))
    new = begun(old, Named("2026-11", stated=True), None, AT)
    for _ in range(ENOUGH - 1):
        new = counted(new, AT, timed_out=False)
    assert new.recent == Share(4, 200 + ENOUGH - 1)
    assert counted(new, AT, timed_out=False).recent == Share(0, ENOUGH)


def test_change_is_judged_at_its_looks_alone() -> None:
    before, bad = Share(4, 200), 0.5
    for calls in range(1, 200):
        after = Share(int(calls * bad), calls)
        known = judged(Effect.OPEN, before, after)
        assert (known is Effect.MORE) == (calls in {20, 40}), calls


@pytest.mark.parametrize(
    ("before", "after", "known", "expected"),
    [
        (Share(4, 200), Share(1, 40), Effect.OPEN, Effect.NONE),
        (Share(0, 5), Share(30, 40), Effect.OPEN, Effect.TOO_FEW),
        (Share(0, 5), Share(15, 20), Effect.OPEN, Effect.OPEN),
        (Share(400, 1000), Share(0, 20), Effect.OPEN, Effect.FEWER),
        # What the first calls seemed to show, more of them took back.
        (Share(4, 200), Share(5, 200), Effect.MORE, Effect.NONE),
        (Share(20, 1000), Share(60, 1000), Effect.NONE, Effect.MORE),
        # Between the two certainties the verdict stays what it was.
        (Share(20, 1000), Share(34, 1000), Effect.NONE, Effect.NONE),
    ],
)
def test_verdicts(before: Share, after: Share, known: Effect, expected: Effect) -> None:
    assert judged(known, before, after) is expected


def test_chance_alone_seldom_passes_for_an_effect() -> None:
    dice, wrong, rounds = Random(7), 0, 2_000
    for _ in range(rounds):
        run, known = OLD, Effect.OPEN
        for _ in range(ENOUGH):
            run = counted(run, AT, timed_out=dice.random() < 0.02)
            known = judged(known, Share(20, 1000), run.tried)
        wrong += known is not Effect.NONE
    assert wrong < rounds * 0.05


def test_jump_from_two_to_forty_two_percent_is_always_seen() -> None:
    dice = Random(7)
    for _ in range(500):
        run, known = OLD, Effect.OPEN
        for _ in range(ENOUGH):
            run = counted(run, AT, timed_out=dice.random() < 0.42)
            known = judged(known, Share(4, 200), run.tried)
        assert known is Effect.MORE
        assert difference(Share(4, 200), run.tried).low > 0
