from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.domain.routing import Candidate, route

MAIN, SPARE = Candidate("a/main"), Candidate("a/spare")


def reasons(*candidates: Candidate) -> dict[str, str]:
    return {note.connection: note.reason for note in route(candidates).notes}


def test_the_first_in_the_configuration_is_taken_where_nothing_differs() -> None:
    assert reasons(MAIN, SPARE) == {
        "a/main": "chosen",
        "a/spare": "later_in_configuration",
    }


def test_what_cannot_be_used_says_why() -> None:
    shut = replace(MAIN, barrier="circuit_open:timeout until 10:00:00")
    found = route([shut, SPARE])
    assert found.chosen == "a/spare"
    assert found.notes[0].reason == "circuit_open"
    assert found.notes[0].detail == "timeout until 10:00:00"


def test_no_way_is_a_route_too() -> None:
    found = route(
        [replace(MAIN, barrier="paused:unauthorized"), replace(SPARE, busy=True)]
    )
    assert found.chosen is None
    assert [note.reason for note in found.notes] == ["paused", "busy"]


def test_one_that_is_down_is_the_last_resort_and_never_beside_a_busy_one() -> None:
    down = replace(MAIN, down=True)
    assert reasons(down, SPARE) == {"a/main": "down", "a/spare": "chosen"}
    assert route([down, replace(SPARE, busy=True)]).chosen is None
    assert route([down, replace(SPARE, barrier="resting")]).chosen == "a/main"


def test_answers_weigh_more_than_fees_and_fees_more_than_time() -> None:
    failing = replace(MAIN, success_permille=700)
    assert reasons(failing, SPARE)["a/main"] == "fails_more"
    dear = replace(MAIN, fee_basis_points=5)
    assert reasons(dear, replace(SPARE, success_permille=990))["a/main"] == "dearer"
    slow = replace(MAIN, latency_ms=900)
    assert reasons(slow, replace(SPARE, latency_ms=100))["a/main"] == "slower"


def test_small_differences_do_not_make_it_waver() -> None:
    one = replace(MAIN, success_permille=960, latency_ms=120)
    other = replace(SPARE, success_permille=990, latency_ms=100)
    assert route([one, other]).chosen == "a/main"


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        connection=st.uuids().map(str),
        barrier=st.sampled_from([None, None, "paused:x", "circuit_open:y"]),
        down=st.booleans(),
        busy=st.booleans(),
        success_permille=st.none() | st.integers(0, 1000),
        latency_ms=st.none() | st.integers(0, 60_000),
        fee_basis_points=st.integers(0, 100),
    ),
    max_size=6,
    unique_by=lambda one: one.connection,
)


@given(CANDIDATES)
def test_a_route_is_usable_free_and_explained(candidates: list[Candidate]) -> None:
    found = route(candidates)
    assert [note.connection for note in found.notes] == [
        one.connection for one in candidates
    ]
    chosen = [note for note in found.notes if note.reason == "chosen"]
    assert len(chosen) == (found.chosen is not None)
    by_name = {one.connection: one for one in candidates}
    if found.chosen is None:
        assert all(one.barrier or one.busy or one.down for one in candidates)
        return
    one = by_name[found.chosen]
    assert one.barrier is None
    assert not one.busy
    if one.down:
        assert all(it.barrier or it.down for it in candidates)
