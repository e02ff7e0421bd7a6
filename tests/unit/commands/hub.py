"""A stand-in for the daemon: serves models over a Unix socket, notes what it got."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel

from refundwatch.api.models import Problem
from refundwatch.api.paths import PREFIX, ROUTES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Call:
    name: str
    parts: dict[str, str]
    query: dict[str, str]
    body: Any
    token: str | None


Answer = BaseModel | tuple[int, BaseModel]
Handler = Callable[[Call], Answer]
Feeder = Callable[[int | None, web.WebSocketResponse], Any]


def problem(status: int, code: str, detail: str, where: str | None = None) -> Answer:
    return status, Problem(
        type="about:blank",
        title="No",
        status=status,
        code=code,
        detail=detail,
        field=where,
    )


@dataclass
class FakeHub:
    socket: Path
    handlers: dict[str, Handler] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    feeder: Feeder | None = None
    feeds: list[int | None] = field(default_factory=list)

    def answer(self, name: str, answer: Answer) -> None:
        self.handlers[name] = lambda _: answer

    def named(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    def start(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=8 * 1024 * 1024)
        for route in ROUTES:
            app.router.add_route(
                route.method, PREFIX + route.path, self._handler(route.name)
            )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(self.socket)).start()
        self._ready.set()
        await self._told.wait()
        await runner.cleanup()

    def _handler(self, name: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if name == "events":
                return await self._feed(request)
            content = await request.read()
            call = Call(
                name,
                dict(request.match_info),
                dict(request.query),
                json.loads(content) if content else None,
                request.headers.get("Authorization"),
            )
            self.calls.append(call)
            answer = self.handlers[name](call)
            status, model = answer if isinstance(answer, tuple) else (200, answer)
            return web.Response(
                status=status,
                body=model.model_dump_json().encode(),
                content_type="application/json",
            )

        return handle

    async def _feed(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        since = request.query.get("since")
        known = None if since is None else int(since)
        self.feeds.append(known)
        assert self.feeder is not None
        await self.feeder(known, socket)
        await socket.close()
        return socket
