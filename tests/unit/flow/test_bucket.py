from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.flow.bucket import Bucket
from refundwatch.flow.scores import HALF_LIFE_SECONDS, Scores
from refundwatch.store.contract import CallRecord
from tests.flow.simloop import START


def a_call(operation: str) -> CallRecord:
    return CallRecord("a/b", operation, START, 1, "timeout", sent=True)


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 50),
    waits=st.lists(st.floats(0, 5), max_size=80),
)
def test_never_more_calls_than_burst_and_rate_allow(
    rate: float, burst: int, waits: list[float]
) -> None:
    bucket, now, begun = Bucket(rate, burst, float(burst), 0.0), 0.0, 0
    for wait in waits:
        now += wait
        while bucket.seconds_to_token(now) == 0.0:
            bucket.spend(now)
            begun += 1
        assert begun <= burst + rate * now + 1e-6


def test_a_call_that_may_not_wait_is_paid_by_the_next() -> None:
    bucket = Bucket(rate=2.0, burst=1, tokens=1.0, filled_at=0.0)
    bucket.spend(0.0)
    bucket.spend(0.0)
    assert bucket.seconds_to_token(0.0) == 1.0
    assert bucket.seconds_to_token(1.0) == 0.0


def test_a_connection_that_failed_is_trusted_again_in_time() -> None:
    scores = Scores()
    assert scores.of("a/b", 0.0) == (None, None)
    for _ in range(8):
        scores.saw("a/b", a_call("refund"), 0.0)
    bad = scores.of("a/b", 0.0)[0]
    assert bad is not None
    assert bad < 400
    half = scores.of("a/b", HALF_LIFE_SECONDS)[0]
    assert half == round(1000 - (1000 - bad) / 2)


def test_only_orders_say_how_orders_go() -> None:
    scores = Scores()
    scores.saw("a/b", a_call("probe"), 0.0)
    assert scores.of("a/b", 0.0) == (None, None)
