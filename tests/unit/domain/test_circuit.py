from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.circuit import (
    FAILURES_TO_OPEN,
    FIRST_WAIT,
    LONGEST_TRIP,
    LONGEST_WAIT,
    READS_TO_CLOSE,
    Called,
    Circuit,
    Part,
    Standing,
    after_call,
    tripped,
)

AT = datetime(2026, 11, 24, tzinfo=UTC)


def order(at: datetime, failure: str | None = None) -> Called:
    return Called(Part.ORDERS, at, at, failure)


def read(at: datetime, failure: str | None = None) -> Called:
    return Called(Part.READS, at, at, failure)


def failed(times: int, circuit: Circuit | None = None, at: datetime = AT) -> Circuit:
    circuit = circuit or Circuit()
    for _ in range(times):
        circuit = after_call(circuit, Part.ORDERS, order(at, "timeout"))
    return circuit


def test_it_opens_at_the_fifth_failure_in_a_row_and_not_before() -> None:
    assert failed(FAILURES_TO_OPEN - 1).standing(AT) is Standing.CLOSED
    opened = failed(FAILURES_TO_OPEN)
    assert opened.standing(AT) is Standing.OPEN
    assert (opened.reason, opened.actor) == ("timeout", None)
    assert opened.until == AT + FIRST_WAIT


def test_a_good_order_between_begins_the_count_anew() -> None:
    circuit = after_call(failed(4), Part.ORDERS, order(AT))
    assert circuit == Circuit()
    assert failed(4, circuit).opened_at is None


def test_reads_say_nothing_against_orders_while_it_is_closed() -> None:
    circuit = Circuit()
    for _ in range(9):
        circuit = after_call(circuit, Part.ORDERS, read(AT, "timeout"))
    assert circuit == Circuit()


def test_half_open_it_closes_at_the_second_good_read() -> None:
    circuit, later = failed(5), AT + FIRST_WAIT
    assert circuit.standing(later) is Standing.HALF_OPEN
    for number in range(READS_TO_CLOSE):
        assert circuit.opened_at is not None, number
        circuit = after_call(circuit, Part.ORDERS, read(later))
    assert circuit.standing(later) is Standing.CLOSED
    assert circuit.trips == 1


@pytest.mark.parametrize(
    "called",
    [
        read(AT + FIRST_WAIT - timedelta(seconds=1)),
        read(AT + FIRST_WAIT - timedelta(seconds=1), "timeout"),
        order(AT + FIRST_WAIT),
        order(AT + FIRST_WAIT, "timeout"),
    ],
)
def test_what_was_on_its_way_and_what_orders_says_nothing(called: Called) -> None:
    assert after_call(failed(5), Part.ORDERS, called) == failed(5)


def test_each_trip_waits_twice_as_long_up_to_eight_minutes() -> None:
    circuit, at, waits = failed(5), AT, []
    for _ in range(8):
        assert circuit.until is not None
        waits.append(circuit.until - at)
        at = circuit.until
        circuit = after_call(circuit, Part.ORDERS, read(at, "server_error"))
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert circuit.opened_at == AT


def test_where_looks_come_often_it_waits_less_and_never_more() -> None:
    at_once, late = Circuit(), Circuit()
    for _ in range(5):
        called = order(AT, "timeout")
        at_once = after_call(at_once, Part.ORDERS, called, timedelta(seconds=2))
        late = after_call(late, Part.ORDERS, called, timedelta(hours=2))
    assert at_once.until == AT + timedelta(seconds=2)
    assert late.until == AT + FIRST_WAIT


def test_its_trips_are_forgotten_once_an_order_went_well() -> None:
    later = AT + FIRST_WAIT
    circuit = failed(5)
    for _ in range(READS_TO_CLOSE):
        circuit = after_call(circuit, Part.ORDERS, read(later))
    again = failed(5, circuit, later)
    assert again.until == later + 2 * FIRST_WAIT
    assert after_call(circuit, Part.ORDERS, order(later)) == Circuit()


def test_one_opened_by_hand_stays_until_a_hand_closes_it() -> None:
    circuit = tripped(Circuit(), AT, "maintenance", "person:ola", None)
    years = AT + timedelta(days=400)
    for _ in range(5):
        circuit = after_call(circuit, Part.ORDERS, read(years))
    assert circuit.standing(years) is Standing.OPEN
    assert (circuit.reason, circuit.actor) == ("maintenance", "person:ola")


def test_one_opened_by_hand_for_a_time_is_tried_after_it() -> None:
    hour = timedelta(hours=1)
    circuit = tripped(Circuit(), AT, "maintenance", "person:ola", hour)
    assert circuit.standing(AT + hour - timedelta(seconds=1)) is Standing.OPEN
    assert circuit.standing(AT + hour) is Standing.HALF_OPEN
    again = after_call(circuit, Part.ORDERS, read(AT + hour, "timeout"))
    assert (again.reason, again.actor) == ("maintenance", "person:ola")


@pytest.mark.parametrize(
    ("circuit", "longest"),
    [
        (failed(5, at=AT + timedelta(days=3650)), LONGEST_WAIT),
        (
            tripped(
                Circuit(), AT + timedelta(days=3650), "x", "person:ola", LONGEST_TRIP
            ),
            LONGEST_TRIP,
        ),
    ],
)
def test_one_of_a_clock_that_was_ahead_does_not_wait_for_that_time(
    circuit: Circuit, longest: timedelta
) -> None:
    assert circuit.standing(AT) is Standing.HALF_OPEN
    assert circuit.until is not None
    assert circuit.standing(circuit.until - longest) is Standing.OPEN
    for _ in range(READS_TO_CLOSE):
        circuit = after_call(circuit, Part.ORDERS, read(AT))
    assert circuit.opened_at is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Part),
            st.sampled_from([None, "timeout"]),
            st.integers(0, 400),
        ),
        max_size=60,
    )
)
def test_an_open_circuit_closes_only_by_reads_that_began_half_open(
    calls: list[tuple[Part, str | None, int]],
) -> None:
    circuit, at, good = Circuit(), AT, 0
    for part, failure, seconds in calls:
        at += timedelta(seconds=seconds)
        before = circuit
        circuit = after_call(circuit, Part.ORDERS, Called(part, at, at, failure))
        half_open = before.standing(at) is Standing.HALF_OPEN
        if before.opened_at is None or not half_open or part is Part.ORDERS:
            good = 0 if before.opened_at is None else good
        else:
            good = 0 if failure else good + 1
        if before.opened_at is not None and circuit.opened_at is None:
            assert half_open
            assert part is Part.READS
            assert good == READS_TO_CLOSE
            good = 0
