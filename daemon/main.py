"""`refundwatch daemon`: flags, exit codes, and the process's own manners.

Invariant: a configuration that cannot be used ends with 78 and changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.clock import SystemClock
from daemon.descriptors import raise_limit
from daemon.logs import open_log
from daemon.service import Service
from daemon.wiring import prepare, wired
from refundwatch.config import default_path, load_config
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from refundwatch.config import Config

_PR_SET_DUMPABLE: Final = 4
_YOUNG_OBJECTS: Final = 20_000


def main(argv: list[str]) -> int:
    """Run the daemon, or only check its configuration; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="refundwatch daemon", description="Run the hub."
    )
    parser.add_argument(
        "--config", type=Path, help="the configuration (else where `config path` says)"
    )
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="check everything, open nothing, change nothing",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config or default_path())
    if arguments.check_config:
        return check(config)
    _behave()
    return _run(config)


def check(config: Config) -> int:
    """Check a configuration as far as that goes without opening anything."""
    prepared = prepare(config)
    policy = prepared.policy
    out = sys.stdout.write
    out(f"{config.path}: good, {config.instance} ({config.mode})\n")
    for path in prepared.directory.all():
        out(f"  {path.id}: {path.gateway.capabilities.title} at {path.endpoint}\n")
    for band in policy.bands:
        low, high = band.auto_below_minor, band.one_approval_below_minor
        out(f"  {band.currency}: auto below {low}, one approval below {high} minor\n")
    out(f"  policy version {policy.version[:16]}\n")
    return 0


def _run(config: Config) -> int:
    log = open_log(config.log.level, config.log.format)

    async def serve() -> int:
        async with wired(config, SystemClock(), log) as parts:
            return await Service(parts).run()

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(serve())
    except RefundwatchError as error:
        log.problem("daemon:failed", code=error.code, detail=error.message)
        raise


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an extra that need not be there
    except ModuleNotFoundError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


def _behave() -> None:
    """Keep secrets out of core dumps and new files out of others' reach.

    And have as many descriptors as may be had. What is loaded now stays as long as the
    process: the collector need not walk it again, nor look for garbage after every few
    hundred objects of a flood.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    raise_limit()
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
