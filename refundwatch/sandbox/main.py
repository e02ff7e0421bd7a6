"""``refundwatch sandbox``: serve the look-alikes until told to stop.

Invariant: one JSON line on standard output says when and where everything listens;
talk goes to standard error.
"""

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from refundwatch.errors import ConfigError
from refundwatch.sandbox.config import (
    SandboxConfig,
    checked_scale,
    load_config,
    with_profile,
)
from refundwatch.sandbox.controls import Sandbox
from refundwatch.sandbox.faults import PROFILES
from refundwatch.sandbox.running import running_sandbox

EXIT_CONFIGURATION = 78


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code."""
    options = _parser().parse_args(argv)
    try:
        config = _configured(options)
    except ConfigError as error:
        print(f"refundwatch sandbox: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_CONFIGURATION
    try:
        asyncio.run(_serve(config))
    except OSError as error:
        print(f"refundwatch sandbox: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refundwatch sandbox",
        description="Serve look-alikes of the gateways on loopback.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--faults", choices=sorted(PROFILES), help="fault profile")
    parser.add_argument("--seed", type=int, help="seed of every draw")
    parser.add_argument(
        "--time-scale", type=float, metavar="X", help="multiply every delay by X"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="go on from this file, and write it"
    )
    return parser


def _configured(options: argparse.Namespace) -> SandboxConfig:
    config = load_config(options.config)
    if options.faults is not None:
        config = with_profile(config, options.faults)
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    if options.time_scale is not None:
        scale = checked_scale(options.time_scale, "--time-scale")
        config = replace(config, time_scale=scale)
    return replace(config, state_file=options.state)


async def _serve(config: SandboxConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running_sandbox(config) as sandbox:
        print(json.dumps({"ready": announcement(sandbox)}), flush=True)  # noqa: T201
        await stopped.wait()


def announcement(sandbox: Sandbox) -> dict[str, object]:
    """Say where everything listens."""
    return {
        "admin_url": sandbox.admin_url,
        "accounts": {
            name: {"gateway": model.gateway, "base_url": sandbox.base_url(name)}
            for name, model in sandbox.world.models.items()
        },
    }
