from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from refundwatch.domain.rhythm import (
    LEAST_SECONDS,
    NEVER_HEARD_SECONDS,
    PATIENCE,
    UNLEARNED_SECONDS,
    Look,
    Rhythm,
    block_of,
    listen,
)

LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)


class Ear:
    """Looks again and again at an account whose webhooks come as told."""

    def __init__(self, at: datetime = MONDAY, step: int = 30) -> None:
        self.at = at
        self.step = step
        self.rhythm = Rhythm()
        self.heard_at: datetime | None = None

    def look(self, awaited: int = 5) -> bool:
        local = self.at.astimezone(LONDON)
        look = Look(self.at, local, self.heard_at, awaited)
        self.rhythm = listen(self.rhythm, look)
        return self.rhythm.is_too_long

    def hear_every(self, seconds: int, times: int, awaited: int = 5) -> bool:
        """Hear so often; tell whether there was an alarm on the way."""
        alarmed = False
        for _ in range(times):
            alarmed = self.wait(seconds, awaited) is not None or alarmed
            self.heard_at = self.at
            self.look(awaited)
        return alarmed

    def wait(self, seconds: float, awaited: int = 5) -> float | None:
        """Hear nothing; give the silence at which there was an alarm, if any."""
        end = self.at + timedelta(seconds=seconds)
        alarm = None
        while self.at < end:
            self.at += timedelta(
                seconds=min(self.step, (end - self.at).total_seconds())
            )
            if self.look(awaited) and alarm is None:
                alarm = self.rhythm.silent_seconds
        return alarm


def test_blocks_part_the_week() -> None:
    assert block_of(MONDAY) == "work/06"
    assert block_of(MONDAY.replace(hour=21, minute=59)) == "work/21"
    assert block_of(MONDAY.replace(day=21, hour=0)) == "weekend/00"


@pytest.mark.parametrize("gap", [45, 300, 900])
def test_silence_is_alarmed_within_two_expected_gaps(gap: int) -> None:
    ear = Ear(MONDAY.replace(hour=9))
    assert not ear.hear_every(gap, 10)
    silence = ear.wait(1.9 * max(gap, LEAST_SECONDS))
    expected = ear.rhythm.expected_seconds
    assert expected == pytest.approx(max(gap, LEAST_SECONDS), rel=0.1)
    assert silence is not None
    assert PATIENCE * expected <= silence <= 2 * expected


def test_an_account_slower_than_a_block_is_held_against_whole_weeks() -> None:
    ear = Ear(step=600)
    ear.hear_every(5 * 3600, 70)
    assert ear.rhythm.expected_seconds == pytest.approx(5 * 3600, rel=0.1)
    assert ear.wait(7 * 3600) is None
    assert ear.wait(2 * 3600) is not None


def test_the_next_delivery_ends_the_silence() -> None:
    ear = Ear()
    ear.hear_every(300, 10)
    assert ear.wait(1200) is not None
    ear.heard_at = ear.at
    assert not ear.look()


def test_nothing_is_expected_while_nothing_waits() -> None:
    ear = Ear()
    ear.hear_every(300, 10)
    assert ear.wait(6 * 3600, awaited=0) is None
    assert ear.wait(300) is None, "the silence begins with what waits again"


def test_what_was_never_heard_is_given_a_day() -> None:
    ear = Ear()
    silence = ear.wait(2 * 86_400)
    assert silence == pytest.approx(PATIENCE * NEVER_HEARD_SECONDS, abs=31)


def test_what_was_never_learned_is_given_a_weekend() -> None:
    ear = Ear()
    ear.hear_every(300, 3)
    silence = ear.wait(4 * 86_400)
    assert silence == pytest.approx(PATIENCE * UNLEARNED_SECONDS, abs=31)


def test_bursts_do_not_make_the_pauses_between_them_an_alarm() -> None:
    ear = Ear(step=60)
    alarmed = False
    for _ in range(80):
        alarmed = ear.hear_every(30, 10)
        alarmed = ear.hear_every(3000, 1) or alarmed
    assert not alarmed
    assert ear.rhythm.expected_seconds > 2900


def shop_week(ear: Ear) -> bool:
    """Every quarter of an hour by day, nothing by night and on the weekend."""
    alarmed = False
    for day in range(7):
        begin = ear.at.replace(hour=8, minute=0)
        ear.at = begin
        if day < 5:
            alarmed = ear.hear_every(900, 40) or alarmed
        rest = begin + timedelta(days=1) - ear.at
        alarmed = ear.wait(rest.total_seconds()) is not None or alarmed
    return alarmed


def test_nights_and_weekends_that_were_learned_are_no_alarm_and_days_are() -> None:
    ear = Ear(step=300)
    for _ in range(2):
        shop_week(ear)
    assert not shop_week(ear)
    ear.hear_every(900, 8)
    silence = ear.wait(3600)
    assert silence is not None
    assert silence <= 2 * 960


def test_an_outage_is_not_learned_as_a_rhythm_at_once() -> None:
    ear = Ear()
    ear.hear_every(300, 20)
    ear.wait(3 * 3600)
    ear.heard_at = ear.at
    ear.look()
    usual = ear.rhythm.learned["work/09"].usual_seconds()
    assert usual is not None
    assert usual <= 2.1 * 300


def test_time_in_which_nobody_looked_is_no_silence() -> None:
    ear = Ear()
    ear.hear_every(300, 10)
    ear.at += timedelta(hours=8)
    assert not ear.look()
    assert ear.wait(300) is None


def test_a_clock_that_was_ahead_tells_nothing() -> None:
    ear = Ear()
    ear.hear_every(300, 10)
    ear.heard_at = ear.at + timedelta(hours=5)
    assert ear.wait(2 * 3600) is None
