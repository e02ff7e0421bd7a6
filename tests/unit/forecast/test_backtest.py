from __future__ import annotations

import pytest

from refundwatch.forecast.backtest import AVERAGE, MODEL, NAIVE, backtest, warm_days
from refundwatch.forecast.rolling import newest, roll
from refundwatch.forecast.series import DailySeries
from tests.unit.forecast.years import year


@pytest.fixture(scope="module")
def grown() -> DailySeries:
    return year(11, peak=2.0, growth=0.6, tail=1.3)


def test_model_foretells_better_than_the_last_week_again(grown: DailySeries) -> None:
    found = {(it.way, it.horizon, it.of): it for it in backtest(grown, every=9).scores}
    for horizon in (1, 7, 30):
        model, naive = found[MODEL, horizon, "days"], found[NAIVE, horizon, "days"]
        assert model.wape is not None
        assert naive.wape is not None
        assert model.targets == naive.targets == found[AVERAGE, horizon, "days"].targets
        assert model.wape < naive.wape
    whole = found[MODEL, 30, "days"]
    assert whole.cover is not None
    assert 0.72 <= whole.cover <= 0.88


def test_what_comes_later_changes_no_earlier_word(grown: DailySeries) -> None:
    longer = grown.until(120)
    other = DailySeries(grown.first, (*grown.minor[:100], *[10**9] * 20))
    for one, two in zip(roll(longer, every=20), roll(other, every=20), strict=True):
        if one.length <= 100:
            assert one.choice == two.choice
            assert (one.bands.days == two.bands.days).all()
            assert (one.bands.sums == two.bands.sums).all()


def test_same_past_gives_the_same_words_to_the_last_bit() -> None:
    series = year(5, days=100)
    assert (newest(series).bands.days == newest(series).bands.days).all()


def test_closed_weekday_is_known_to_be_empty() -> None:
    found = newest(year(4, days=90))
    saturdays = [at for at in range(45) if (90 + at) % 7 == 5]
    assert (found.bands.days[saturdays] == 0).all()
    assert (found.bands.days[0] > 0).all()


def test_bands_are_in_order_and_sums_grow() -> None:
    bands = newest(year(4, days=90)).bands
    for rows in (bands.days, bands.sums):
        assert (rows[:, 0] <= rows[:, 1]).all()
        assert (rows[:, 1] <= rows[:, 2]).all()


@pytest.mark.parametrize("minor", [(0,) * 60, (5, *[0] * 59), (7,) * 60])
def test_odd_pasts_are_foretold_without_error(minor: tuple[int, ...]) -> None:
    bands = newest(DailySeries(year(1, days=1).first, minor)).bands
    assert (bands.days >= 0).all()
    assert (bands.days <= 10**6).all()


def test_short_past_is_scored_from_a_third_on() -> None:
    assert warm_days(274) == 91
    assert warm_days(120) == 40
    with pytest.raises(ValueError, match="more than 28"):
        backtest(year(1, days=28))
