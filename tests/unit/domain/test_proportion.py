from __future__ import annotations

import pytest

from refundwatch.domain.proportion import Z99, Share, difference, wilson


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe 1998, table II, method 10; there the first minus the second.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_intervals_are_those_of_the_paper(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    seen = difference(Share(*second), Share(*first))
    assert (seen.low, seen.high) == (
        pytest.approx(low, abs=6e-5),
        pytest.approx(high, abs=6e-5),
    )


def test_nothing_counted_says_nothing() -> None:
    assert wilson(Share()) == (0.0, 1.0)
    for before, after in ((Share(), Share(9, 9)), (Share(9, 9), Share())):
        seen = difference(before, after)
        assert (seen.low, seen.high, seen.excludes_zero) == (-1.0, 1.0, False)


def test_wilson_keeps_its_bounds_at_none_and_all() -> None:
    assert wilson(Share(0, 10)) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(Share(10, 10)) == (pytest.approx(0.7225, abs=1e-4), 1.0)


def test_more_certainty_is_a_wider_interval() -> None:
    before, after = Share(4, 200), Share(5, 20)
    usual, wide = difference(before, after), difference(before, after, Z99)
    assert wide.low < usual.low < usual.value < usual.high < wide.high


def test_turning_the_sides_around_turns_the_interval_around() -> None:
    one, other = Share(3, 80), Share(30, 90)
    there, back = difference(one, other), difference(other, one)
    assert there.excludes_zero
    assert back.excludes_zero
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
