"""A running sandbox with a receiver for its webhooks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from refundwatch.sandbox.running import running_sandbox
from tests.sandbox.hands import CAPTURE, PI, PSP, accounts, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from refundwatch.sandbox.controls import Sandbox

AUTH = {"Authorization": "Bearer sk_test_sandbox"}


@dataclass(slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Live:
    box: Sandbox
    http: aiohttp.ClientSession
    received: list[Received]
    answers: list[int]

    async def admin(
        self, method: str, path: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        url = self.box.admin_url + path
        async with self.http.request(method, url, json=body) as answer:
            return answer.status, await answer.json()

    async def stripe_refund(
        self, amount: int = 1_000, *, key: str = "k", patience: float = 5.0
    ) -> tuple[int, bytes]:
        """Send a refund; raises what a client sees when it gets no whole answer."""
        form = {"payment_intent": PI, "amount": str(amount), "metadata[rw_id]": "rw-1"}
        async with self.http.post(
            self.box.base_url("stripe") + "/v1/refunds",
            data=form,
            headers={**AUTH, "Idempotency-Key": key},
            timeout=aiohttp.ClientTimeout(total=patience),
        ) as answer:
            return answer.status, await answer.read()


@contextlib.asynccontextmanager
async def live_sandbox(
    profile: str = "none", *, time_scale: float = 0.01, **faults: float
) -> AsyncIterator[Live]:
    received: list[Received] = []
    answers: list[int] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        received.append(Received(request.path, dict(request.headers), body))
        return web.Response(status=answers.pop(0) if answers else 200)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    hooked = tuple(
        replace(account, webhook_url=f"{url}/{account.name}") for account in accounts()
    )
    wanted = replace(config(profile, time_scale=time_scale, **faults), accounts=hooked)
    try:
        async with running_sandbox(wanted) as box, aiohttp.ClientSession() as http:
            box.add_payment("stripe", PI, 5_000, "EUR")
            box.add_payment("adyen", PSP, 5_000, "EUR")
            box.add_payment("paypal", CAPTURE, 5_000, "EUR")
            yield Live(box, http, received, answers)
    finally:
        await runner.cleanup()
