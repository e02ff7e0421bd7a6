"""From start to stop: one daemon a store, nothing half sent is forgotten."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from daemon.clock import SystemClock
from daemon.service import CannotListen, Service
from daemon.wiring import wired
from refundwatch.config import load_config
from refundwatch.errors import StoreFailed, StoreLocked, StoreMismatch
from refundwatch.store.sqlite.store import ThreadedStore
from tests.daemon.furnishing import config_text, furnish
from tests.daemon.living import ListLog, gateways, living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@asynccontextmanager
async def process(
    config: Path, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    found = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "refundwatch",
        "daemon",
        "--config",
        str(config),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.kill()
            await found.communicate()


async def events_until(running: asyncio.subprocess.Process, name: str) -> list[str]:
    assert running.stderr is not None
    names: list[str] = []
    async with asyncio.timeout(30):
        while name not in names:
            line = await running.stderr.readline()
            assert line, names
            names.append(json.loads(line)["event"])
    return names


async def rest_of(running: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(30):
        _, errors = await running.communicate()
    return errors.decode()


async def test_process_tells_systemd_drains_and_leaves_the_store_free(
    tmp_path: Path,
) -> None:
    config = furnish(tmp_path, config_text())
    with listening_manager(tmp_path / "notify") as told:
        async with process(
            config, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000"
        ) as first:
            await events_until(first, "daemon:ready")
            async with process(config) as second:
                said = await rest_of(second)
            assert second.returncode == 75
            assert "hub.db" in said
            assert "Traceback" not in said
            first.send_signal(signal.SIGTERM)
            lines = (await rest_of(first)).splitlines()
            assert first.returncode == 0
            ended = [json.loads(line)["event"] for line in lines]
            assert ended[-2:] == ["daemon:draining", "daemon:stopped"]
        await until(lambda: told[-1].startswith("STOPPING"))
    assert told[0] == "READY=1\nSTATUS=serving hub.test"
    assert "WATCHDOG=1" in told
    assert told[-1] == "STOPPING=1\nSTATUS=draining"
    assert not (tmp_path / "api.sock").exists()
    async with process(config) as third:
        assert "daemon:ready" in await events_until(third, "daemon:ready")


@contextmanager
def listening_manager(path: Path) -> Iterator[list[str]]:
    """A service manager's socket; what was told grows in the list."""
    told: list[str] = []
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        loop.add_reader(manager, lambda: told.append(manager.recv(4096).decode()))
        try:
            yield told
        finally:
            loop.remove_reader(manager)


async def test_second_daemon_on_a_store_is_refused(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        with pytest.raises(StoreLocked, match=r"hub\.db"):
            async with wired(daemon.config, SystemClock(), ListLog()):
                pass
        assert (await daemon.call("GET", "/v1/status")).status == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('instance = "hub.test"', 'instance = "other.test"'),
        ('mode = "sandbox"', 'mode = "live"'),
    ],
)
async def test_store_of_another_house_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    # In live mode root operators would be asked for first.
    monkeypatch.setattr("daemon.wiring._roots", lambda _config: ())
    async with living(tmp_path) as daemon:
        pass
    before = daemon.state()
    text = config_text().replace(old, new).replace("http://127", "https://127")
    with pytest.raises(StoreMismatch):
        async with living(tmp_path, text=text, people=False):
            pass
    assert daemon.state() == before


async def test_open_attempt_stays_as_recorded_and_becomes_unknown(
    tmp_path: Path,
) -> None:
    async with gateways(shutdown_seconds=1) as (box, text):
        box.add_payment("stripe-uk", "pi_slow", 10_000, "GBP")
        box.set_faults("none", {"dropped_after": 1.0, "hang_seconds": 3000.0})
        box.pause_webhooks()
        async with living(tmp_path, text=text, sandbox=box) as daemon:
            payment = await daemon.payment(10_000, gateway_reference="pi_slow")
            refund = await daemon.refund(100, payment=payment)
            await daemon.becomes(refund, "sending")
            await until(lambda: list(box.ledger.rows()))
            query = "SELECT state FROM refund"
            loop = asyncio.get_running_loop()
            begin = loop.time()
            await daemon.service.stop()
            assert loop.time() - begin < 4
            assert daemon.query(query) == [("sending",)]
            assert daemon.query("SELECT closed_at FROM attempt") == [(None,)]
        box.set_faults("none", {"lookup_lags": 0.0})
        log = ListLog()
        async with living(
            tmp_path, text=text, sandbox=box, people=False, log=log
        ) as daemon:
            await daemon.renew_tokens()
            assert log.of("recovery:unknown") == [{"refunds": 1}]
            assert "refund:attempt:abandoned" in daemon.kinds()
            # The gateway had executed it: the look-up finds it, nothing is resent.
            await daemon.becomes(refund, "succeeded", 15)
            assert len(daemon.rows("attempt")) == 1


async def test_nothing_is_claimed_while_draining(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        await daemon.service.stop()
        payment = "SELECT COUNT(*) FROM attempt"
        assert daemon.query(payment) == [(0,)]
        with pytest.raises(aiohttp.ClientConnectionError):
            await daemon.call("GET", "/v1/status")


async def test_socket_is_for_the_owner_and_the_group(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_by_a_kill:
        left_by_a_kill.bind(str(tmp_path / "api.sock"))
    async with living(tmp_path) as daemon:
        mode = daemon.config.api.socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        assert (await daemon.call("GET", "/v1/status")).status == 200
    assert not (tmp_path / "api.sock").exists()


async def test_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "api.sock"
    precious.write_text("accounts", "ascii")
    with pytest.raises(CannotListen, match="no socket"):
        async with living(tmp_path):
            pass
    assert precious.read_text("ascii") == "accounts"


async def test_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        text = config_text(webhook_port=port)
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} .webhooks.: Addr"):
            async with living(tmp_path, text=text):
                pass
    async with living(tmp_path) as daemon:
        assert (await daemon.call("GET", "/v1/status")).status == 200


async def test_failed_store_ends_the_process_with_an_error(tmp_path: Path) -> None:
    config = load_config(furnish(tmp_path, config_text()))
    log = ListLog()
    async with wired(config, SystemClock(), log) as parts:
        service = Service(parts)
        running = asyncio.ensure_future(service.run())
        await until(lambda: parts.hub.ready)
        parts.hub.failed.set()
        assert await asyncio.wait_for(running, 10) == StoreFailed.exit_code == 74


async def test_store_that_fails_under_a_request_ends_the_process(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as daemon:
        payment = await daemon.payment()

        def crash(point: str) -> None:
            if point == "before_commit":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error

        store = daemon.parts.store
        assert isinstance(store, ThreadedStore)
        store._writer._hook = crash
        body = {
            "request_id": "r-1",
            "payment": payment,
            "amount_minor": 1,
            "currency": "GBP",
            "reason_code": "returned",
        }
        answer = await daemon.call("POST", "/v1/refunds", body)
        assert (answer.status, answer.code) == (503, StoreFailed.code)
        await until(daemon.hub.failed.is_set)


async def test_start_and_stop_are_logged_without_secrets(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon:
        log = daemon.log
    (ready,) = log.of("daemon:ready")
    assert set(ready) == {"pid", "health", "api", "api_tcp", "webhooks"}
    assert [name for name, _ in log.lines if name.startswith("daemon:")] == [
        "daemon:ready",
        "daemon:draining",
        "daemon:stopped",
    ]
