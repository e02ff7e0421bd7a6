"""The live feed: a snapshot, then numbered changes, over a WebSocket.

Invariant: a client that sees sequence N has seen every change up to N; one that reads
too slowly is closed (1013) and asks again from where it was. Health frames are replaced
by the newest. A client whose token ended is closed (1008) within a second or two, and
one whose feed failed is closed (1011): an open feed is a living one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import WSCloseCode, WSMsgType, web

from daemon import present
from daemon.auth import bearer
from daemon.routes.access import present_me
from daemon.routes.accounts import DAY_SECONDS, present_status
from daemon.routes.call import Call
from refundwatch.api import models as m
from refundwatch.domain.policy import Permission, may
from refundwatch.flow.loops import trouble
from refundwatch.store import contract as c

if TYPE_CHECKING:
    from pydantic import BaseModel

    from daemon.auth import Doorkeeper
    from daemon.hub import Hub
    from refundwatch.domain.policy import Principal

MESSAGE_LIMIT_BYTES: Final = 64 * 1024
HEARTBEAT_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
"""How long one that is closed may take to say so itself, and keep its place."""

HEALTH_SECONDS: Final = 1.0
SEND_SECONDS: Final = 10.0
BATCH: Final = 500
LONGEST_PAST: Final = 5000
CLIENTS: Final = 200
WRITER_BYTES: Final = 64 * 1024
"""So much is written to a watcher between two looks whether it reads."""

BUFFERED_BYTES: Final = 256 * 1024
"""What one watcher may have unread: the marks of writer and transport, and a frame."""


class Feed:
    """Serves every watcher of one hub."""

    def __init__(self, hub: Hub) -> None:
        """Start without watchers; listens to the store's commits at once."""
        self.hub = hub
        self._sockets: set[web.WebSocketResponse] = set()
        self._tick = asyncio.Condition()
        self._commits = 0
        self._health: tuple[float, m.HealthFrame] | None = None
        self._pending: asyncio.Task[None] | None = None
        self.most_watchers = 0
        self.most_buffered_bytes = 0
        self.unsubscribe = hub.store.subscribe(self._committed)

    @property
    def watchers(self) -> int:
        """Count the open feeds."""
        return len(self._sockets)

    def note_buffered(self, size_bytes: int) -> None:
        """Note how much one watcher has not read yet."""
        self.most_buffered_bytes = max(self.most_buffered_bytes, size_bytes)

    async def serve(
        self,
        request: web.Request,
        principal: Principal,
        since: int | None,
        door: Doorkeeper,
    ) -> web.StreamResponse:
        """Serve one watcher until it leaves or must go."""
        socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS,
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=MESSAGE_LIMIT_BYTES,
            writer_limit=WRITER_BYTES,
        )
        try:
            await socket.prepare(request)
            if len(self._sockets) >= CLIENTS:
                await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
            else:
                watcher = _Watcher(self, request, socket, principal, door)
                await self._attend(watcher, since)
        except ConnectionError:
            # It left while it was written to: no failure, and nobody to tell.
            pass
        return socket

    async def _attend(self, watcher: _Watcher, since: int | None) -> None:
        socket = watcher.socket
        self._sockets.add(socket)
        self.most_watchers = max(self.most_watchers, len(self._sockets))
        writing = asyncio.ensure_future(watcher.write(since))
        try:
            async for message in socket:
                if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
                # A watcher has nothing to say; silence is the protocol.
                await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            self._sockets.discard(socket)

    async def close_all(self, app: web.Application) -> None:
        """Tell every watcher that the daemon goes away."""
        del app
        self.unsubscribe()
        await asyncio.gather(
            *(
                socket.close(code=WSCloseCode.GOING_AWAY)
                for socket in list(self._sockets)
            ),
            return_exceptions=True,
        )

    async def wait(self, commits: int, seconds: float) -> int:
        """Wait for a commit after `commits`, at most so long; return the count now."""
        try:
            async with asyncio.timeout(seconds), self._tick:
                await self._tick.wait_for(lambda: self._commits != commits)
        except TimeoutError:
            pass
        return self._commits

    async def health(self) -> m.HealthFrame:
        """Return the newest health, read at most once a second for all watchers."""
        now = self.hub.clock.monotonic()
        if self._health is None or now - self._health[0] >= HEALTH_SECONDS:
            self._health = (now, await self._read_health())
        return self._health[1]

    async def _read_health(self) -> m.HealthFrame:
        store, now = self.hub.store, self.hub.clock.now()
        counts = await store.read(c.CountStates())
        connections = await store.read(c.ListConnections())
        alarms = await store.read(c.ListAlarms())
        numbers = await store.read(c.GetNumbers(now, DAY_SECONDS))
        return m.HealthFrame(
            now=now,
            counts=present.counts(counts),
            connections=[present.connection(row, now) for row in connections],
            alarms=[present.alarm(row) for row in alarms],
            metrics=m.MetricsView(
                at=now,
                window_seconds=DAY_SECONDS,
                items=[present.numbers(row) for row in numbers],
            ),
        )

    def _committed(self, committed: c.Committed) -> None:
        del committed
        self._commits += 1
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(self._announce())

    async def _announce(self) -> None:
        async with self._tick:
            self._tick.notify_all()


class _Watcher:
    """Writes the frames of one socket."""

    def __init__(
        self,
        feed: Feed,
        request: web.Request,
        socket: web.WebSocketResponse,
        principal: Principal,
        door: Doorkeeper,
    ) -> None:
        self._feed = feed
        self._line = request.transport
        self._hub = feed.hub
        self.socket = socket
        self._principal = principal
        self._token = bearer(request)
        self._door = door

    async def write(self, since: int | None) -> None:
        """Write a snapshot (or what happened since), then everything that happens."""
        try:
            seq = await self._begin(since)
            await self._follow(seq)
        except TimeoutError:
            self._hub.count("feed_slow_readers")
            await self.socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
        except ConnectionError:
            return
        except _EndedError:
            await self.socket.close(code=WSCloseCode.POLICY_VIOLATION)
        except Exception as error:  # noqa: BLE001 - a silent feed would look alive
            self._hub.count("feed_crashes")
            self._hub.log.problem("feed:crashed", **trouble(error))
            await self.socket.close(code=WSCloseCode.INTERNAL_ERROR)

    async def _begin(self, since: int | None) -> int:
        last = await self._hub.store.read(c.LastSeq())
        if since is None:
            await self._send(await self._snapshot(last))
            return last
        if since > last or last - since > LONGEST_PAST:
            await self._send(m.ResetFrame(seq=last))
            await self._send(await self._snapshot(last))
            return last
        return since

    async def _follow(self, seq: int) -> None:
        commits, next_health = -1, 0.0
        roster = self._hub.people.roster
        while True:
            if self._hub.people.roster is not roster:
                # Somebody's key or role changed: whose feed ends, ends now.
                roster = self._hub.people.roster
                await self._check()
            changes = await self._hub.store.read(c.ChangesSince(seq, BATCH))
            for change in changes:
                await self._send(_change(change))
                seq = change.seq
            now = self._hub.clock.monotonic()
            if now >= next_health:
                await self._check()
                await self._send(await self._feed.health())
                next_health = now + HEALTH_SECONDS
            if len(changes) < BATCH:
                commits = await self._feed.wait(commits, HEALTH_SECONDS)

    async def _check(self) -> None:
        """End the feed of a token that was revoked or lost its role meanwhile."""
        principal = await self._door.principal_of(self._token)
        if principal is None or may(principal, Permission.EVENT_READ) is not None:
            raise _EndedError

    async def _send(self, frame: BaseModel) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self.socket.send_str(frame.model_dump_json())
        if self._line is not None:
            self._feed.note_buffered(self._line.get_write_buffer_size())

    def _call(self) -> Call:
        return Call(self._hub, self._principal, {}, {}, None)

    async def _snapshot(self, seq: int) -> m.SnapshotFrame:
        health = await self._feed.health()
        call = self._call()
        return m.SnapshotFrame(
            seq=seq,
            now=health.now,
            status=await present_status(call),
            me=present_me(call),
            counts=health.counts,
            connections=health.connections,
            alarms=health.alarms,
            metrics=health.metrics,
        )


class _EndedError(Exception):
    """The watcher's token no longer counts."""


def _change(change: c.Change) -> m.ChangeFrame:
    refund = None if change.refund is None else present.refund(change.refund)
    return m.ChangeFrame(
        seq=change.seq,
        at=change.at,
        kind=change.kind,
        actor=change.actor,
        refund=refund,
    )
