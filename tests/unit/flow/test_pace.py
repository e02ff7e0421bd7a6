from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.flow import pace
from refundwatch.flow.pace import RETRY_CAP_SECONDS, Ages, Pace, can_be_read, spread
from refundwatch.gateways.contract import Lookup
from tests.flow.fakes import BACKOFF, a_refund, settings
from tests.flow.simloop import START, SimClock, SimLoop, simulate
from tests.flow.toy import TOY

if TYPE_CHECKING:
    from datetime import datetime


def seconds(moment: datetime) -> float:
    return (moment - START).total_seconds()


@given(st.text(max_size=20), st.integers(0, 1000))
def test_spread_is_a_fraction_and_always_the_same(key: str, tries: int) -> None:
    assert 0 <= spread(key, tries) < 1
    assert spread(key, tries) == spread(key, tries)


def test_a_crowd_is_spread_out() -> None:
    waits = {round(spread(f"rf_{number}", 1), 2) for number in range(300)}

    assert len(waits) > 60


@given(st.integers(1, 30), st.one_of(st.none(), st.integers(0, 90_000)))
def test_retry_is_never_sooner_than_the_gateway_asked(
    attempts: int, asked: int | None
) -> None:
    async def main(loop: SimLoop) -> float:
        paced = Pace(settings, SimClock(loop))
        return seconds(paced.retry_at(a_refund(attempts=attempts), asked))

    wait = simulate(main)
    assert wait >= (asked or 0)
    assert wait >= 5
    assert wait <= 1.5 * max(RETRY_CAP_SECONDS, asked or 0)


@pytest.mark.parametrize(("attempts", "wait"), list(enumerate(BACKOFF, 1)))
def test_unanswered_is_looked_up_by_the_back_off(attempts: int, wait: int) -> None:
    async def main(loop: SimLoop) -> float:
        paced = Pace(settings, SimClock(loop))
        return seconds(paced.look_at(a_refund(attempts=attempts)))

    assert simulate(main) == wait


def test_look_waits_as_long_as_the_gateway_asked() -> None:
    async def main(loop: SimLoop) -> float:
        return seconds(Pace(settings, SimClock(loop)).look_at(a_refund(), 90))

    assert simulate(main) == 90


def test_pending_where_nobody_can_be_asked_has_no_poll() -> None:
    blind = replace(TOY, lookup=Lookup.NONE, reads_refund=False)

    async def main(loop: SimLoop) -> None:
        paced = Pace(settings, SimClock(loop))
        assert paced.first_poll(blind) is None
        assert paced.first_poll(TOY) == START + timedelta(hours=1)

    assert not can_be_read(blind)
    simulate(main)


# --- ages ---------------------------------------------------------------------------


def test_age_is_the_larger_of_wall_and_monotonic() -> None:
    async def main(loop: SimLoop) -> None:
        clock = SimClock(loop)
        ages = Ages(clock)
        ages.sent(a_refund())
        await asyncio.sleep(100)
        assert ages.of(a_refund(), 9999) == 100
        clock.jump = timedelta(seconds=-60)
        assert ages.of(a_refund(), 9999) == 100
        clock.jump = timedelta(hours=5)
        assert ages.of(a_refund(), 9999) == 5 * 3600 + 100

    simulate(main)


def test_age_stays_unsure_once_the_wall_was_set_back_before_the_send() -> None:
    """The machine may have slept since, and the monotonic clock with it."""

    async def main(loop: SimLoop) -> None:
        clock = SimClock(loop)
        ages = Ages(clock)
        ages.sent(a_refund())
        clock.jump = timedelta(days=-1)
        assert ages.of(a_refund(), 82_800) == 82_800
        await asyncio.sleep(100)
        clock.jump = timedelta(0)
        assert ages.of(a_refund(), 82_800) == 82_900

    simulate(main)


def test_age_is_unsure_when_the_wall_was_set_back_before_this_process() -> None:
    async def main(loop: SimLoop) -> None:
        ages = Ages(SimClock(loop))
        later = a_refund(first_sent_at=START + timedelta(hours=2))
        assert ages.of(later, 82_800) == 82_800
        await asyncio.sleep(50)
        assert ages.of(later, 82_800) == 82_850

    simulate(main)


def test_age_of_a_refund_never_sent_is_nothing() -> None:
    async def main(loop: SimLoop) -> None:
        assert Ages(SimClock(loop)).of(a_refund(first_sent_at=None), 99) == 0

    simulate(main)


def test_conclusion_from_absence_waits_by_the_monotonic_clock() -> None:
    async def main(loop: SimLoop) -> None:
        clock = SimClock(loop)
        ages = Ages(clock)
        refund = a_refund()
        ages.sent(refund)
        clock.jump = timedelta(days=1)
        assert ages.missing_seconds(refund, 120, 300) == 120
        await asyncio.sleep(120)
        ages.absent(refund)
        assert ages.missing_seconds(refund, 120, 300) == 300
        await asyncio.sleep(300)
        assert ages.missing_seconds(refund, 120, 300) == 0

    simulate(main)


def test_rest_of_a_wait_is_never_less_than_a_moment_of_the_wall() -> None:
    """A trillionth of a second is no wait: who waits for it looks for ever."""

    async def main(loop: SimLoop) -> None:
        ages = Ages(SimClock(loop))
        refund = a_refund()
        await asyncio.sleep(0.1)
        ages.sent(refund)
        await asyncio.sleep(0.2)
        left = ages.missing_seconds(refund, 0.2 + 1e-12, 0)
        assert START + timedelta(seconds=left) > START
        assert ages.missing_seconds(refund, 0.1, 0) == 0

    simulate(main)


def test_marks_are_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_MOST_MARKS", 10)

    async def main(loop: SimLoop) -> None:
        ages = Ages(SimClock(loop))
        for number in range(20):
            ages.of(a_refund(id=f"rf_{number}"), 0)
        assert len(ages._marks) == 10
        ages.forget("rf_19")
        assert len(ages._marks) == 9

    simulate(main)


def test_look_alikes_wait_less_than_their_gateways_and_real_ones_do_not() -> None:
    real, quick = settings(), settings(delay_scale=0.1, longest_delay_seconds=30)
    assert [real.scaled(seconds) for seconds in (0, 1, 7, 86_400)] == [0, 1, 7, 86_400]
    assert [quick.scaled(seconds) for seconds in (0, 1, 7, 70, 86_400)] == [
        0,
        1,
        1,
        7,
        30,
    ]
