from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from refundwatch.forecast.liquidity import Counted, Known, foretell, shortage
from refundwatch.forecast.series import DailySeries
from tests.unit.forecast.years import year

NOTHING = Known(DailySeries(date(2024, 1, 1), ()), (), {}, {}, {}, {})
STEADY = replace(
    NOTHING,
    requested=year(2, days=90),
    paid=year(2, days=90).minor,
    paid_after={0: Counted(90, 90_000)},
)


def test_open_refunds_leave_by_the_lags_that_were_seen() -> None:
    known = replace(
        NOTHING,
        paid_after={3: Counted(10, 1_000)},
        open_by_age={1: Counted(2, 5_000)},
    )
    bands = foretell(known, 5).bands
    assert bands.days[:, 1].tolist() == [0, 0, 5_000, 0, 0]
    assert bands.sums[-1].tolist() == [5_000, 5_000, 5_000]


def test_what_ends_unpaid_leaves_less() -> None:
    whole = foretell(STEADY, 30).bands.sums[-1, 1]
    half = replace(STEADY, ended_after={0: Counted(90, 90_000)})
    found = foretell(half, 30)
    assert found.paid_share == 0.5
    assert np.isclose(found.bands.sums[-1, 1], whole / 2)


def test_longer_lags_move_the_cash_and_lose_none_of_it() -> None:
    at_once = foretell(STEADY, 45).bands.days[:, 1]
    later = replace(STEADY, paid_after={7: Counted(90, 90_000)})
    moved = foretell(later, 45).bands.days[:, 1]
    assert (moved[:7] == 0).all()
    assert (moved[7:] > 0).sum() == (at_once[:-7] > 0).sum()


def test_what_comes_back_is_taken_off() -> None:
    bounced = replace(STEADY, returned_after={2: Counted(9, 9_000)})
    before, after = foretell(STEADY, 30).bands, foretell(bounced, 30).bands
    ratio = after.sums[-1, 1] / before.sums[-1, 1]
    assert 0.87 <= ratio <= 0.93
    # Of what was paid yesterday a part comes back tomorrow, so from the first day on.
    assert after.sums[1, 1] < before.sums[1, 1]


def test_open_refunds_of_today_are_not_counted_twice() -> None:
    waiting = replace(STEADY, open_by_age={0: Counted(1, 10**9)})
    assert (foretell(waiting, 5).bands.sums == foretell(STEADY, 5).bands.sums).all()


def test_balance_runs_short_where_the_sum_passes_it() -> None:
    bands = foretell(STEADY, 30).bands
    enough = int(np.ceil(bands.sums[-1, 2]))
    assert shortage(bands, enough).at is None
    assert shortage(bands, enough).top_up == 0
    few = int(bands.sums[9, 2])
    found = shortage(bands, few)
    assert found.at is not None
    assert bands.sums[found.at, 2] > few
    assert bands.sums[found.at - 1, 2] <= few
    assert found.likely_at is None or found.likely_at >= found.at
    assert few + found.top_up == enough


def test_nothing_known_foretells_nothing() -> None:
    assert (foretell(NOTHING, 45).bands.sums == 0).all()
