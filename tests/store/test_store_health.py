from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Word
from refundwatch.store.contract import (
    ConnectionRow,
    GetNumbers,
    ListConnections,
    ListOutages,
    OutageRow,
    RecordCall,
    ThreeNumbers,
)
from tests.making import HOUSE, START, after
from tests.store.looking import kinds, rows, size, value
from tests.store.sending import MAIN, call, happen, heard, queued, sending
from tests.store.test_store_events import alarm_kinds

if TYPE_CHECKING:
    from refundwatch.store.contract import Committed, Store
    from refundwatch.store.sqlite.store import InlineStore


async def record(store: Store, *calls: tuple[float, str]) -> None:
    for at, outcome in calls:
        await store.execute(RecordCall(after(at), call(outcome, at=at)))


async def connection(store: Store, name: str = MAIN) -> ConnectionRow:
    (row,) = [row for row in await store.read(ListConnections()) if row.id == name]
    return row


async def numbers(store: Store, at: float, name: str = MAIN) -> ThreeNumbers:
    found = await store.read(GetNumbers(after(at), 86_400))
    (row,) = [row for row in found if row.connection == name]
    return row


async def test_a_call_is_kept_with_its_versions(store: InlineStore) -> None:
    refund = await sending(store)
    noted = call(
        "refused",
        at=3,
        duration_ms=250,
        operation="refund",
        status=402,
        error="lost",
        version_asked="2026-01",
        version_answered="2026-02",
        response_sha256="d" * 64,
        retry_after_seconds=7,
    )
    word = heard(Word.PENDING)
    await happen(store, refund, word, call=noted)
    (row,) = rows(store, "SELECT * FROM gateway_call")
    assert row["refund_id"] == refund.id
    assert (row["operation"], row["duration_ms"], row["status"]) == ("refund", 250, 402)
    assert (row["version_asked"], row["version_answered"]) == ("2026-01", "2026-02")
    assert (row["outcome"], row["error"], row["sent"]) == ("refused", "lost", 1)
    assert row["retry_after_seconds"] == 7


async def test_every_connection_is_listed_unknown_at_first(store: InlineStore) -> None:
    found = await store.read(ListConnections())
    assert [row.id for row in found] == [
        "adyen-eu/main",
        "paypal-us/main",
        "stripe-uk/main",
        "stripe-uk/second",
    ]
    assert {row.health for row in found} == {"unknown"}
    assert found[0].gateway == "adyen"
    left = tuple(c for c in HOUSE.connections if c.account == "stripe-uk")
    await store.execute(replace(HOUSE, connections=left))
    kept = await store.read(ListConnections())
    assert [row.account for row in kept] == ["stripe-uk"] * 2


@pytest.mark.parametrize(
    "outcome", ["server_error", "timeout", "transport", "unauthorized", "malformed"]
)
async def test_an_outage_lasts_from_the_first_failure_to_the_good_answer(
    store: InlineStore, outcome: str
) -> None:
    await record(store, (0, "ok"), (10, outcome), (20, outcome))
    assert (await connection(store)).health == "degraded"
    assert await store.read(ListOutages(START)) == ()

    await record(store, (30, outcome))

    row = await connection(store)
    assert (row.health, row.down_since) == ("down", after(10))
    assert (row.consecutive_failures, row.last_failure) == (3, outcome)
    assert (row.last_ok_at, row.last_failure_at) == (after(0), after(30))
    assert "connection_down" in await alarm_kinds(store)
    outage = OutageRow(MAIN, after(10), None, outcome, "probe")
    assert await store.read(ListOutages(after(99))) == (outage,)

    await record(store, (50, "ok"))

    row = await connection(store)
    assert (row.health, row.down_since) == ("up", None)
    assert await store.read(ListOutages(after(50))) == (
        replace(outage, ended_at=after(50)),
    )
    assert await store.read(ListOutages(after(51))) == ()
    assert await alarm_kinds(store) == []
    wall = await numbers(store, 60)
    assert (wall.observed_seconds, wall.down_seconds) == (50, 40)
    assert wall.uptime == pytest.approx(0.2)


@pytest.mark.parametrize("outcome", ["ok", "refused", "throttled"])
async def test_an_answer_is_no_outage(store: InlineStore, outcome: str) -> None:
    await record(store, (0, "timeout"), (5, "timeout"), *((10, outcome),) * 4)
    assert (await connection(store)).health == "up"


async def test_calls_of_attempts_count_like_probes(store: InlineStore) -> None:
    refund = await sending(store)
    for fence, at in ((1, 10), (2, 20), (3, 30)):
        answer = call("timeout", at=at, operation="refund")
        await happen(store, refund, ev.Unanswered(fence, "timeout", START), call=answer)
        if fence < 3:
            refund = await sending(store, refund)
    assert (await connection(store)).down_since == after(10)


async def test_a_call_counts_when_it_ended(store: InlineStore) -> None:
    slow = call("timeout", at=0, duration_ms=30_000)
    await store.execute(RecordCall(after(99), slow))
    assert (await connection(store)).last_failure_at == after(30)


async def test_silence_is_not_observed(store: InlineStore) -> None:
    await record(store, (0, "ok"), (90, "ok"), (181, "ok"), (200, "ok"))
    assert (await numbers(store, 201)).observed_seconds == 109
    await store.execute(replace(HOUSE, observation_gap_seconds=300.0))
    await record(store, (500, "ok"))
    assert (await numbers(store, 501)).observed_seconds == 409


async def test_a_call_of_no_known_connection_is_passed_over(store: InlineStore) -> None:
    await store.execute(RecordCall(START, call(connection="stripe-uk/gone")))
    assert value(store, "SELECT count(*) FROM gateway_call") == 0


# --- pauses -----------------------------------------------------------------------


async def test_refused_credentials_pause_until_a_good_answer(
    store: InlineStore,
) -> None:
    begin = size(store)
    heard_of: list[Committed] = []
    store.subscribe(heard_of.append)
    await record(store, (0, "unauthorized"), (1, "unauthorized"))
    assert (await connection(store)).paused == "unauthorized"
    assert await alarm_kinds(store) == ["connection_unauthorized"]
    assert kinds(store, begin) == ["connection:paused", "alarm:opened"]

    await record(store, (2, "timeout"), (3, "throttled"), (4, "server_error"))
    assert (await connection(store)).paused == "unauthorized"

    begin = size(store)
    await record(store, (5, "ok"))
    assert (await connection(store)).paused is None
    assert await alarm_kinds(store) == []
    assert kinds(store, begin)[0] == "connection:resumed"
    assert "send" in heard_of[-1].touched
    assert heard_of[-1].health


async def test_an_answer_asked_for_before_the_refusal_proves_nothing(
    store: InlineStore,
) -> None:
    await record(store, (10, "unauthorized"))
    early = call("ok", at=8, duration_ms=5_000)
    await store.execute(RecordCall(after(13), early))
    assert (await connection(store)).paused == "unauthorized"


async def test_a_refusal_of_a_clock_that_was_ahead_pauses_no_longer(
    store: InlineStore,
) -> None:
    await record(store, (10**8, "unauthorized"), (5, "ok"))
    assert (await connection(store)).paused is None


@pytest.mark.parametrize(("status", "paused"), [(401, True), (402, False)])
async def test_a_refusal_proves_credentials_unless_it_is_about_them(
    store: InlineStore, status: int, paused: bool
) -> None:
    await record(store, (0, "unauthorized"))
    answer = call("refused", at=5, status=status)
    await store.execute(RecordCall(after(5), answer))
    assert ((await connection(store)).paused is not None) is paused


async def test_health_is_told_only_when_it_changes(store: InlineStore) -> None:
    heard_of: list[Committed] = []
    store.subscribe(heard_of.append)
    await record(store, (0, "ok"), (1, "ok"), (2, "timeout"), (3, "timeout"))
    await record(store, (4, "timeout"), (5, "timeout"), (6, "ok"))
    told = [committed.health for committed in heard_of]
    assert told == [True, False, True, False, True, False, True]


async def test_a_connection_shows_its_open_work(store: InlineStore) -> None:
    await queued(store)
    refund = await sending(store)
    await happen(store, refund, ev.NotExecuted(1, "refused", START))
    await sending(store)
    unknown = await sending(store)
    await happen(store, unknown, ev.Unanswered(1, "timeout", START))
    row = await connection(store)
    assert (row.queued, row.sending, row.unknown) == (2, 1, 1)
    other = await connection(store, "stripe-uk/second")
    assert (other.queued, other.sending, other.unknown) == (1, 0, 0)


async def test_odd_texts_of_a_call_are_kept_as_they_can_be(store: InlineStore) -> None:
    odd = call("ok", error="\udcff", version_answered="\udcff", status=200)
    await store.execute(RecordCall(START, odd))
    assert (await connection(store)).health == "up"
    assert value(store, "SELECT count(*) FROM gateway_call") == 1
