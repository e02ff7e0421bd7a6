from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.histogram import (
    LONGEST_MS,
    RELATIVE_ERROR,
    Histogram,
    bucket_middle_ms,
    bucket_of,
)

durations = st.lists(st.integers(0, LONGEST_MS), max_size=200)


def test_no_duration_has_no_percentile() -> None:
    assert Histogram().percentile_ms(50) is None
    assert Histogram().count == 0


@pytest.mark.parametrize("value", range(40))
def test_small_durations_are_exact(value: int) -> None:
    assert bucket_middle_ms(bucket_of(value)) == value


def test_negative_durations_count_as_none() -> None:
    assert bucket_of(-5) == bucket_of(0)


def test_durations_beyond_the_longest_share_the_last_bucket() -> None:
    assert bucket_of(LONGEST_MS * 10) == bucket_of(LONGEST_MS * 1000)
    assert bucket_of(LONGEST_MS * 10) == bucket_of(LONGEST_MS)


@given(st.integers(0, LONGEST_MS))
def test_a_bucket_stands_for_its_durations_within_the_bound(value: int) -> None:
    assert abs(bucket_middle_ms(bucket_of(value)) - value) <= RELATIVE_ERROR * value


@given(st.integers(0, LONGEST_MS - 1))
def test_buckets_follow_the_order_of_durations(value: int) -> None:
    assert 0 <= bucket_of(value + 1) - bucket_of(value) <= 1


@given(durations, durations)
def test_merging_is_counting_everything_in_one(one: list[int], two: list[int]) -> None:
    assert Histogram.of(one).merged(Histogram.of(two)) == Histogram.of(one + two)


@given(durations, st.sampled_from([1, 50, 95, 99, 100]))
def test_percentiles_are_those_of_the_sorted_list_within_the_bound(
    values: list[int], percent: int
) -> None:
    histogram = Histogram.of(values)
    assert histogram.count == len(values)
    found = histogram.percentile_ms(percent)
    if not values:
        assert found is None
        return
    exact = sorted(values)[math.ceil(len(values) * percent / 100) - 1]
    assert found is not None
    assert abs(found - exact) <= RELATIVE_ERROR * exact
