"""A sandbox in this process: servers, deliveries and the admin API around one world.

Invariant: when the block ends, every port is closed and, where a state file is named,
the whole state is in it.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from refundwatch.sandbox.admin import start_admin
from refundwatch.sandbox.clock import SteadyClock
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.controls import Sandbox
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.snapshot import decode
from refundwatch.sandbox.world import World


@contextlib.asynccontextmanager
async def running_sandbox(config: SandboxConfig) -> AsyncIterator[Sandbox]:
    """Run a sandbox until the block ends."""
    clock = SteadyClock()
    state = _read_state(config.state_file)
    signer = (
        decode(WebhookSigner, state["signer"])
        if state
        else await asyncio.to_thread(WebhookSigner.made, clock.now())
    )
    world = World(config, signer)
    if state:
        world.load(state)
    if config.ca_file is not None:
        config.ca_file.write_text(signer.ca_pem, "ascii")
    sandbox = Sandbox(world, clock)
    async with contextlib.AsyncExitStack() as stack:
        for settings in config.accounts:
            server = sandbox.servers[settings.name]
            stack.push_async_callback(server.stop)
            await server.start(config.host, settings.port, settings.second_port)
            server.model.base_url = server.base_url
        admin = await start_admin(sandbox, config.host, config.admin_port)
        stack.push_async_callback(admin.cleanup)
        await stack.enter_async_context(sandbox.worker.running())
        yield sandbox
    if config.state_file is not None:
        _write_state(config.state_file, world.dump())


def _read_state(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _write_state(path: Path, state: dict[str, Any]) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(state), "utf-8")
    fresh.replace(path)
