"""A storm of one line is told once, with its count; nothing else is held back."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from daemon.repeats import FIRST, MOST_KINDS, WINDOW_SECONDS, Repeats


class Lines:
    """What passes, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.passed: list[dict[str, Any]] = []
        self._step = Repeats(lambda: self.now)

    def say(self, event: str, **fields: Any) -> bool:
        try:
            line = self._step(None, "warning", {"event": event, **fields})
        except structlog.DropEvent:
            return False
        self.passed.append(dict(line))
        return True


def test_storm_is_cut_and_counted_in_the_next_window() -> None:
    lines = Lines()
    for _ in range(500):
        lines.say("api:error", code="store.full")
    assert len(lines.passed) == FIRST
    assert all("left_out" not in line for line in lines.passed)

    lines.now += WINDOW_SECONDS
    assert lines.say("api:error", code="store.full")
    assert lines.passed[-1]["left_out"] == 500 - FIRST
    assert lines.say("api:error", code="store.full")
    assert "left_out" not in lines.passed[-1]


@pytest.mark.parametrize(
    "other",
    [
        {"event": "api:crash", "code": "store.full"},
        {"event": "api:error", "code": "store.busy"},
        {"event": "api:error", "code": "store.full", "account": "stripe-uk"},
    ],
)
def test_other_kind_is_not_held_back_by_a_storm(other: dict[str, str]) -> None:
    lines = Lines()
    for _ in range(FIRST):
        assert lines.say("api:error", code="store.full")
    assert not lines.say("api:error", code="store.full")
    assert lines.say(**other)


def test_kinds_that_are_remembered_are_bounded() -> None:
    lines = Lines()
    for number in range(3 * MOST_KINDS):
        assert lines.say(f"kind {number}")
    assert len(lines._step._windows) <= MOST_KINDS
