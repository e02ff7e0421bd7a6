from __future__ import annotations

import pytest

from refundwatch.forecast.lags import AT_ONCE, learn


def test_what_is_open_is_censored_and_not_left_out() -> None:
    # Of four a day old or older one is paid at once, one on the next day, two wait.
    found = learn({0: 1, 1: 1}, {}, {1: 1, 2: 1})
    assert found.paid.tolist() == pytest.approx([1 / 4, 3 / 4 * 1 / 2])
    assert found.waiting.tolist() == pytest.approx([1, 3 / 4])


def test_what_ended_unpaid_is_never_paid() -> None:
    found = learn({1: 3}, {0: 1}, {})
    assert found.share == pytest.approx(3 / 4)
    assert found.ahead(1, 3).tolist() == pytest.approx([1, 0, 0])


def test_age_shifts_what_is_left() -> None:
    found = learn({0: 2, 2: 1, 4: 1}, {}, {})
    assert found.ahead(1, 5).tolist() == pytest.approx([0, 1 / 2, 0, 1 / 2, 0])


def test_what_waits_longer_than_any_is_due_now() -> None:
    found = learn({0: 3}, {0: 1}, {})
    assert found.ahead(9, 3).tolist() == pytest.approx([3 / 4, 0, 0])


def test_nothing_seen_is_taken_as_paid_at_once() -> None:
    assert learn({}, {0: 4}, {1: 2}) is AT_ONCE
