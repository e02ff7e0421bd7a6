"""`refundwatch demo`: everything on one machine, with throwaway data.

Invariant: nothing of a run is left behind unless it was asked for, and no child
process outlives it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.demo import processes
from refundwatch.demo.agent import running_agent
from refundwatch.demo.folder import prepare
from refundwatch.demo.keys import cut_keys, root_file
from refundwatch.demo.people import enrol
from refundwatch.demo.run import Stage
from refundwatch.demo.sandbox_admin import SandboxAdmin
from refundwatch.demo.settings import parse
from refundwatch.demo.traffic import Tally
from refundwatch.errors import DemoFailed, InvariantBroken

if TYPE_CHECKING:
    from refundwatch.demo.folder import Folder
    from refundwatch.demo.keys import Keyring
    from refundwatch.demo.settings import DemoSettings

KEPT_FOR_YOU: Final = 12
"""How many refunds the simulated approvers leave to whoever watches."""

ENDED: Final = 128 + signal.SIGTERM
"""The exit code of a run that was told to stop, or whose terminal was closed."""

SHORT_DRAIN_SECONDS: Final = 45.0
"""How long leaving may take where faults still have to be looked up."""


def main(argv: list[str]) -> int:
    """Run the demo; return 0 when the books balance."""
    terminal = all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr))
    settings = parse(argv, terminal=terminal)
    if settings.headless and not terminal and "--headless" not in argv:
        _say("No terminal here: running without the dashboard for 60 s.")
    with tempfile.TemporaryDirectory(prefix="refundwatch-demo-") as scratch:
        folder = Path(scratch)
        if settings.keep is not None:
            folder = Path(settings.keep).absolute()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise DemoFailed(f"{folder} is not empty.")
        try:
            keys = cut_keys()
            prepared = prepare(folder, settings, root_file(keys))
            return asyncio.run(_demo(prepared, settings, keys))
        except asyncio.CancelledError:
            return ENDED


async def _demo(folder: Folder, settings: DemoSettings, keys: Keyring) -> int:
    _end_tidily()
    async with AsyncExitStack() as stack:
        dashboard = None
        if not settings.headless:
            agent = running_agent(folder.agent_socket, keys["you"])
            await stack.enter_async_context(agent)
            # It takes as long to load as the daemon, so it loads beside it.
            dashboard = await stack.enter_async_context(processes.dashboard(folder))
        await stack.enter_async_context(processes.sandbox(folder, settings))
        sandbox = await stack.enter_async_context(SandboxAdmin(folder.admin_url))
        await stack.enter_async_context(processes.daemon(folder))
        crew = await enrol(folder, keys)
        stage = Stage(folder, crew, sandbox, settings, Tally())
        if dashboard is None:
            return await _headless(stage)
        return await _watched(stage, dashboard)


def _end_tidily() -> None:
    """Let a signal, or a terminal that is closed, leave nothing behind either."""
    run = asyncio.current_task()
    if run is None:
        raise InvariantBroken("A demo runs in a task.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, run.cancel)


async def _headless(stage: Stage) -> int:
    seconds = stage.settings.seconds or 0.0
    _say(
        f"{stage.settings.rate:g} refunds a second for {seconds:g} s, faults "
        f"{stage.settings.faults}, seed {stage.settings.seed}"
    )

    async def until() -> None:
        await asyncio.sleep(seconds)

    await stage.play(until, keep=0)
    _say("Requests have stopped; waiting until nothing moves any more.")
    return await stage.print_report(await stage.settle())


async def _watched(stage: Stage, dashboard: asyncio.subprocess.Process) -> int:
    """Play beneath the dashboard; leaving it stops everything."""

    async def until() -> None:
        awake = asyncio.ensure_future(stage.stay_awake())
        await dashboard.wait()
        awake.cancel()

    await stage.play(until, keep=KEPT_FOR_YOU)
    _say("The dashboard was left; letting what is on its way arrive.")
    balance = await stage.settle(SHORT_DRAIN_SECONDS, undecided=True)
    await stage.print_report(balance)
    return dashboard.returncode or 0


def _say(words: str) -> None:
    print(f"refundwatch demo: {words}", file=sys.stderr, flush=True)
