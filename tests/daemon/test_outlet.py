"""Alarms leave by the one outlet: each once, and again until it was taken."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from daemon import outlet
from refundwatch.store.contract import ListAlarms, RaiseAlarm
from tests.daemon.furnishing import config_text
from tests.daemon.living import living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.daemon.living import Living

PROGRAM = """\
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
text = sys.stdin.read()
tries = len(list(folder.glob("*.json"))) + len(list(folder.glob("*.refused")))
refuse = folder / "refuse"
name = "refused" if refuse.exists() else "json"
(folder / f"{tries}.{name}").write_text(text)
sys.exit(1 if refuse.exists() else 0)
"""


async def alarm(daemon: Living, subject: str) -> None:
    await daemon.hub.store.execute(
        RaiseAlarm(
            daemon.hub.clock.now(),
            "refund_in_doubt",
            "critical",
            subject,
            {"seconds": 900},
        )
    )


async def unsent(daemon: Living) -> list[str]:
    rows = await daemon.hub.store.read(ListAlarms(unsent_only=True))
    return [row.subject for row in rows]


async def all_sent(daemon: Living) -> bool:
    return not await unsent(daemon)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "FIRST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def program(tmp_path: Path) -> str:
    script = tmp_path / "outlet.py"
    script.write_text(PROGRAM, "utf-8")
    taken = tmp_path / "taken"
    taken.mkdir()
    command = json.dumps([sys.executable, str(script), str(taken)])
    return f"[alarms]\ncommand = {command}\n"


def taken(folder: Path, ending: str = "json") -> list[dict[str, Any]]:
    files = sorted((folder / "taken").glob(f"*.{ending}"))
    return [json.loads(file.read_text("utf-8")) for file in files]


async def test_command_gets_each_alarm_once(tmp_path: Path, program: str) -> None:
    async with living(tmp_path, text=config_text(more=program)) as daemon:
        for subject in ("rf_1", "rf_2"):
            await alarm(daemon, subject)
        await until(lambda: all_sent(daemon))
        await alarm(daemon, "rf_1")
        await asyncio.sleep(0.1)
        found = taken(tmp_path)
    assert [it["subject"] for it in found] == ["rf_1", "rf_2"]
    first = found[0]
    assert first["instance"] == "hub.test"
    assert first["mode"] == "sandbox"
    assert first["kind"] == "refund_in_doubt"
    assert first["severity"] == "critical"
    assert first["detail"] == {"seconds": 900}


async def test_command_that_fails_is_tried_again(tmp_path: Path, program: str) -> None:
    (tmp_path / "taken" / "refuse").touch()
    async with living(tmp_path, text=config_text(more=program)) as daemon:
        await alarm(daemon, "rf_1")
        await until(lambda: len(taken(tmp_path, "refused")) >= 2)
        assert await unsent(daemon) == ["rf_1"]
        (tmp_path / "taken" / "refuse").unlink()
        await until(lambda: all_sent(daemon))
        assert daemon.hub.counters["alarm_outlet_failures"] >= 2
    assert [it["subject"] for it in taken(tmp_path)] == ["rf_1"]


async def test_command_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    more = '[alarms]\ncommand = ["/nowhere/at-all"]\n'
    async with living(tmp_path, text=config_text(more=more)) as daemon:
        await alarm(daemon, "rf_1")
        await until(lambda: daemon.hub.counters.get("alarm_outlet_failures"))
        assert await unsent(daemon) == ["rf_1"]
        assert daemon.hub.counters["loop_crashes"] == 0


async def test_alarm_of_before_a_restart_is_sent_after_it(
    tmp_path: Path, program: str
) -> None:
    async with living(tmp_path) as daemon:
        await alarm(daemon, "rf_1")
    async with living(tmp_path, text=config_text(more=program), people=False) as daemon:
        await until(lambda: all_sent(daemon))
    assert [it["subject"] for it in taken(tmp_path)] == ["rf_1"]


@asynccontextmanager
async def receiver(answers: list[int]) -> AsyncIterator[tuple[str, list[Any]]]:
    received: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        received.append((request.path, await request.json()))
        status = answers.pop(0) if answers else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/alarms", received
    finally:
        await runner.cleanup()


async def test_address_gets_each_alarm_once_and_is_tried_again(tmp_path: Path) -> None:
    async with receiver([500, 302]) as (url, received):
        text = config_text(more=f'[alarms]\nurl = "{url}"\n')
        async with living(tmp_path, text=text) as daemon:
            for subject in ("rf_1", "rf_2"):
                await alarm(daemon, subject)
            await until(lambda: all_sent(daemon))
    found = [body["subject"] for _, body in received]
    assert found == ["rf_1", "rf_1", "rf_1", "rf_2"]
    assert {path for path, _ in received} == {"/alarms"}


async def test_address_that_is_silent_is_given_up_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "SECONDS", 0.2)
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = config_text(more=f'[alarms]\nurl = "http://127.0.0.1:{port}/"\n')
    try:
        async with living(tmp_path, text=text) as daemon:
            await alarm(daemon, "rf_1")
            await until(lambda: len(held) >= 2)
            assert await unsent(daemon) == ["rf_1"]
    finally:
        for writer in held:
            writer.close()
        server.close()


async def test_daemon_stops_at_once_while_an_alarm_cannot_leave(
    tmp_path: Path,
) -> None:
    more = '[alarms]\ncommand = ["/bin/sleep", "60"]\n'
    async with living(tmp_path, text=config_text(more=more)) as daemon:
        await alarm(daemon, "rf_1")
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await daemon.service.stop()
        assert loop.time() - begin < 3
