from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain import events as ev
from refundwatch.domain.decision import Verdict
from refundwatch.domain.histogram import RELATIVE_ERROR
from refundwatch.domain.refund import RefundState, Word
from refundwatch.errors import StateConflict
from refundwatch.store.contract import (
    AbandonAttempts,
    CountStates,
    GetNumbers,
    RecordCall,
    ThreeNumbers,
)
from tests.making import ANN, HOUSE, START, after, decide, make_payment, make_refund
from tests.store.driving import Drive
from tests.store.looking import rows, value
from tests.store.sending import call, claim, happen, heard, queued, sending

if TYPE_CHECKING:
    from refundwatch.store.contract import Percentiles, Store
    from refundwatch.store.sqlite.store import InlineStore

S = RefundState
ALL = "*"
HOUR, DAY = 3600, 86_400


async def wall(
    store: Store, at: float, window: int = DAY, *, by_currency: bool = False
) -> dict[tuple[str, str | None], ThreeNumbers]:
    query = GetNumbers(after(at), window, by_currency)
    found = await store.read(query)
    return {(row.connection, row.currency): row for row in found}


async def test_nothing_counted_shows_every_connection_and_no_ratio(
    store: InlineStore,
) -> None:
    found = await wall(store, 0)
    assert [name for name, _ in found] == [
        "adyen-eu/main",
        "paypal-us/main",
        "stripe-uk/main",
        "stripe-uk/second",
        ALL,
    ]
    row = found[ALL, None]
    assert (row.success_rate, row.uptime, row.requested) == (None, None, 0)
    assert set(row.processing) == {"sent", "accepted", "paid_out", "approval"}
    assert all(p.count == 0 and p.p50 is None for p in row.processing.values())


async def test_a_request_counts_for_the_only_connection_else_for_the_account(
    store: InlineStore,
) -> None:
    await queued(store)
    payment = await make_payment(store, account="adyen-eu", currency="EUR")
    await queued(store, payment=payment, currency="EUR")
    found = await wall(store, 0, by_currency=True)
    assert found["adyen-eu/main", None].requested == 1
    assert found["adyen-eu/main", "EUR"].requested == 1
    assert found["stripe-uk", "GBP"].requested == 1
    assert found["stripe-uk/main", None].requested == 0
    assert found[ALL, None].requested == 2
    assert found[ALL, "EUR"].requested == 1


async def test_waiting_for_approval_is_counted_apart(store: InlineStore) -> None:
    refund = await make_refund(store, None, 6_000)
    await decide(store, refund, Verdict.APPROVE, ANN, at=after(600))
    row = (await wall(store, 700))[ALL, None]
    assert row.processing["approval"].count == 1
    assert _close_to(row.processing["approval"].p50, 600)
    assert row.processing["sent"].count == 0


async def test_a_bounce_never_rewrites_the_rate(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED), at=after(5))
    await happen(store, refund, heard(Word.FAILED, "webhook"), at=after(9))
    row = (await wall(store, 10))["stripe-uk/main", None]
    assert (row.succeeded, row.declined, row.bounced) == (1, 0, 1)
    assert row.success_rate == 1.0


async def test_uptime_has_no_currency(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED))
    for at in (0, 30):
        await store.execute(RecordCall(after(at), call(at=at)))
    found = await wall(store, 31, by_currency=True)
    assert found["stripe-uk/main", "GBP"].observed_seconds == 30
    assert found["stripe-uk/main", "GBP"].uptime == 1.0
    assert found[ALL, None].observed_seconds == 30


@pytest.mark.parametrize(
    ("window", "age", "counted"),
    [
        (HOUR, 3_590, True),
        (HOUR, 3_661, False),
        (DAY, DAY - 10, True),
        (DAY, DAY + 61, False),
        (7 * DAY, 7 * DAY - 10, True),
        (7 * DAY, 7 * DAY + HOUR + 1, False),
        (30 * DAY, 30 * DAY - 10, True),
        (30 * DAY, 30 * DAY + HOUR + 1, False),
        (90, 80, True),
        (90, 151, False),
    ],
)
async def test_a_window_reaches_back_as_far_as_it_says(
    store: InlineStore, window: int, age: int, counted: bool
) -> None:
    now = 40 * DAY + 12_345
    await queued(store, at=after(now - age))
    found = await wall(store, now, window)
    assert found[ALL, None].requested == counted
    assert found[ALL, None].window_seconds == window


@pytest.mark.parametrize("window", [0, -5, 10**15])
async def test_a_window_that_is_no_window_is_bounded(
    store: InlineStore, window: int
) -> None:
    await queued(store)
    assert (await wall(store, 0, window))[ALL, None].requested == 1


async def test_sums_by_minute_are_kept_for_a_day_only(store: InlineStore) -> None:
    for day in range(4):
        refund = await queued(store, at=after(day * DAY))
        refund = await sending(store, refund, at=after(day * DAY))
        await happen(store, refund, heard(Word.SUCCEEDED), at=after(day * DAY + 9))
    minutes = "SELECT count(DISTINCT starts_at) FROM tally WHERE grain = 'minute'"
    assert value(store, minutes) == 2
    assert (await wall(store, 3 * DAY + 10, 7 * DAY))[ALL, None].succeeded == 4


# --- against a reference ----------------------------------------------------------


@dataclass(slots=True)
class Reference:
    """What a random history should show on the wall."""

    requested: int = 0
    words: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    stages: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )


@pytest.mark.parametrize("seed", range(4))
async def test_random_histories_show_what_a_reference_counts(
    store: InlineStore, seed: int
) -> None:
    chance = random.Random(seed)
    reference = Reference()
    for _ in range(60):
        await _one_history(store, chance, reference)
    found = await wall(store, 20 * HOUR)
    row = found[ALL, None]
    assert row.requested == reference.requested
    assert row.succeeded == reference.words["succeeded"]
    assert row.declined == reference.words["declined"]
    assert row.bounced == reference.words["bounced"]
    assert row.declined_by == dict(reference.codes)
    words = row.succeeded + row.declined
    assert row.success_rate == pytest.approx(row.succeeded / words)
    for stage in ("sent", "accepted", "paid_out"):
        _check(row.processing[stage], reference.stages[stage])
    main = found["stripe-uk/main", None]
    assert main.succeeded == row.succeeded
    assert main.processing["sent"].count == len(reference.stages["sent"])
    await _check_states(store)


async def _one_history(
    store: InlineStore, chance: random.Random, reference: Reference
) -> None:
    born = chance.uniform(0, 8 * HOUR)
    now = born

    def later() -> float:
        nonlocal now
        now += chance.lognormvariate(2, 2)
        return now

    refund = await queued(store, at=after(born))
    reference.requested += 1
    while chance.random() < 0.3:
        refund = await sending(store, refund, at=after(later()))
        harmless = ev.NotExecuted(refund.fence, "refused", START)
        refund = (await happen(store, refund, harmless, at=after(later()))).after
    if chance.random() < 0.1:
        return
    refund = await sending(store, refund, at=after(later()))
    reference.stages["sent"].append(now - born)
    while chance.random() < 0.3:
        lost = ev.Unanswered(refund.fence, "timeout", START)
        refund = (await happen(store, refund, lost, at=after(later()))).after
        refund = await sending(store, refund, at=after(later()))
    ending = chance.choice(["refusal", "failed", "succeeded", "succeeded", "bounced"])
    if chance.random() < 0.5:
        await happen(store, refund, heard(Word.PENDING), at=after(later()))
        reference.stages["accepted"].append(now - born)
        accepted = True
    else:
        accepted = False
    code = chance.choice(["lost", "expired_card"])
    if ending in {"refusal", "failed"}:
        await happen(
            store, refund, heard(Word.FAILED, failure_code=code), at=after(later())
        )
        reference.words["declined"] += 1
        reference.codes[code] += 1
    else:
        await happen(store, refund, heard(Word.SUCCEEDED), at=after(later()))
        reference.words["succeeded"] += 1
        reference.stages["paid_out"].append(now - born)
        if not accepted:
            reference.stages["accepted"].append(now - born)
    if ending == "bounced":
        await happen(store, refund, heard(Word.FAILED), at=after(later()))
        reference.words["bounced"] += 1


def _check(found: Percentiles, durations: list[float]) -> None:
    assert found.count == len(durations)
    for percent, shown in ((50, found.p50), (95, found.p95), (99, found.p99)):
        exact = sorted(durations)[math.ceil(len(durations) * percent / 100) - 1]
        assert _close_to(shown, exact), (percent, shown, exact)


def _close_to(shown: float | None, exact: float) -> bool:
    """Within the stated bound; stored durations are whole milliseconds."""
    return shown is not None and abs(shown - exact) <= RELATIVE_ERROR * exact + 0.001


async def _check_states(store: InlineStore) -> None:
    counted = await store.read(CountStates())
    assert set(counted) == set(S)
    true = {
        r[0]: r[1]
        for r in rows(store, "SELECT state, count(*) FROM refund GROUP BY state")
    }
    assert {s: n for s, n in counted.items() if n} == true


async def test_states_are_counted_through_every_move(store: InlineStore) -> None:
    chance = random.Random(7)
    refunds = [await queued(store) for _ in range(12)]
    for step in range(150):
        refund = chance.choice(refunds)
        fence = value(store, "SELECT fence FROM refund WHERE id = ?", refund.id)
        choices: list[ev.RefundEvent] = [
            ev.Held("person"),
            ev.Released(approvals_complete=True, approvals_expire_at=None),
            ev.Claimed(chance.choice(["stripe-uk/main", "stripe-uk/second"])),
            ev.Unanswered(fence, "timeout", START),
            ev.NotExecuted(fence, "refused", START),
            heard(chance.choice(list(Word))),
            ev.Cancelled(),
        ]
        drive = Drive(refund.id, chance.choice(choices), after(step))
        try:
            await store.execute(drive)
        except StateConflict:
            continue
    await _check_states(store)
    by_connection = rows(
        store,
        """
        SELECT account, connection, state, count FROM state_count WHERE count > 0
        EXCEPT
        SELECT account, coalesce(connection, ''), state, count(*) FROM refund
        GROUP BY 1, 2, 3
        """,
    )
    assert by_connection == []


async def test_a_count_that_is_wrong_stops_no_refund(store: InlineStore) -> None:
    for change in ("DELETE FROM state_count", "UPDATE state_count SET count = 0"):
        refund = await queued(store)
        store._connection.execute(change)
        await sending(store, refund)
        assert (await store.read(CountStates()))[S.SENDING] == 1


async def test_abandoned_attempts_count_as_sent(store: InlineStore) -> None:
    await sending(store, await queued(store), at=after(30))
    await store.execute(AbandonAttempts(after(60), after(60), all_open=True))
    row = (await wall(store, 61))[ALL, None]
    assert row.processing["sent"].count == 1
    assert _close_to(row.processing["sent"].p50, 30)


async def test_what_it_costs_does_not_grow_with_refunds(store: InlineStore) -> None:
    counts = []
    for _ in range(2):
        for number in range(40):
            refund = await sending(store, await queued(store), at=after(number % 3))
            await happen(store, refund, heard(Word.SUCCEEDED), at=after(7))
        counts.append(value(store, "SELECT count(*) FROM tally"))
    assert counts[0] == counts[1]


async def test_a_connection_that_is_gone_keeps_its_numbers(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED))
    left = tuple(c for c in HOUSE.connections if c.id != "stripe-uk/main")
    await store.execute(replace(HOUSE, connections=left))
    found = await wall(store, 1)
    assert found["stripe-uk/main", None].succeeded == 1
    assert found[ALL, None].succeeded == 1
    assert timedelta(seconds=found[ALL, None].window_seconds) == timedelta(days=1)
    assert await claim(store, refund) is not None
