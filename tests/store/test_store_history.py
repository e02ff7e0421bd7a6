from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from refundwatch.domain.refund import Word
from refundwatch.store.contract import GetHistory, HistoryRow, Sum
from refundwatch.store.sqlite.local_days import local_day, midnight, stretches
from tests.making import after, make_payment
from tests.store.sending import happen, heard, queued, sending

if TYPE_CHECKING:
    from refundwatch.store.contract import Store
    from refundwatch.store.sqlite.store import InlineStore

DAY = 86_400
LONDON = ZoneInfo("Europe/London")


async def history(
    store: Store, at: float, days: int = 30
) -> dict[tuple[str, str], HistoryRow]:
    found = await store.read(GetHistory(after(at), days))
    return {(row.connection, row.currency): row for row in found}


async def test_paid_open_and_ended_stand_by_their_days(store: InlineStore) -> None:
    paid, ended = await sending(store), await sending(store)
    await happen(store, paid, heard(Word.SUCCEEDED), at=after(2 * DAY))
    await happen(store, ended, heard(Word.FAILED), at=after(DAY))
    await sending(store)
    found = (await history(store, 3 * DAY))["stripe-uk/main", "GBP"]
    assert (found.first, found.today) == (date(2026, 11, 2), date(2026, 11, 5))
    assert found.requested == (3_000, 0, 0)
    assert found.paid == (0, 0, 1_000)
    assert found.paid_after == {2: Sum(1, 1_000)}
    assert found.ended_after == {1: Sum(1, 1_000)}
    assert found.open_by_age == {3: Sum(1, 1_000)}
    assert found.returned_after == {}


async def test_what_bounced_stands_by_days_from_its_payment(store: InlineStore) -> None:
    refund = await sending(store)
    await happen(store, refund, heard(Word.SUCCEEDED), at=after(DAY))
    await happen(store, refund, heard(Word.FAILED, "webhook"), at=after(4 * DAY))
    found = (await history(store, 5 * DAY))["stripe-uk/main", "GBP"]
    assert found.paid_after == {1: Sum(1, 1_000)}
    assert found.returned_after == {3: Sum(1, 1_000)}


async def test_request_without_a_way_belongs_to_the_only_connection_or_the_account(
    store: InlineStore,
) -> None:
    await queued(store)
    payment = await make_payment(store, account="adyen-eu", currency="EUR")
    await queued(store, payment=payment, currency="EUR")
    found = await history(store, 0)
    assert set(found) == {("adyen-eu/main", "EUR"), ("stripe-uk", "GBP")}
    assert found["stripe-uk", "GBP"].open_by_age == {0: Sum(1, 1_000)}
    # Today's day is not over: it is in no series.
    assert found["stripe-uk", "GBP"].requested == ()


async def test_what_is_older_than_asked_for_is_left_out(store: InlineStore) -> None:
    await queued(store)
    assert await history(store, 10 * DAY, days=9) == {}
    assert await history(store, 10 * DAY, days=10) != {}


def test_stretches_part_where_clocks_change_and_leave_no_gap() -> None:
    start, end = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 12))
    found = list(stretches(LONDON, start, end))
    assert [it.offset for it in found] == [timedelta(hours=hour) for hour in (0, 1, 0)]
    assert found[1].start == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert found[1].end == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(a.end == b.start for a, b in pairwise(found))


def test_days_are_those_of_the_zone() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    assert local_day(late, LONDON) == date(2026, 7, 1)
    assert midnight(date(2026, 7, 1), LONDON) == late - timedelta(minutes=30)
