"""procrastinate on PostgreSQL: a job is one POST to the gateway, 100 at once."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from pathlib import Path

import aiohttp
import pgserver  # type: ignore[import-not-found]
import procrastinate  # type: ignore[import-not-found]

CONCURRENCY = 100
FIRST = 0.1


async def measure(address: str, gateway: int, jobs: int) -> float:
    """Return jobs per second between 10 % and all of them."""
    done: list[float] = []
    finished = asyncio.Event()
    connector = procrastinate.PsycopgConnector(
        conninfo=address, min_size=4, max_size=16
    )
    app = procrastinate.App(connector=connector)
    wire = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def send(number: int) -> None:
        async with wire.post(
            f"http://127.0.0.1:{gateway}/v1/refunds",
            data=f"payment_intent=pi_{number:08}&amount=1999".encode(),
            headers={"Idempotency-Key": f"k{number}"},
        ) as answer:
            await answer.read()
        done.append(time.perf_counter())
        if len(done) == jobs:
            finished.set()

    task = app.task(send, name="send")
    async with wire, app.open_async():
        await app.schema_manager.apply_schema_async()
        await task.batch_defer_async(*({"number": number} for number in range(jobs)))
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY, wait=False, install_signal_handlers=False
            )
        )
        await finished.wait()
        await worker
    first = int(jobs * FIRST)
    return (jobs - first) / (done[-1] - done[first - 1])


def main() -> None:
    """Start a server of its own, and print what was measured."""
    parser = argparse.ArgumentParser(prog="procrastinate_sends")
    parser.add_argument("folder", type=Path)
    parser.add_argument("gateway", type=int)
    parser.add_argument("jobs", type=int)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    server = pgserver.get_server(chosen.folder / "pg", cleanup_mode="delete")
    try:
        rate = asyncio.run(measure(server.get_uri(), chosen.gateway, chosen.jobs))
    finally:
        server.cleanup()
    print(json.dumps({"rate": rate}))


if __name__ == "__main__":
    main()
