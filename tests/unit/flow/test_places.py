"""Places of a room, kept so that nobody's storm takes them all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refundwatch.flow.places import Places
from tests.flow.fakes import FakePaths, a_path


def places(most: int, *widths: int) -> Places:
    paths = [a_path(f"toy-{n}", concurrency=width) for n, width in enumerate(widths)]
    return Places(FakePaths(tuple(paths)), most)


def test_account_with_nothing_under_way_finds_a_place_whatever_the_others_took() -> (
    None
):
    room = places(8, 16, 16, 16)
    while "toy-0" not in room.full():
        room.take("toy-0")
    assert room._taken["toy-0"] == 8 - 2
    assert room.full() == {"toy-0"}
    room.take("toy-1")
    assert room.full() == {"toy-0", "toy-1"}
    room.take("toy-2")
    assert room.full() == {"toy-0", "toy-1", "toy-2"}
    room.leave("toy-0")
    assert room.full() == frozenset()


def test_one_busy_account_among_idle_ones_has_more_than_its_part() -> None:
    room = places(64, *[16] * 12)
    for _ in range(16):
        assert "toy-0" not in room.full()
        room.take("toy-0")


def test_there_is_a_place_for_each_account_at_least() -> None:
    assert places(2, 4, 4, 4).most == 3
    assert places(2).full() == frozenset()


@given(
    st.integers(1, 40),
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
    st.lists(st.integers(0, 8), max_size=80),
)
def test_taken_places_never_exceed_the_bound_and_the_idle_find_one(
    most: int, widths: list[int], comers: list[int]
) -> None:
    room = places(most, *widths)
    for comer in comers:
        name = f"toy-{comer % len(widths)}"
        if name not in room.full() and room._taken[name] < widths[comer % len(widths)]:
            room.take(name)
        idle = {f"toy-{n}" for n in range(len(widths)) if not room._taken[f"toy-{n}"]}
        assert not idle & room.full()
        assert room._taken.total() <= room.most
