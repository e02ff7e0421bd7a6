"""huey on SQLite with fsync: a job is one POST to the gateway, sent by 100 threads.

It deletes a job from its table before it runs it, so a crash loses the job.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import threading
import time
from pathlib import Path

from huey import SqliteHuey  # type: ignore[import-not-found]

WORKERS = 100
FIRST = 0.1


def main() -> None:
    """Enqueue, run, and print jobs per second between 10 % and all of them."""
    parser = argparse.ArgumentParser(prog="huey_sends")
    parser.add_argument("folder", type=Path)
    parser.add_argument("gateway", type=int)
    parser.add_argument("jobs", type=int)
    parser.add_argument("--core", type=int)
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    queue = SqliteHuey(filename=str(chosen.folder / "huey.db"), fsync=True)
    wires = threading.local()
    done: list[float] = []

    def send(number: int) -> None:
        wire = getattr(wires, "wire", None)
        if wire is None:
            wire = http.client.HTTPConnection("127.0.0.1", chosen.gateway)
            wires.wire = wire
        body = f"payment_intent=pi_{number:08}&amount=1999"
        wire.request("POST", "/v1/refunds", body, {"Idempotency-Key": f"k{number}"})
        wire.getresponse().read()
        done.append(time.perf_counter())

    task = queue.task()(send)
    for number in range(chosen.jobs):
        task(number)
    # Its consumer wants signals of the main thread, so it runs here and is ended.
    consumer = queue.create_consumer(
        workers=WORKERS, worker_type="thread", periodic=False, initial_delay=0.01
    )
    consumer.start()
    while len(done) < chosen.jobs:
        time.sleep(0.005)
    first = int(chosen.jobs * FIRST)
    rate = (chosen.jobs - first) / (done[-1] - done[first - 1])
    print(json.dumps({"rate": rate}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
