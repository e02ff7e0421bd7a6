"""The smallest aiohttp daemon: one route, nothing else."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bench.looping import loop_factory


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/", _hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("daemon:ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as serving:
        serving.run(_serve())
