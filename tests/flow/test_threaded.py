"""The same rooms over the store that a daemon opens: a file, a thread, real time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from refundwatch.domain.refund import RefundState
from refundwatch.flow.house import build_house
from refundwatch.store.contract import (
    AccountSpec,
    ConnectionSpec,
    CountStates,
    NewPayment,
    NewRefund,
    OpenHouse,
    PutPayments,
)
from refundwatch.store.sqlite.store import open_sqlite_store
from tests.flow.fakes import FakePaths, LogBook, a_path, settings
from tests.flow.toy import Act, Bank
from tests.flow.world import SHOP, GlassSealer, easy_policy

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.flow.house import House
    from refundwatch.store.contract import Store

COUNT = 40


class TrueClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def a_house(store: Store, bank: Bank, log: LogBook) -> House:
    return build_house(
        store=store,
        transport=bank,
        clock=TrueClock(),
        paths=FakePaths((a_path(timeout_seconds=0.05),)),
        rules=lambda: settings(backoff_seconds=(1, 1, 1)),
        policy=easy_policy,
        log=log,
        probe_every_seconds=60,
    )


async def fill(store: Store, house: House) -> None:
    clock = TrueClock()
    await store.execute(
        OpenHouse(
            at=clock.now(),
            instance="test",
            mode="sandbox",
            config_digest="0" * 64,
            version="0",
            accounts=(AccountSpec("toy-eu", "toy", "UTC"),),
            connections=(ConnectionSpec("toy-eu", "main", "https://toy.test"),),
        )
    )
    payments = tuple(
        NewPayment("toy-eu", f"pi_{number}", 10_000, "EUR") for number in range(COUNT)
    )
    await store.execute(PutPayments(clock.now(), "machine:shop", payments))
    refunds = [
        NewRefund(f"r-{n}", f"pi_{n}", 500, "EUR", "returned", account="toy-eu")
        for n in range(COUNT)
    ]
    report = await house.intake.create_many(SHOP, refunds)
    assert report.created == COUNT


async def test_rooms_pay_out_everything_over_a_file_in_real_time(
    tmp_path: Path,
) -> None:
    store = await open_sqlite_store(tmp_path / "store.db", GlassSealer())
    log, bank = LogBook(), Bank(acts=[Act.LOST_AFTER, Act.LOST_BEFORE, Act.NEVER_SENT])
    house = a_house(store, bank, log)
    store.subscribe(house.wake)
    stop = asyncio.Event()
    try:
        await fill(store, house)
        rooms = [asyncio.ensure_future(room.run(stop)) for room in house.rooms]
        async with asyncio.timeout(20):
            counts = await store.read(CountStates())
            while counts.get(RefundState.SUCCEEDED, 0) < COUNT:
                await asyncio.sleep(0.05)
                counts = await store.read(CountStates())
        stop.set()
        await asyncio.gather(*rooms)
    finally:
        await store.close()
    log.check_quiet()
    bank.check_once()
    assert len(bank.executed) == COUNT
