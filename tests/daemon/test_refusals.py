"""A store that refuses is told once, is not ready, and has its alarm afterwards."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from refundwatch.store.contract import ListAlarms
from refundwatch.store.sqlite.store import ThreadedStore
from tests.daemon.living import living, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.living import Living


class Disk:
    """Has room, or has none."""

    def __init__(self, daemon: Living) -> None:
        self.full = False
        store = daemon.parts.store
        assert isinstance(store, ThreadedStore)
        store._writer._hook = self._write

    def _write(self, place: str) -> None:
        if place == "before_commit" and self.full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


async def readiness(daemon: Living) -> tuple[int, str]:
    async with daemon.tcp_http.get(daemon.health + "/readyz") as response:
        return response.status, await response.text()


async def test_full_disk_is_one_line_not_ready_and_an_alarm_afterwards(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        payment = await daemon.payment()
        disk = Disk(daemon)
        body = {
            "request_id": "r-1",
            "payment": payment,
            "amount_minor": 1,
            "currency": "GBP",
            "reason_code": "returned",
        }
        disk.full = True
        for _ in range(5):
            answer = await daemon.call("POST", "/v1/refunds", body)
            assert (answer.status, answer.code) == (507, "store.full")
        assert await readiness(daemon) == (503, "store.full\n")
        assert (await daemon.call("GET", "/v1/status")).status == 200
        assert len(daemon.log.of("store:refuses")) == 1

        disk.full = False
        assert (await daemon.call("POST", "/v1/refunds", body)).status == 201
        assert await readiness(daemon) == (200, "ready\n")
        assert len(daemon.log.of("store:accepts")) == 1
        assert daemon.hub.counters["store_refusals"] == 1

        async def told() -> list[str]:
            alarms = await daemon.hub.store.read(ListAlarms())
            return [it.subject for it in alarms if it.kind == "store_refused"]

        assert await until(told) == ["store.full"]
