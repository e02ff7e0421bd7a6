"""The live feed: whole, in order, and never a burden."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType

from daemon import feed
from refundwatch.errors import StoreBusy
from refundwatch.store.contract import AuditNote
from tests.daemon.living import living, refund_body
from tests.daemon.promised import validator
from tests.daemon.refusals import refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.daemon.living import Living

FRAME = validator({"$ref": "#/components/schemas/Frame"})
ALL = frozenset({"snapshot", "change", "health", "reset"})


class Watcher:
    """One open feed; every frame is held against the document."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.text = ""

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next frame of these kinds; health comes at any time."""
        wanted = set(kinds) or ALL - {"health"}
        async with asyncio.timeout(10):
            while True:
                message = await self.socket.receive()
                assert message.type is WSMsgType.TEXT, message
                frame: dict[str, Any] = message.json()
                self.text += message.data
                FRAME.validate(frame)
                if frame["frame"] in wanted:
                    return frame

    async def end(self, seconds: float = 5) -> int | None:
        """The code with which the daemon closes."""
        async with asyncio.timeout(seconds):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


@asynccontextmanager
async def watching(
    daemon: Living, since: int | None = None, by: str = "viewer"
) -> AsyncIterator[Watcher]:
    query = "" if since is None else f"?since={since}"
    async with daemon.http.ws_connect(
        "http://daemon/v1/events" + query,
        headers={"Authorization": f"Bearer {daemon.secrets[by]}"},
        max_msg_size=0,
    ) as socket:
        yield Watcher(socket)


async def notes(daemon: Living, count: int) -> None:
    """Write audit entries, as any room might."""
    await asyncio.gather(
        *(
            daemon.hub.store.execute(
                AuditNote(daemon.hub.clock.now(), "test:noted", "system", {"n": n})
            )
            for n in range(count)
        )
    )


async def test_first_frame_is_a_snapshot_of_everything(daemon: Living) -> None:
    await daemon.refund()
    async with watching(daemon) as watcher:
        frame = await watcher.next()
    assert frame["frame"] == "snapshot"
    assert frame["seq"] == len(daemon.kinds()) - 1
    assert frame["counts"]["awaiting_approval"] == 1
    assert frame["me"]["principal"] == "person:vic"
    assert len(frame["connections"]) == 3
    assert frame["status"]["instance"] == "hub.test"


async def test_changes_follow_the_snapshot_without_a_gap(daemon: Living) -> None:
    payment = await daemon.payment()
    async with watching(daemon) as watcher:
        seq = (await watcher.next())["seq"]
        for n in range(30):
            body = refund_body(payment, 1_000, request_id=f"r-{n}")
            await daemon.call("POST", "/v1/refunds", body)
        await notes(daemon, 100)
        last = len(daemon.kinds()) - 1
        seen: list[int] = []
        refunds: set[str] = set()
        while not seen or seen[-1] < last:
            frame = await watcher.next("change")
            seen.append(frame["seq"])
            if frame["refund"] is not None:
                refunds.add(frame["refund"]["id"])
    assert seen == list(range(seq + 1, last + 1))
    assert len(refunds) == 30


async def test_client_that_was_away_gets_what_it_missed(daemon: Living) -> None:
    async with watching(daemon) as watcher:
        seq = (await watcher.next())["seq"]
    await notes(daemon, 5)
    async with watching(daemon, since=seq) as watcher:
        frames = [await watcher.next() for _ in range(5)]
    assert [frame["frame"] for frame in frames] == ["change"] * 5
    assert [frame["seq"] for frame in frames] == list(range(seq + 1, seq + 6))


async def test_since_minus_one_tells_everything(daemon: Living) -> None:
    async with watching(daemon, since=-1) as watcher:
        assert (await watcher.next())["seq"] == 0


@pytest.mark.parametrize("ahead", [True, False])
async def test_impossible_past_is_reset_to_a_snapshot(
    daemon: Living, monkeypatch: pytest.MonkeyPatch, *, ahead: bool
) -> None:
    monkeypatch.setattr(feed, "LONGEST_PAST", 10)
    await notes(daemon, 20)
    last = len(daemon.kinds()) - 1
    async with watching(daemon, since=last + 1 if ahead else last - 11) as watcher:
        reset = await watcher.next()
        snapshot = await watcher.next()
    assert (reset["frame"], reset["seq"]) == ("reset", last)
    assert (snapshot["frame"], snapshot["seq"]) == ("snapshot", last)


async def test_health_comes_without_any_change(daemon: Living) -> None:
    async with watching(daemon) as watcher:
        await watcher.next("snapshot")
        first = await watcher.next("health")
        second = await watcher.next("health")
    assert second["now"] > first["now"]


async def test_wrong_parameter_is_refused_before_the_upgrade(daemon: Living) -> None:
    for query, field in (("since=-2", "since"), ("since=x", "since"), ("to=1", "to")):
        answer = await daemon.call("GET", f"/v1/events?{query}")
        assert (answer.code, answer.body["field"]) == ("request.invalid", field)


async def test_feed_asked_for_without_an_upgrade_says_so(daemon: Living) -> None:
    answer = await daemon.call("GET", "/v1/events?since=3", by="viewer")
    refused(answer, 426, "request.upgrade_required")
    assert answer.headers["Upgrade"] == "websocket"


async def test_feed_needs_a_token(daemon: Living) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await daemon.http.ws_connect("http://daemon/v1/events")
    assert caught.value.status == 401


async def test_client_that_speaks_is_closed(daemon: Living) -> None:
    async with watching(daemon) as watcher:
        await watcher.socket.send_str("hello")
        assert await watcher.end() == WSCloseCode.POLICY_VIOLATION


async def test_frame_that_is_too_large_ends_the_feed(daemon: Living) -> None:
    async with watching(daemon) as watcher:
        await watcher.socket.send_str("x" * (64 * 1024 + 1))
        assert await watcher.end() == WSCloseCode.MESSAGE_TOO_BIG


async def test_revoked_token_ends_the_feed(daemon: Living) -> None:
    async with watching(daemon) as watcher:
        await watcher.next("snapshot")
        token_id = daemon.secrets["viewer"].split("_")[1]
        await daemon.call("DELETE", f"/v1/tokens/{token_id}", by="admin")
        assert await watcher.end(2.5) == WSCloseCode.POLICY_VIOLATION


async def test_revoked_token_ends_a_feed_that_is_busy(daemon: Living) -> None:
    """Changes without end must not keep a dead token watching."""
    async with watching(daemon) as watcher:
        await watcher.next("snapshot")
        token_id = daemon.secrets["viewer"].split("_")[1]

        async def busy() -> None:
            while True:
                await notes(daemon, 20)

        writing = asyncio.ensure_future(busy())
        try:
            await daemon.call("DELETE", f"/v1/tokens/{token_id}", by="admin")
            assert await watcher.end(3) == WSCloseCode.POLICY_VIOLATION
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def handshake(daemon: Living) -> bytes:
    lines = [
        "GET /v1/events?since=-1 HTTP/1.1",
        "Host: daemon",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Authorization: Bearer {daemon.secrets['viewer']}",
        "\r\n",
    ]
    return "\r\n".join(lines).encode()


async def test_reader_that_stalls_is_closed_and_holds_up_nobody(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SEND_SECONDS", 1.0)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stalling:
        stalling.setblocking(False)
        stalling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(stalling, str(daemon.config.api.socket))
        await loop.sock_sendall(stalling, handshake(daemon))
        async with watching(daemon) as quick:
            await quick.next("snapshot")
            last = asyncio.get_running_loop().create_future()

            async def read_on() -> None:
                seen = -1
                while not last.done() or seen < last.result():
                    seen = (await quick.next("change"))["seq"]

            reading = asyncio.create_task(read_on())
            for _ in range(6):
                await notes(daemon, 300)
            async with asyncio.timeout(20):
                while not daemon.hub.counters["feed_slow_readers"]:
                    await notes(daemon, 100)
            last.set_result(len(daemon.kinds()))
            await notes(daemon, 1)
            await reading
        content = b""
        while part := await asyncio.wait_for(loop.sock_recv(stalling, 65_536), 10):
            content += part
    closing = int(WSCloseCode.TRY_AGAIN_LATER).to_bytes(2, "big")
    assert b"\x88" in content[-200:]
    assert closing in content[-200:]


async def test_feed_that_fails_is_closed_and_not_left_silent(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(daemon) as watcher:
        await watcher.next("snapshot")

        async def broken(self: object) -> None:
            raise StoreBusy("A stranger holds the database.")

        monkeypatch.setattr(feed.Feed, "health", broken)
        assert await watcher.end() == WSCloseCode.INTERNAL_ERROR
    assert daemon.hub.counters["feed_crashes"] == 1
    assert daemon.log.of("feed:crashed")[0]["error"] == "store.busy"


async def test_too_many_watchers_are_told_to_come_again(
    daemon: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "CLIENTS", 1)
    async with watching(daemon) as first:
        await first.next("snapshot")
        async with watching(daemon) as second:
            assert await second.end() == WSCloseCode.TRY_AGAIN_LATER
        await first.next("health")


async def test_watchers_are_told_when_the_daemon_goes(tmp_path: Path) -> None:
    async with living(tmp_path) as daemon, watching(daemon) as watcher:
        await watcher.next("snapshot")
        ending = asyncio.ensure_future(daemon.service.stop())
        assert await watcher.end() == WSCloseCode.GOING_AWAY
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await ending
        assert loop.time() - begin < 2
