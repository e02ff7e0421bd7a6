"""How late an answer comes at a steady 1,000 events a second.

The timetable is fixed and latency runs from the planned moment, so an answer that
keeps others waiting counts for each of them. A floor of the disk and the bare handler
are taken in the same round.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.hub import running_hub
from bench.ingest import target_of
from bench.ratio import Row, at_most, interleaved
from bench.stand import environment, load, running_bare

TABLE: Final = "webhook latency at 1,000/s, open loop"
RATE: Final = 1000.0
BARE_PARTS: Final = 12
DISK_PARTS: Final = 2
_SYNC_BYTES: Final = 16_384
_FILE_BYTES: Final = 16 * 1024 * 1024


def run(short: bool) -> list[Row]:  # noqa: FBT001 - every table's signature
    """Measure p99 beside what handler and disk need by themselves."""
    seconds, syncs, rounds = (1.0, 100, 1) if short else (4.0, 1000, 7)
    with running_hub(environment()) as hub, running_bare(hub.subjects) as bare:
        ours = target_of(hub)

        def take() -> float:
            p99_ms = load(ours, seconds, rate=RATE).p99_ms
            hub.come_to_rest()
            return p99_ms

        found = interleaved(
            {
                "disk": lambda: disk_p99_ms(syncs),
                "ours": take,
                "bare": lambda: load(bare, seconds, rate=RATE).p50_ms,
            },
            rounds,
        )
    allowed = [
        BARE_PARTS * bare_ms + DISK_PARTS * disk_ms
        for bare_ms, disk_ms in zip(found["bare"], found["disk"], strict=True)
    ]
    return [
        at_most(
            TABLE,
            ("refundwatch p99, ms", found["ours"]),
            ("12 bare p50 + 2 disk p99, ms", allowed),
            1.0,
        )
    ]


def disk_p99_ms(syncs: int) -> float:
    """Write 16 KiB and sync it, again and again, where the database would lie."""
    content, taken = os.urandom(_SYNC_BYTES), []
    with tempfile.TemporaryDirectory(prefix="refundwatch-bench-") as name:
        opened = os.open(Path(name) / "floor", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.pwrite(opened, bytes(_FILE_BYTES), 0)
            os.fsync(opened)
            for number in range(syncs):
                begun = time.perf_counter()
                os.pwrite(opened, content, number * _SYNC_BYTES % _FILE_BYTES)
                os.fdatasync(opened)
                taken.append(1000 * (time.perf_counter() - begun))
        finally:
            os.close(opened)
    return sorted(taken)[int(len(taken) * 0.99)]
