"""The public listener: `/webhooks/{account}` and nothing else.

Invariant: a POST is answered 2xx only after the delivery is durable; a GET stores
nothing, and is answered where the account's gateway checks an address that way. A
stranger learns nothing else, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from daemon.guard import Gatekeeper, headers_of, read_body
from refundwatch.flow.loops import trouble
from refundwatch.gateways.contract import RawDelivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daemon.hub import Hub
    from refundwatch.flow.confirm import Receptionist


def build_webhooks(
    hub: Hub,
    receptionist: Receptionist,
    gate: Gatekeeper,
    limit_bytes: Callable[[], int],
) -> web.Application:
    """Build the webhook listener's application; a body has so many bytes at most."""
    app = web.Application(middlewares=[_quiet(hub)])

    async def receive(request: web.Request) -> web.Response:
        body = await read_body(request, gate, limit_bytes())
        if hub.recovery is not None:
            # Nothing may be stored now; the gateway comes again.
            return web.Response(status=503)
        raw = RawDelivery(headers_of(request.headers), body, dict(request.query))
        reception = await receptionist.receive(request.match_info["account"], raw)
        return web.Response(status=reception.status, body=reception.body)

    async def greet(request: web.Request) -> web.Response:
        await read_body(request, gate, limit_bytes())
        query = {name: request.query[name] for name in request.query}
        answer = receptionist.greet(request.match_info["account"], query)
        if answer is None:
            return web.Response(status=404)
        return web.Response(body=answer, content_type="text/plain")

    app.router.add_post("/webhooks/{account}", receive)
    app.router.add_get("/webhooks/{account}", greet, allow_head=False)
    return app


def _quiet(hub: Hub) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def quiet(
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status)
        except Exception as error:  # noqa: BLE001 - the border of the daemon
            hub.count("webhook_crashes")
            hub.log.problem("webhook:crash", **trouble(error))
            return web.Response(status=503)

    return quiet
