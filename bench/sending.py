"""Refunds sent per second: 20 ms at the gateway, 100 at once, the full protocol.

The intent is durable (`synchronous=FULL`) before the first byte, the outcome after the
answer. Sender on core 0, gateway on core 1, one connection for each attempt. The limit
is Little's: 100 places that are taken for 20 ms each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from urllib.request import urlopen

from bench import peers
from bench.ratio import Row, at_least, interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS: Final = 0.02
PLACES: Final = 100
LIMIT: Final = PLACES / SECONDS
REFUNDS: Final = 5000
FEW: Final = 400
ROUNDS: Final = 5
JOBS: Final = {"huey": 2500, "procrastinate": 1000}

NOTE: Final = (
    "one request a refund: its payment was read before; bound by the processor: of the "
    "time on its one core the writer takes half (claims 23 %, outcomes 27 %), the HTTP "
    "client, which opens a connection for each attempt, 20 %, the rooms 25 %, reading "
    "what is due 5 %"
)


def run(short: bool) -> list[Row]:  # noqa: FBT001 - one question of every table
    """Measure; without the peers' environment a short run leaves them out."""
    with tempfile.TemporaryDirectory(prefix="bench-sending-") as folder:
        return _rows(Path(folder), short=short)


def _rows(folder: Path, *, short: bool) -> list[Row]:
    refunds, rounds = (FEW, 1) if short else (REFUNDS, ROUNDS)
    known = _filled(folder / "known", refunds)
    fresh = _filled(folder / "fresh", refunds // 2, "--unread")
    variants = {
        "ours": lambda: _ours(known, folder / "run", refunds),
        "fresh": lambda: _ours(fresh, folder / "run", refunds, requests=2),
    }
    if not short or peers.built():
        python = str(peers.python())
        for name, jobs in JOBS.items():
            count = jobs // 10 if short else jobs
            variants[name] = _peer(python, name, folder / name, count)
    taken = interleaved(variants, rounds)
    two = median(taken["fresh"])
    note = f"{NOTE}; where it must be read first (two requests): {two:,.0f}/s"
    ours = ("refunds sent/s", taken["ours"])
    limit = ("limit of 100 places at 20 ms", [LIMIT] * rounds)
    rows = [at_least("sending", ours, limit, 0.65, note)]
    if "huey" in taken:
        beside = ("procrastinate on PostgreSQL", taken["procrastinate"])
        rows.append(at_least("sending", ours, beside, 9))
        beside = ("huey on SQLite, which loses jobs in a crash", taken["huey"])
        rows.append(at_least("sending", ours, beside, 3))
    return rows


def _filled(folder: Path, refunds: int, *more: str) -> Path:
    folder.mkdir()
    _python("-m", "bench.sender", str(folder), "--fill", str(refunds), *more)
    return folder


def _ours(template: Path, folder: Path, refunds: int, requests: int = 1) -> float:
    shutil.copytree(template, folder)
    orders = refunds // requests
    try:
        with gateway() as port:
            told = _python(
                "-m",
                "bench.sender",
                str(folder),
                "--gateway",
                str(port),
                *_on_core(0),
            )
            with urlopen(f"http://127.0.0.1:{port}/count") as answer:
                counted = json.load(answer)
        if counted != {"refunds": orders, "requests": orders * requests}:
            raise SystemExit(f"{orders} refunds were queued, the gateway saw {counted}")
        return _rate(told)
    finally:
        shutil.rmtree(folder)


def _peer(python: str, name: str, folder: Path, jobs: int) -> Callable[[], float]:
    script = str(peers.ROOT / "bench" / "peer" / f"{name}_sends.py")

    def measure() -> float:
        folder.mkdir()
        try:
            with gateway() as port:
                arguments = (str(folder), str(port), str(jobs), *_on_core(0))
                return _rate(_output(python, script, *arguments))
        finally:
            shutil.rmtree(folder)

    return measure


@contextmanager
def gateway() -> Iterator[int]:
    """Start the gateway on its core; give its port."""
    command = (sys.executable, "-m", "bench.stub_gateway", *_on_core(1))
    with subprocess.Popen(
        [*command, "--seconds", str(SECONDS)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else "0")
        finally:
            process.terminate()


def _on_core(number: int) -> tuple[str, ...]:
    """Pin to a core where the system can and has that many."""
    if sys.platform != "linux":
        return ()
    cores = sorted(os.sched_getaffinity(0))
    return ("--core", str(cores[number])) if len(cores) > number else ()


def _python(*arguments: str) -> str:
    return _output(sys.executable, *arguments)


def _output(*command: str) -> str:
    return subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def _rate(told: str) -> float:
    return float(json.loads(told.splitlines()[-1])["rate"])
