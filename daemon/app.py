"""The operator API as an application: the route table turned into handlers.

Invariant: every route of `refundwatch.api.paths` is served, by one wrapper that reads,
authenticates, checks the permission, and only then calls the handler.
"""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import TYPE_CHECKING, Final

from aiohttp import web

from daemon import problems
from daemon.auth import LIMITS, Doorkeeper
from daemon.cards import refuse_cards_of
from daemon.guard import Gatekeeper, read_body
from daemon.login import Logins
from daemon.reading import parse_body, parse_query
from daemon.routes import HANDLERS, Call
from daemon.routes.login import PERSONAL, Meeting
from refundwatch.api.models import BulkView
from refundwatch.api.openapi import document
from refundwatch.api.paths import PREFIX, ROUTES
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from daemon.feed import Feed
    from daemon.hub import Hub
    from daemon.routes.call import Answer
    from daemon.throttle import Rate
    from refundwatch.api.paths import Route

BODY_LIMIT_BYTES: Final = 1024 * 1024
BULK_LIMIT_BYTES: Final = 8 * 1024 * 1024
_IN_RECOVERY: Final = frozenset(
    {"alarms.acknowledge", "audit.recover", "tokens.create", "tokens.revoke"}
)
"""What may be changed in recovery: who may speak, and that they spoke."""
_UNROUTED: Final = frozenset({"events", "openapi"}) | PERSONAL.keys()


def build_app(
    hub: Hub,
    gate: Gatekeeper,
    feed: Feed,
    rate: Rate,
    certificate: Path | None = None,
) -> web.Application:
    """Build the operator API; `certificate` is what the listener shows."""
    app = web.Application(middlewares=[problems.guard(hub)])
    logins = Logins(hub, certificate)
    door = Doorkeeper(hub, rate, logins)
    for route in ROUTES:
        path = PREFIX + route.path
        if route.name == "events":
            app.router.add_route(route.method, path, _feeding(door, route, feed))
        elif route.name == "openapi":
            app.router.add_route(route.method, path, _describing(door, route, hub))
        elif route.name in PERSONAL:
            handler = _meeting(hub, door, logins, gate, route)
            app.router.add_route(route.method, path, handler)
        else:
            app.router.add_route(route.method, path, _serving(hub, door, gate, route))
    for path, methods in _plain_paths().items():
        app.router.add_route("*", PREFIX + path, _refusing(methods))
    app.on_shutdown.append(feed.close_all)
    return app


def _plain_paths() -> dict[str, set[str]]:
    """Return the paths without a part to fill in, each with its methods."""
    paths: dict[str, set[str]] = {}
    for route in ROUTES:
        if "{" not in route.path:
            paths.setdefault(route.path, set()).add(route.method)
    return paths


def _refusing(
    methods: set[str],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Refuse other methods, so that `/invoices/bulk` is never an invoice's number."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, methods)

    return refuse


def _serving(
    hub: Hub, door: Doorkeeper, gate: Gatekeeper, route: Route
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    handler = HANDLERS[route.name]
    limit = BULK_LIMIT_BYTES if route.name.endswith(".bulk") else BODY_LIMIT_BYTES

    async def serve(request: web.Request) -> web.StreamResponse:
        principal = await door.admit(request, route)
        refuse_cards_of(request.match_info)
        _must_be_open(hub, route)
        if route.name == "audit.read":
            await door.note_reading(principal)
        query = parse_query(route, request.query)
        content = await read_body(request, gate, limit)
        body = parse_body(route, content, request.content_type)
        call = Call(hub, principal, request.match_info, query, body)
        try:
            answer = await handler(call)
        except RefundwatchError as error:
            if error.code in LIMITS:
                await door.note_denial(principal, route.name, error.code)
            raise
        for code in _limits_met(answer):
            await door.note_denial(principal, route.name, code)
        return web.Response(
            status=answer.status or route.status,
            body=answer.model.model_dump_json().encode(),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return serve


def _limits_met(answer: Answer) -> frozenset[str]:
    """Give the limits of the caller's token that rows of a bulk request met."""
    if not isinstance(answer.model, BulkView):
        return frozenset()
    return LIMITS & {problem.code for problem in answer.model.problems}


def _must_be_open(hub: Hub, route: Route) -> None:
    """Refuse what changes anything while the log's end is lost."""
    if hub.recovery is None or route.method == "GET" or route.name in _IN_RECOVERY:
        return
    raise problems.InRecovery(f"The log is in recovery: {hub.recovery}")


def _meeting(
    hub: Hub, door: Doorkeeper, logins: Logins, gate: Gatekeeper, route: Route
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Serve who logs in or out: what counts here is where the request comes from."""
    meet = PERSONAL[route.name]

    async def serve(request: web.Request) -> web.StreamResponse:
        principal = None if route.public else await door.admit(request, route)
        parse_query(route, request.query)
        content = await read_body(request, gate, BODY_LIMIT_BYTES)
        body = parse_body(route, content, request.content_type)
        model = await meet(Meeting(hub, logins, request, principal, body))
        return web.Response(
            status=route.status,
            body=model.model_dump_json().encode(),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return serve


def _feeding(
    door: Doorkeeper, route: Route, feed: Feed
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        principal = await door.admit(request, route)
        since = parse_query(route, request.query).get("since")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise problems.UpgradeRequired("The feed is a WebSocket; ask to upgrade.")
        return await feed.serve(
            request, principal, since if isinstance(since, int) else None, door
        )

    return serve


def _describing(
    door: Doorkeeper, route: Route, hub: Hub
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        await door.admit(request, route)
        parse_query(route, request.query)
        text = await asyncio.to_thread(_description, hub.version)
        return web.Response(body=text, content_type="application/json")

    return serve


@cache
def _description(version: str) -> bytes:
    """Make the document once, when somebody asks: it would slow every start."""
    return json.dumps(document(version)).encode()
