from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from refundwatch.errors import StoreFailed
from refundwatch.flow.confirm import (
    MOST_READING,
    MOST_WAITING,
    Reception,
    Receptionist,
)
from refundwatch.flow.equipment import Door
from refundwatch.flow.exchange import Exchanges
from refundwatch.flow.hatch import LONGEST_WAIT_SECONDS
from refundwatch.flow.lanes import Lanes
from refundwatch.gateways.contract import (
    Forged,
    HttpRequest,
    RawDelivery,
    Received,
)
from refundwatch.store.contract import RecordCall, StoreDelivery
from tests.flow.fakes import FakePaths, FakeStore, LogBook, a_path
from tests.flow.simloop import SimClock, SimLoop, simulate
from tests.flow.toy import Bank, Toy, delivery

ITEM = {
    "event": "evt_1",
    "id": "re_1",
    "status": "succeeded",
    "reference": "rw1",
    "payment": "pi_1",
    "amount": 500,
    "currency": "EUR",
}


def bench(
    loop: SimLoop,
    bank: Bank | None = None,
    gateway: Any = None,
    concurrency: int = 4,
) -> Any:
    clock = SimClock(loop)
    store = FakeStore({"StoreDelivery": lambda command: len(command.items)})
    path = a_path(gateway=gateway or Toy(), concurrency=concurrency)
    paths = FakePaths((path,))
    return SimpleNamespace(
        store=store,
        clock=clock,
        log=LogBook(),
        paths=paths,
        exchanges=Exchanges(bank or Bank(), paths, clock, store),
        door=Door(),
        lanes=Lanes(paths, clock),
    )


def test_good_delivery_is_stored_then_answered_as_its_gateway_expects() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        room = Receptionist(equipment)
        raw = delivery([ITEM], hint=True)

        assert await room.receive("toy-eu", raw) == Reception(200, b"[accepted]")
        (stored,) = equipment.store.of(StoreDelivery)
        assert stored.body == raw.body
        (item,) = stored.items
        assert (item.dedupe_id, item.word, item.hint) == ("evt_1", "succeeded", True)
        assert room.counted == {("toy-eu", "received"): 1}

    simulate(main)


def test_repeated_delivery_is_answered_like_the_first() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        equipment.store.replies["StoreDelivery"] = 0
        room = Receptionist(equipment)

        answer = await room.receive("toy-eu", delivery([ITEM]))
        assert answer == Reception(200, b"[accepted]")
        assert room.counted == {("toy-eu", "repeated"): 1}

    simulate(main)


def test_forged_delivery_is_refused_and_changes_no_state() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        room = Receptionist(equipment)
        raw = delivery([ITEM], signature="guessed")

        assert await room.receive("toy-eu", raw) == Reception(401)
        assert equipment.store.commands == []
        assert room.counted == {("toy-eu", "forged"): 1}

    simulate(main)


def test_unknown_account_is_not_found() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        answer = await Receptionist(equipment).receive("nobody", delivery([ITEM]))

        assert answer == Reception(404)
        assert equipment.store.commands == []

    simulate(main)


@pytest.mark.parametrize("latency", [0.0, 60.0])
def test_delivery_that_cannot_be_verified_now_is_asked_for_again(
    latency: float,
) -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(cert_status=503, latency=latency))
        raw = delivery([ITEM])
        headers = {**raw.headers, "x-cert": "https://certs.test/1"}
        answer = await Receptionist(equipment).receive(
            "toy-eu", RawDelivery(headers, raw.body)
        )

        assert answer == Reception(503)
        assert equipment.store.of(StoreDelivery) == []
        assert loop.time() <= 4

    simulate(main)


def test_delivery_that_could_not_be_stored_is_asked_for_again() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        equipment.store.replies["StoreDelivery"] = StoreFailed("disk")
        answer = await Receptionist(equipment).receive("toy-eu", delivery([ITEM]))

        assert answer == Reception(503)

    simulate(main)


def test_broken_reader_is_answered_unavailable_and_logs_no_text() -> None:
    class Broken(Toy):
        def receive(self, *args: Any) -> Any:
            raise ValueError("4111 1111")

    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, gateway=Broken())
        room = Receptionist(equipment)

        assert await room.receive("toy-eu", delivery([ITEM])) == Reception(503)
        assert "4111" not in str(equipment.log.problems)

    simulate(main)


def test_well_signed_delivery_about_nothing_is_accepted() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        raw = RawDelivery({"x-sig": "whsec"}, json.dumps({"items": []}).encode())

        answer = await Receptionist(equipment).receive("toy-eu", raw)
        assert answer == Reception(200, b"[accepted]")
        assert equipment.store.of(StoreDelivery) == []

    simulate(main)


@pytest.mark.parametrize("status", [401, 403, 404, 503])
@pytest.mark.parametrize("signature", ["whsec", "guessed"])
def test_stranger_speaks_of_no_connections_health(status: int, signature: str) -> None:
    """Who sends a delivery chooses what is fetched for it."""

    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(cert_status=status))
        raw = delivery([ITEM], signature=signature)
        headers = {**raw.headers, "x-cert": "https://certs.test/1"}
        answer = await Receptionist(equipment).receive(
            "toy-eu", RawDelivery(headers, raw.body)
        )

        assert answer.status in {401, 503}
        assert equipment.store.commands == []

    simulate(main)


def test_fetch_for_a_delivery_that_holds_is_noted() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        raw = delivery([ITEM])
        headers = {**raw.headers, "x-cert": "https://certs.test/1"}
        await Receptionist(equipment).receive("toy-eu", RawDelivery(headers, raw.body))

        (noted,) = equipment.store.of(RecordCall)
        assert noted.call.operation == "cert"

    simulate(main)


class Disk(FakeStore):
    """Holds what is submitted until it is told what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[asyncio.Future[int]] = []

    def submit(self, command: Any) -> asyncio.Future[int]:
        self.commands.append(command)
        self.submitted.append(asyncio.get_running_loop().create_future())
        return self.submitted[-1]


def test_short_way_answers_when_the_delivery_is_durable_and_not_before() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        equipment.store = disk = Disk()
        given: list[Reception] = []
        room = Receptionist(equipment)

        for _ in range(3):
            assert room.receive_at_once("toy-eu", delivery([ITEM]), given.append)
        await asyncio.sleep(1)
        assert given == []
        assert equipment.door.waiting == 3

        new, repeated, lost = disk.submitted
        new.set_result(1)
        await asyncio.sleep(1)
        repeated.set_result(0)
        await asyncio.sleep(1)
        lost.set_exception(StoreFailed("disk"))
        await asyncio.sleep(1)
        accepted = Reception(200, b"[accepted]")
        assert given == [accepted, accepted, Reception(503)]
        assert equipment.door.waiting == 0
        assert sorted(verdict for _, verdict in room.counted) == [
            "failed",
            "received",
            "repeated",
        ]

    simulate(main)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(delivery([ITEM]), 200, id="stored"),
        pytest.param(delivery([ITEM], signature="guessed"), 401, id="forged"),
    ],
)
def test_short_way_answers_once_even_where_the_answer_fails(
    raw: RawDelivery, status: int
) -> None:
    async def main(loop: SimLoop) -> None:
        loop.set_exception_handler(lambda *_: None)
        equipment = bench(loop)
        equipment.store = disk = Disk()
        given: list[int] = []

        def answer(reception: Reception) -> None:
            given.append(reception.status)
            raise ConnectionResetError

        with suppress(ConnectionResetError):
            Receptionist(equipment).receive_at_once("toy-eu", raw, answer)
        for stored in disk.submitted:
            stored.set_result(1)
        await asyncio.sleep(1)
        assert given == [status]

    simulate(main)


def test_more_than_may_wait_are_asked_to_come_again() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop)
        equipment.store = disk = Disk()
        room = Receptionist(equipment)
        given: list[Reception] = []

        equipment.door.waiting = MOST_WAITING - 1
        assert room.receive_at_once("toy-eu", delivery([ITEM]), given.append)
        assert len(disk.submitted) == 1
        assert given == []

        assert room.receive_at_once("toy-eu", delivery([ITEM]), given.append)
        assert given == [Reception(503)]
        assert await room.receive("toy-eu", delivery([ITEM])) == Reception(503)
        assert len(disk.commands) == 1

    simulate(main)


class Unsigned(Toy):
    """Reads what a delivery names, as gateways do whose webhooks bear no signature."""

    def receive(self, *_: Any) -> Any:
        response = yield HttpRequest("read_webhook", "GET", "/health")
        return Received(()) if response.status == 200 else Forged("unknown")


def test_what_is_not_signed_makes_us_read_a_few_things_at_once() -> None:
    async def main(loop: SimLoop) -> None:
        bank = Bank(latency=1.0)
        equipment = bench(loop, bank, Unsigned(), 2 * MOST_READING)
        room = Receptionist(equipment)
        flood = [
            asyncio.create_task(room.receive("toy-eu", delivery([ITEM])))
            for _ in range(10 * MOST_READING)
        ]
        statuses = Counter([(await one).status for one in flood])

        assert statuses == {200: MOST_READING, 503: 9 * MOST_READING}
        assert max(bank.most_open.values()) == MOST_READING
        # Nothing was told, so nothing is kept: not even that somebody asked.
        assert equipment.store.commands == []
        # What was turned away comes again, and finds a place.
        assert (await room.receive("toy-eu", delivery([ITEM]))).status == 200

    simulate(main)


def test_what_is_not_signed_is_read_within_half_the_places_of_its_connection() -> None:
    async def main(loop: SimLoop) -> None:
        bank = Bank(latency=1.0)
        equipment = bench(loop, bank, Unsigned(), 4)
        room = Receptionist(equipment)
        flood = [
            asyncio.create_task(room.receive("toy-eu", delivery([ITEM])))
            for _ in range(MOST_READING)
        ]

        assert {(await one).status for one in flood} == {200}
        assert max(bank.most_open.values()) == 2

    simulate(main)


def test_delivery_whose_read_finds_no_place_in_time_is_asked_to_come_again() -> None:
    async def main(loop: SimLoop) -> None:
        bank = Bank()
        equipment = bench(loop, bank, Unsigned(), 1)
        room = Receptionist(equipment)
        lane = equipment.lanes.lane(equipment.paths.paths[0])
        await lane.acquire()
        begun = loop.time()

        assert (await room.receive("toy-eu", delivery([ITEM]))).status == 503
        assert loop.time() - begun == LONGEST_WAIT_SECONDS
        assert bank.asked == []

        lane.release()
        assert (await room.receive("toy-eu", delivery([ITEM]))).status == 200

    simulate(main)


def test_read_of_a_delivery_that_is_broken_off_gives_its_places_back() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(latency=1.0), Unsigned(), 2)
        room = Receptionist(equipment)
        two = [
            asyncio.create_task(room.receive("toy-eu", delivery([ITEM])))
            for _ in range(2)
        ]
        await asyncio.sleep(0.5)
        for one in two:
            one.cancel()
        await asyncio.gather(*two, return_exceptions=True)

        assert not equipment.lanes.lane(equipment.paths.paths[0]).locked()
        assert (await room.receive("toy-eu", delivery([ITEM]))).status == 200

    simulate(main)


def test_what_fetches_a_certificate_is_not_counted_as_reading() -> None:
    async def main(loop: SimLoop) -> None:
        room = Receptionist(bench(loop, Bank(latency=1.0)))
        raw = delivery([ITEM])
        headers = {**raw.headers, "x-cert": "https://certs.test/1"}
        flood = [
            asyncio.create_task(room.receive("toy-eu", RawDelivery(headers, raw.body)))
            for _ in range(2 * MOST_READING)
        ]
        assert {(await one).status for one in flood} == {200}

    simulate(main)
