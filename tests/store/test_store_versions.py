from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.proportion import Share, difference
from refundwatch.domain.refund import Word
from refundwatch.domain.versions import BLOCK, ENOUGH, Effect
from refundwatch.store.contract import (
    AcknowledgeAlarm,
    AlarmRow,
    DropCalls,
    GetUptime,
    ListAlarms,
    ListVersions,
    RecordCall,
)
from tests.making import OLA, START, after
from tests.store.looking import entries, kinds, rows, size, value
from tests.store.sending import MAIN, call, happen, heard, sending

if TYPE_CHECKING:
    from refundwatch.store.contract import NoticeRow, Store, VersionRow
    from refundwatch.store.sqlite.store import InlineStore

OLD, NEW = "2026-09-30.endive", "2026-10-28.endive"
DAY = 86_400


class Talk:
    """Calls of one operation, one a second; a timeout answers no version."""

    def __init__(self, store: Store, operation: str = "refund") -> None:
        self.store = store
        self.operation = operation
        self.second = 0.0
        self.dice = Random(11)

    async def one(self, version: str | None, outcome: str = "ok", **more: Any) -> None:
        self.second += 1
        fields: dict[str, Any] = {"version_asked": OLD, **more}
        if outcome == "ok":
            fields |= {"status": 200, "version_answered": version}
        made = call(outcome, at=self.second, operation=self.operation, **fields)
        await self.store.execute(RecordCall(after(self.second), made))

    async def many(self, version: str | None, calls: int, rate: float = 0.0) -> None:
        for _ in range(calls):
            late = self.dice.random() < rate
            await self.one(version, "timeout" if late else "ok")


async def versions(store: Store, *, past: bool = False) -> tuple[VersionRow, ...]:
    return await store.read(ListVersions(past))


async def notices(store: Store) -> list[NoticeRow]:
    found = await versions(store, past=True)
    return [notice for row in found for notice in row.notices]


async def alarms(store: Store, *, closed: bool = False) -> list[AlarmRow]:
    found = await store.read(ListAlarms(include_closed=closed))
    return [alarm for alarm in found if alarm.kind == "version_changed"]


async def test_flip_with_timeouts_is_told_within_fifty_calls(
    store: InlineStore,
) -> None:
    talk = Talk(store)
    await talk.many(OLD, 300, 0.02)
    flipped = talk.second
    while not (found := [it for it in await alarms(store) if it.severity == "warning"]):
        await talk.many(NEW, 1, 0.42)
        assert talk.second <= flipped + 50

    (alarm,) = found
    assert alarm.subject == f"{MAIN}:refund:{NEW}"
    detail = alarm.detail
    assert (detail["version_before"], detail["version"]) == (OLD, NEW)
    assert detail["effect"] == "more_timeouts"
    assert 0 < int(detail["low_basis_points"]) < int(detail["high_basis_points"])
    assert "timeout" in str(detail["failing_sample"])
    (notice,) = await notices(store)
    assert notice.effect is Effect.MORE
    assert difference(notice.before, notice.after).low > 0
    assert notice.first_sample == "refund HTTP 200 ok"
    assert notice.failing_at is not None
    told = [it for it in entries(store) if it.kind == "version:judged"][-1].data
    assert (told["operation"], told["version"]) == ("refund", NEW)
    assert told["low_basis_points"] == detail["low_basis_points"]


async def test_flip_without_effect_says_so_and_calls_nobody(
    store: InlineStore,
) -> None:
    talk = Talk(store)
    await talk.many(OLD, 300, 0.02)
    await talk.one(NEW)
    (waiting,) = await alarms(store)
    assert (waiting.severity, waiting.detail["effect"]) == ("info", "open")
    assert [it.effect for it in await notices(store)] == [Effect.OPEN]

    await talk.many(NEW, 49, 0.02)

    (notice,) = await notices(store)
    assert notice.effect is Effect.NONE
    assert not difference(notice.before, notice.after).excludes_zero
    assert await alarms(store) == []
    (closed,) = await alarms(store, closed=True)
    assert closed.id == waiting.id
    (judged,) = [it for it in entries(store) if it.kind == "version:judged"]
    assert judged.data["effect"] == "no_effect"
    assert int(str(judged.data["low_basis_points"])) < 0


async def test_ten_thousand_unchanged_calls_give_no_notice(store: InlineStore) -> None:
    talk = Talk(store)
    begin = size(store)
    await talk.many(OLD, 5_000, 0.02)
    talk.operation = "look_up"
    await talk.many("1.1342.0", 5_000, 0.2)

    assert await notices(store) == []
    assert not any(kind.startswith("version:") for kind in kinds(store, begin))
    refund, look_up = sorted(
        await versions(store, past=True), key=lambda it: it.operation, reverse=True
    )
    assert (refund.run.tried.whole, look_up.run.tried.whole) == (5_000, 5_000)
    assert refund.run.recent.whole <= 2 * BLOCK
    late = value(store, "SELECT count(*) FROM gateway_call WHERE outcome = 'timeout'")
    assert refund.run.tried.part + look_up.run.tried.part == late


async def test_rows_kept_do_not_grow_with_calls(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 50)
    assert len(rows(store, "SELECT * FROM version_run")) == 1
    (row,) = await versions(store)
    assert (row.connection, row.operation, row.run.version) == (MAIN, "refund", OLD)
    assert (row.run.since, row.run.last_at) == (after(1), after(50))
    assert (row.run.asked, row.run.stated, row.current) == (OLD, True, True)


async def test_old_and_new_answering_in_turn_is_one_change(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 30)
    for version in (NEW, OLD) * 15:
        await talk.one(version)
    assert len(await notices(store)) == 1
    counts = {it.run.version: it.run.tried for it in await versions(store, past=True)}
    assert counts == {OLD: Share(0, 45), NEW: Share(0, 15)}
    assert [it.run.version for it in await versions(store)] == [OLD]


async def test_version_that_comes_back_after_a_day_is_a_change_anew(
    store: InlineStore,
) -> None:
    talk = Talk(store)
    await talk.many(OLD, 30)
    await talk.many(NEW, 30)
    talk.second += DAY
    await talk.many(NEW, 30)
    await talk.many(OLD, 30)

    told = [(it.version_before, it.version) for it in await notices(store)]
    assert told == [(NEW, OLD), (OLD, NEW)]
    (now,) = await versions(store)
    assert (now.run.version, now.run.tried) == (OLD, Share(0, 30))


async def test_next_change_ends_the_watch_over_the_last(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 30)
    await talk.many(NEW, 5)
    await talk.many("newest", 1)

    by_version = {it.version: it for it in await notices(store)}
    assert by_version[NEW].effect is Effect.TOO_FEW
    assert by_version[NEW].after == Share(0, 5)
    newest = by_version["newest"]
    # What few calls the last one had stands beside those before it.
    assert (newest.effect, newest.before) == (Effect.OPEN, Share(0, 35))
    (alarm,) = await alarms(store)
    assert alarm.subject.endswith(":newest")


async def test_better_version_is_told_and_calls_nobody(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 300, 0.42)
    await talk.many(NEW, ENOUGH, 0.0)
    (notice,) = await notices(store)
    assert notice.effect is Effect.FEWER
    assert await alarms(store) == []


async def test_alarm_ends_when_somebody_has_seen_it(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 100)
    await talk.one(NEW)
    (alarm,) = await alarms(store)
    await store.execute(AcknowledgeAlarm(after(999), OLA, alarm.id))
    assert await alarms(store) == []
    # What the version does is judged all the same, and calls again.
    await talk.many(NEW, ENOUGH, 0.5)
    (again,) = await alarms(store)
    assert again.detail["effect"] == "more_timeouts"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"outcome": "server_error", "status": 504}, Share(1, 2)),
        ({"outcome": "server_error", "status": 408}, Share(1, 2)),
        ({"outcome": "server_error", "status": 500}, Share(0, 2)),
        ({"outcome": "transport"}, Share(0, 2)),
        # It never reached a version.
        ({"outcome": "timeout", "sent": False}, Share(0, 1)),
    ],
)
async def test_what_counts_as_a_timeout(
    store: InlineStore, fields: dict[str, Any], expected: Share
) -> None:
    talk = Talk(store)
    await talk.one(OLD)
    await talk.one(OLD, **fields)
    (row,) = await versions(store)
    assert row.run.tried == expected


async def test_first_statement_of_a_version_is_no_change(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.one(None, "timeout", version_asked="v1")
    await talk.one(OLD)
    assert await notices(store) == []


async def test_two_paths_of_one_operation_are_no_change(store: InlineStore) -> None:
    talk = Talk(store)
    for asked in ("v1", "v2") * 20:
        await talk.one(None, version_asked=asked)
    assert await notices(store) == []
    found = {
        it.run.version: it.run.tried.whole for it in await versions(store, past=True)
    }
    assert found == {"v1": 20, "v2": 20}


async def test_version_of_a_gateway_is_cut_and_steers_nothing(
    store: InlineStore,
) -> None:
    talk = Talk(store)
    await talk.one(OLD)
    await talk.one("\x1b]0;x\x07" + "9" * 500)
    (notice,) = await notices(store)
    assert notice.version.isprintable()
    assert len(notice.version) <= 64


async def test_calls_of_one_savepoint_count_like_single_ones(
    store: InlineStore,
) -> None:
    refund = await sending(store)
    made = call("ok", at=1, operation="refund", status=200, version_answered=OLD)
    await happen(store, refund, heard(Word.PENDING), call=made)
    made = call("ok", at=2, operation="refund", status=200, version_answered=NEW)
    await happen(store, refund, heard(Word.PENDING, "poll"), call=made)
    counts = {it.run.version: it.run.tried for it in await versions(store, past=True)}
    assert counts == {OLD: Share(0, 1), NEW: Share(0, 1)}
    assert len(await notices(store)) == 1


async def test_unseen_status_opens_a_notice_once(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 30, 0.1)
    for second in (100, 101):
        refund = await sending(store)
        word = heard(Word.UNSEEN, raw_status="half\x1b_done")
        made = call(
            "ok", at=second, operation="refund", status=200, version_answered=OLD
        )
        await happen(store, refund, word, at=after(second), call=made)

    (notice,) = await notices(store)
    assert (notice.unseen_status, notice.version_before) == ("half_done", OLD)
    assert (notice.version, notice.before.whole) == (OLD, 31)
    assert notice.after.whole == 1
    assert kinds(store).count("version:unseen_status") == 1
    (alarm,) = await alarms(store)
    assert alarm.subject == f"{MAIN}:refund:status half_done"
    talk.second = 200
    await talk.many(OLD, ENOUGH)
    (notice,) = await notices(store)
    assert notice.effect in {Effect.NONE, Effect.FEWER}
    assert await alarms(store) == []


async def test_attempt_without_answer_counts_too(store: InlineStore) -> None:
    refund = await sending(store)
    made = call("timeout", at=1, operation="refund", version_asked=OLD)
    await happen(store, refund, ev.Unanswered(1, "timeout", START), call=made)
    (row,) = await versions(store)
    assert row.run.tried == Share(1, 1)


# --- how long calls are kept ------------------------------------------------------


async def test_old_calls_are_dropped_in_small_batches(store: InlineStore) -> None:
    talk = Talk(store)
    await talk.many(OLD, 12)
    command = DropCalls(after(11), at_most=4)
    assert [await store.execute(command) for _ in range(4)] == [4, 4, 2, 0]
    kept = rows(store, "SELECT started_at FROM gateway_call ORDER BY id")
    assert len(kept) == 2
    # What was counted stays.
    (row,) = await versions(store)
    assert row.run.tried == Share(0, 12)


async def test_versions_of_old_go_with_their_notices_and_the_current_stay(
    store: InlineStore,
) -> None:
    talk = Talk(store)
    await talk.many(OLD, 3)
    await talk.many(NEW, 3)
    await talk.many("newest", 3)
    await store.execute(DropCalls(after(10 * DAY)))
    (row,) = await versions(store, past=True)
    assert row.run.version == "newest"
    assert [it.version for it in row.notices] == ["newest"]
    assert value(store, "SELECT count(*) FROM version_notice") == 1


# --- uptime -----------------------------------------------------------------------


async def test_uptime_of_windows_is_that_of_the_outages(store: InlineStore) -> None:
    async def at(second: float, outcome: str) -> None:
        await store.execute(RecordCall(after(second), call(outcome, at=second)))

    # Ten minutes down half a day ago, half an hour up just now.
    for second in range(0, 600, 60):
        await at(second, "timeout")
    await at(600, "ok")
    for second in range(40_000, 41_801, 60):
        await at(second, "ok")
    windows = (3_600, DAY, 30 * DAY)
    found = await store.read(GetUptime(after(41_860), windows))

    mine = {it.window_seconds: it for it in found if it.connection == MAIN}
    assert (mine[3_600].observed_ms, mine[3_600].down_ms) == (1_800_000, 0)
    for window in windows[1:]:
        assert (mine[window].observed_ms, mine[window].down_ms) == (2_400_000, 600_000)
    other = [it for it in found if it.connection != MAIN]
    assert len(other) == 9
    assert not any(it.observed_ms for it in other)
