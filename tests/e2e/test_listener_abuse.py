"""Strangers at the listeners: honest calls are answered, and nothing else happens."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from refundwatch.api import models as m
from tests.alone import Alone, alone
from tests.hostile import (
    PATH,
    Crowd,
    Honest,
    allow_sockets,
    ambiguous,
    genuine,
    length,
    malformed,
    request,
    reset,
    statuses,
    talk,
)
from tests.staging import free_of_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults import FaultTable

pytestmark = [
    pytest.mark.xdist_group("heavy"),
    pytest.mark.asyncio(loop_scope="module"),
]

NOWHERE = {"stripe-uk": "http://127.0.0.1:9"}
LIMITS = "header_deadline_seconds = 2\nbody_deadline_seconds = 2"
PATIENCE_SECONDS = 5.0
"""How long an honest delivery may take while strangers do their worst."""

CROWD = 10_000
STRANGERS = [f"127.0.1.{number}" for number in range(1, 251)]
STRANGER = STRANGERS[0]
GROWTH_MIB = 150


@dataclass(slots=True)
class Besieged:
    """The one daemon of these tests, and how it was before the first of them."""

    system: Alone
    mib: float
    stored: int = 0

    def honest(self, peer: str = "127.0.0.1") -> Honest:
        self.stored = self._deliveries()
        return Honest(self.system, peer)

    async def check(self, honest: Honest) -> None:
        """Hold against what was promised: honest calls served, nothing else stored."""
        assert honest.failed == []
        assert honest.slowest_seconds < PATIENCE_SECONDS
        assert self._deliveries() - self.stored == honest.stored
        grown = self.system.memory_mib() - self.mib
        assert grown < GROWTH_MIB, f"{grown:.0f} MiB more at the peak"
        assert free_of_errors(self.system.folder) == []
        async with self.system.client() as client:
            await client.call("status", m.StatusView)

    def _deliveries(self) -> int:
        return int(self.system.select("SELECT count(*) FROM delivery_body")[0][0])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def besieged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Besieged]:
    path = tmp_path_factory.mktemp("hub")
    async with alone(path, NOWHERE, LIMITS) as found:
        yield Besieged(found, found.memory_mib())


async def test_what_is_no_request_changes_nothing(
    besieged: Besieged, faults: FaultTable
) -> None:
    system, honest = besieged.system, besieged.honest()
    few = asyncio.Semaphore(8)

    async def utter(what: str, text: bytes) -> None:
        for port in (system.folder.ports.webhooks, system.api_port):
            async with few:
                answer = await talk(port, text, peer=STRANGER)
            got = statuses(answer)
            assert all(400 <= status < 500 for status in got), (what, got)
            assert len(got) <= 1, (what, got)
            assert b"evt_hidden" not in answer
            assert b"aiohttp" not in answer.lower()

    said = {**ambiguous("evt_hidden"), **malformed()}
    async with honest.meanwhile():
        await asyncio.gather(*(utter(what, text) for what, text in said.items()))
    for what in said:
        faults.add("F18", what, 2)
    await besieged.check(honest)


async def test_pipelines_and_early_ends_change_nothing(
    besieged: Besieged, faults: FaultTable
) -> None:
    port, honest = besieged.system.folder.ports.webhooks, besieged.honest()
    async with honest.meanwhile():
        one = request(length(b"{}"), body=b"{}")
        last = request(length(b"{}"), b"Connection: close", body=b"{}")
        got = statuses(await talk(port, one * 999 + last, peer=STRANGER, seconds=20))
        assert set(got) == {401}
        assert len(got) == 1000
        faults.add("F18", "pipeline of 1,000", 1000)

        written = await _write_without_reading(port, one * 1000)
        faults.add("F18", "pipeline that is never read", written)

        crowd = Crowd(port, request(b"Content-Length: 9000", body=b"x" * 4000))
        for _ in range(5):
            await crowd.gather(100, STRANGERS)
            for sock in crowd.sockets:
                reset(sock)
            crowd.sockets.clear()
        faults.add("F18", "early disconnect", 500)
    await besieged.check(honest)


async def _write_without_reading(port: int, text: bytes) -> int:
    """Write for two seconds as long as the daemon takes it; count the writes."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((STRANGER, 0))
        await loop.sock_connect(sock, ("127.0.0.1", port))
        count, end = 0, time.monotonic() + 2
        try:
            async with asyncio.timeout(2):
                while time.monotonic() < end:
                    await loop.sock_sendall(sock, text)
                    count += 1
        except (TimeoutError, ConnectionError):
            count += 1
    return count


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("idle connections", b""),
        ("slow headers", b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nX-"),
        ("slow bodies", request(b"Content-Length: 100", body=b"half")),
    ],
)
async def test_crowd_does_not_keep_honest_deliveries_out(
    besieged: Besieged, faults: FaultTable, what: str, word: bytes
) -> None:
    """Every place is taken by strangers; who comes next is served all the same."""
    count = CROWD if not word else 2000
    allow_sockets(count)
    system, honest = besieged.system, besieged.honest()
    crowd = Crowd(system.folder.ports.webhooks, word)
    try:
        async with honest.meanwhile():
            await crowd.gather(count, STRANGERS)
            await system.until(lambda: crowd.standing() <= 1000, 10, "fewer")
            await asyncio.sleep(1)
        faults.add("F18", what, count)
        assert honest.stored >= 5
        await system.until(lambda: crowd.standing() == 0, 10, "cut")
    finally:
        crowd.leave()
    await besieged.check(honest)


async def test_idle_lines_of_one_proxy_give_way_to_its_next_delivery(
    besieged: Besieged, faults: FaultTable
) -> None:
    port, honest = besieged.system.folder.ports.webhooks, besieged.honest(STRANGER)
    crowd = Crowd(port)
    served = Crowd(port, request(length(b"{}"), body=b"{}"))
    try:
        await crowd.gather(150, [STRANGER])
        await served.gather(150, [STRANGER])
        async with honest.meanwhile():
            await besieged.system.until(
                lambda: crowd.standing() + served.standing() <= 100, 10, "fewer"
            )
        faults.add("F18", "idle connections of one address", 300)
    finally:
        crowd.leave()
        served.leave()
    await besieged.check(honest)


async def test_crowd_at_the_operators_port_does_not_keep_them_out(
    besieged: Besieged, faults: FaultTable
) -> None:
    system, honest = besieged.system, besieged.honest()
    headers = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"
    crowd, slow = Crowd(system.api_port), Crowd(system.api_port, headers)
    server = f"http://127.0.0.1:{system.api_port}"
    try:
        await crowd.gather(600, STRANGERS)
        await slow.gather(600, STRANGERS)
        for _ in range(5):
            await honest.once()
            async with system.client_of(server) as client:
                await client.call("status", m.StatusView)
        await system.until(
            lambda: crowd.standing() + slow.standing() <= 500, 10, "fewer"
        )
        faults.add("F18", "crowd at the operator API", 1200)
    finally:
        crowd.leave()
        slow.leave()
    await besieged.check(honest)


async def test_hidden_request_would_be_stored_if_it_were_read(
    besieged: Besieged,
) -> None:
    """The bait of the ambiguous requests is a whole and genuine delivery."""
    honest, port = besieged.honest(), besieged.system.folder.ports.webhooks
    bait = genuine("evt_bait").replace(b"Host", b"Connection: close\r\nHost")
    assert statuses(await talk(port, bait, peer=STRANGER)) == [200]
    honest.stored += 1
    await besieged.check(honest)
