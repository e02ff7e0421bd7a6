"""Sums that are kept between questions say what the rows say."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from refundwatch.domain import events as ev
from refundwatch.domain.refund import Word
from refundwatch.store.contract import GetNumbers
from refundwatch.store.sqlite.connection import open_reader
from refundwatch.store.sqlite.queries_numbers import get_numbers
from refundwatch.store.sqlite.registry import Reading
from tests.making import START, open_house
from tests.sealer import OpenSealer
from tests.store.driving import drive
from tests.store.sending import heard, queued

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from refundwatch.store.contract import ThreeNumbers
    from refundwatch.store.sqlite.store import InlineStore


async def _happen(store: InlineStore, chance: random.Random, at: datetime) -> None:
    refund = await queued(store, at=at - timedelta(seconds=chance.randrange(40)))
    said = chance.choice([Word.SUCCEEDED, Word.FAILED, Word.PENDING])
    code = chance.choice(["card_lost", "closed"]) if said is Word.FAILED else None
    claimed = ev.Claimed(chance.choice(["stripe-uk/main", "stripe-uk/second"]))
    await drive(store, refund, claimed, heard(said, failure_code=code), at=at)


async def test_kept_sums_are_those_of_the_rows(tmp_path: Path) -> None:
    chance = random.Random(20261102)
    path = tmp_path / "hub.sqlite"
    store = await open_house(path)
    reader = await open_reader(path)
    try:
        now = START
        for _ in range(160):
            step = chance.choice([1, 20, 61, 600, 3_000, 40_000, 90_000])
            now += timedelta(seconds=step)
            for _ in range(chance.randrange(3)):
                await _happen(store, chance, now)
            for window in (3_600, 86_400, 120):
                query = GetNumbers(now, window)
                again = [await reader.run(_asked(query)) for _ in range(2)]
                plain = await store.read(query)
                assert again == [plain, plain]
    finally:
        await reader.close()
        await store.close()


async def test_moments_in_any_order_are_answered_from_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    store = await open_house(path)
    reader = await open_reader(path)
    chance = random.Random(1)
    try:
        for minute in range(0, 120, 7):
            await _happen(store, chance, START + timedelta(minutes=minute))
        for minute in (300, 140, 180, 125, 181, 130, 1_000, 999):
            query = GetNumbers(START + timedelta(minutes=minute), 86_400)
            found = await reader.run(_asked(query))
            assert found == await store.read(query)
    finally:
        await reader.close()
        await store.close()


async def test_a_window_that_was_dropped_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    await (await open_house(path)).close()
    reader = await open_reader(path)
    try:
        await reader.run(_asked(GetNumbers(START, 3_600)))
        kept = reader._conn.kept  # type: ignore[attr-defined]
        assert list(kept) == [timedelta(hours=1)]
        await reader.run(_asked(GetNumbers(START, 3 * 86_400)))
        await reader.run(_asked(GetNumbers(START, 3_600, by_currency=True)))
        assert list(kept) == [timedelta(hours=1)]
    finally:
        await reader.close()


def _asked(
    query: GetNumbers,
) -> Callable[[sqlite3.Connection], tuple[ThreeNumbers, ...]]:
    def answer(connection: sqlite3.Connection) -> tuple[ThreeNumbers, ...]:
        return get_numbers(Reading(connection, OpenSealer()), query)

    return answer
