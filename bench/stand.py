"""The stand of the webhook benches: servers on one core, the load from another.

Every server gets the same events in the same form; no event is ever sent twice.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from bench import peers
from bench.cores import LOAD_CORE, SERVER_CORE, ended, start
from bench.load import Order, Taken
from refundwatch.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM: Final = 1_000_000
"""Numbers of events that one run may use up."""

_DJSTRIPE_PATH: Final = "/stripe/webhook/00000000-0000-0000-0000-000000000007/"
_START_SECONDS: Final = 30.0
_runs = count(1)


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load; `most_per_second` is more than it can take."""

    port: int
    path: str
    secret: str
    subjects: list[dict[str, Any]]
    most_per_second: int


def load(
    target: Target,
    seconds: float,
    *,
    warm_up_seconds: float = 0.5,
    rate: float | None = None,
) -> Taken:
    """Run the load generator once against a target.

    Raises:
        RuntimeError: an answer was missing or was no 200.
    """
    planned = (seconds + warm_up_seconds) * (rate or target.most_per_second)
    order = Order(
        port=target.port,
        path=target.path,
        secret=target.secret,
        subjects=target.subjects,
        first=next(_runs) * ROOM,
        most=int(planned) + 100,
        seconds=seconds,
        warm_up_seconds=warm_up_seconds,
        rate=rate,
    )
    with start(
        [sys.executable, "-m", "bench.load"],
        LOAD_CORE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as process:
        answer, _ = process.communicate(json.dumps(asdict(order)).encode())
    taken = Taken(**json.loads(answer))
    if taken.ok != taken.sent or not taken.per_second:
        raise RuntimeError(f"Not every event was taken: {taken}.")
    return taken


def with_uvloop() -> bool:
    """Tell whether the peers' environment is there to lend its uvloop."""
    return _lent() is not None


def environment() -> dict[str, str]:
    """Return the environment of a child that uses uvloop where there is one."""
    paths = [str(peers.ROOT)]
    lent = _lent()
    if lent is not None:
        paths.append(str(lent))
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths))


def _lent() -> Path | None:
    """Copy uvloop out of the peers' environment, whose rest must not be seen."""
    folder = peers.HOME / "uvloop"
    if not (folder / "uvloop").exists():
        for found in (peers.HOME / "venv").glob("lib/python*/site-packages/uvloop"):
            shutil.copytree(found, folder / "uvloop")
    return folder if (folder / "uvloop").exists() else None


@contextmanager
def running_bare(subjects: list[dict[str, Any]]) -> Iterator[Target]:
    """Run the bare handler on the servers' core."""
    (port,) = free_ports(1)
    line = [sys.executable, "-m", "bench.bare", str(port)]
    with ended(start(line, SERVER_CORE, env=environment())):
        wait_for(port)
        yield Target(port, "/webhooks/bare", "whsec_bare", subjects, 50_000)


@contextmanager
def running_djstripe(subjects: list[dict[str, Any]]) -> Iterator[Target | None]:
    """Run dj-stripe under gunicorn, one worker of 8 threads; None where it is not."""
    interpreter = peers.HOME / "venv" / "bin" / "python"
    if not (interpreter.parent / "gunicorn").exists():
        yield None
        return
    (port,), secret = free_ports(1), "whsec_djstripe"
    with tempfile.TemporaryDirectory(prefix="refundwatch-bench-") as folder:
        here = dict(
            os.environ,
            PYTHONPATH=str(peers.ROOT),
            BENCH_DATABASE=f"{folder}/djstripe.db",
            BENCH_SECRET=secret,
        )
        site = "bench.peer.djstripe_site"
        subprocess.run([interpreter, "-m", site], env=here, check=True)
        serve = [str(interpreter), "-m", "gunicorn", "--worker-class", "gthread"]
        serve += ["--workers", "1", "--threads", "8", "--keep-alive", "75"]
        serve += ["--log-level", "warning", "--bind", f"127.0.0.1:{port}"]
        line = [*serve, f"{site}:application"]
        with ended(start(line, SERVER_CORE, env=here)):
            wait_for(port)
            yield Target(port, _DJSTRIPE_PATH, secret, subjects, 1000)


def wait_for(port: int) -> None:
    """Wait until somebody listens.

    Raises:
        TimeoutError: nobody did in time.
    """
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"Nobody listens on {port}.")
