"""A bare aiohttp handler: the ceiling that the webhook listener is measured beside.

It verifies, parses and stores nothing, and does not even read the body.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from bench.looping import loop_factory


async def _answer(request: web.Request) -> web.Response:
    del request
    return web.Response()


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/webhooks/{account}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(int(sys.argv[1])))
