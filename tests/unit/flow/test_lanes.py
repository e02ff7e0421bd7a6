from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from refundwatch.flow.lanes import Lanes, Share
from refundwatch.store.contract import CallRecord, Committed, ConnectionRow
from tests.flow.fakes import FakePaths, FakeStore, a_path, a_refund
from tests.flow.simloop import START, SimClock, SimLoop, simulate

MAIN = a_path(name="main", concurrency=2)
SPARE = a_path(name="spare", concurrency=2)
OTHER = a_path(account="toy-us", concurrency=1)
PATHS = FakePaths((MAIN, SPARE, OTHER))

WELL = ConnectionRow(
    id="",
    account="toy-eu",
    gateway="toy",
    endpoint="",
    health="up",
    paused=None,
    consecutive_failures=0,
    last_ok_at=None,
    last_failure_at=None,
    last_failure=None,
    down_since=None,
    queued=0,
    sending=0,
    unknown=0,
)


async def lanes(loop: SimLoop, **rows: dict[str, Any]) -> Lanes:
    found = tuple(
        replace(WELL, id=f"toy-eu/{name}", **changes) for name, changes in rows.items()
    )
    made = Lanes(PATHS, SimClock(loop))
    await made.see_health(FakeStore({"ListConnections": found}))
    return made


def test_first_connection_is_chosen_while_it_has_a_place() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        assert made.choose("toy-eu") is MAIN
        await made.lane(MAIN).acquire()
        await made.lane(MAIN).acquire()
        assert made.choose("toy-eu") is SPARE

    simulate(main)


def test_place_that_frees_is_told_where_one_was_looked_for_in_vain() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        rings: list[None] = []
        made.on_free(lambda: rings.append(None))
        await made.lane(OTHER).acquire()
        made.lane(OTHER).release()
        assert rings == []
        await made.lane(OTHER).acquire()
        assert made.choose("toy-us") is None
        await made.lane(MAIN).acquire()
        made.lane(MAIN).release()
        assert rings == []
        made.lane(OTHER).release()
        assert len(rings) == 1

    simulate(main)


def test_paused_connection_is_never_chosen() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop, main={"paused": "unauthorized"})
        assert made.choose("toy-eu") is SPARE
        made = await lanes(
            loop, main={"paused": "unauthorized"}, spare={"paused": "unauthorized"}
        )
        assert made.choose("toy-eu") is None

    simulate(main)


def test_connection_that_is_down_is_the_last_choice() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop, main={"down_since": START})
        assert made.choose("toy-eu") is SPARE
        made = await lanes(
            loop, main={"down_since": START}, spare={"down_since": START}
        )
        assert made.choose("toy-eu") is MAIN

    simulate(main)


def test_busy_connection_is_waited_for_while_the_other_is_down() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop, spare={"down_since": START})
        await made.lane(MAIN).acquire()
        await made.lane(MAIN).acquire()
        assert made.choose("toy-eu") is None
        made.lane(MAIN).release()
        assert made.choose("toy-eu") is MAIN

    simulate(main)


def test_resting_connection_gets_nothing_until_its_rest_ends() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        made.rest(OTHER, 90)
        made.rest(OTHER, 5)
        assert made.busy_accounts() == {"toy-us"}
        assert made.rest_seconds() == 90
        await asyncio.sleep(90)
        assert made.rest_seconds() is None
        assert made.choose("toy-us") is OTHER

    simulate(main)


def test_full_lane_makes_its_account_busy_and_no_other() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        await made.lane(OTHER).acquire()
        assert made.busy_accounts() == {"toy-us"}

    simulate(main)


def test_open_question_is_pinned_to_its_connection() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        sent = a_refund(connection="toy-eu/spare")
        gone = a_refund(connection="toy-eu/gone")
        assert made.pinned(sent) is SPARE
        assert made.of_refund(sent) is SPARE
        assert made.pinned(gone) is None
        assert made.of_refund(gone) is MAIN
        paused = await lanes(loop, spare={"paused": "unauthorized"})
        assert paused.pinned(sent) is None
        made.rest(SPARE, 10)
        assert made.pinned(sent) is None

    simulate(main)


def test_health_is_read_again_after_a_commit_that_changed_it() -> None:
    async def main(loop: SimLoop) -> None:
        store = FakeStore({"ListConnections": (replace(WELL, id="toy-us/main"),)})
        made = Lanes(PATHS, SimClock(loop))
        await made.see_health(store)
        store.replies["ListConnections"] = (
            replace(WELL, id="toy-us/main", paused="unauthorized"),
        )
        await made.see_health(store)
        assert made.choose("toy-us") is OTHER
        made.wake(Committed(1, frozenset(), health=True))
        await made.see_health(store)
        assert made.choose("toy-us") is None

    simulate(main)


def test_share_of_a_room_is_half_the_places_and_at_least_one() -> None:
    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        share = Share(PATHS, made)
        leave = share.enter(MAIN)
        assert leave is not None
        assert share.enter(MAIN) is None
        assert share.enter(OTHER) is not None
        assert share.full_accounts() == {"toy-us"}
        leave()
        assert share.enter(MAIN) is not None
        made.rest(SPARE, 10)
        assert share.enter(SPARE) is None
        assert share.full_accounts() == {"toy-us", "toy-eu"}

    simulate(main)


def test_answers_decide_how_long_a_connection_rests() -> None:
    call = CallRecord("toy-us/main", "x", START, 1, "ok", sent=True)

    async def main(loop: SimLoop) -> None:
        made = await lanes(loop)
        made.obey(OTHER, [call])
        assert made.rest_seconds() is None
        made.obey(OTHER, [replace(call, outcome="throttled")])
        assert made.rest_seconds() == 1
        made.obey(OTHER, [call, replace(call, retry_after_seconds=40)])
        assert made.rest_seconds() == 40
        made.obey(OTHER, [replace(call, retry_after_seconds=86_400)])
        assert made.rest_seconds() == 600

    simulate(main)
