"""A sandbox and a daemon as real processes, for end-to-end tests."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.api.client import ApiClient
from refundwatch.demo import processes
from refundwatch.demo.folder import Folder, prepare
from refundwatch.demo.people import Crew, hire
from refundwatch.demo.run import Stage
from refundwatch.demo.sandbox_admin import SandboxAdmin
from refundwatch.demo.settings import DemoSettings
from refundwatch.demo.traffic import Approvers, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


THREE = ("stripe-uk", "adyen-eu", "paypal-us")
"""What most real-process tests run on; the others have the demo and their own tests."""


@dataclass(slots=True)
class Running:
    """One staged system; `daemon` is replaced when a test restarts it."""

    folder: Folder
    sandbox: SandboxAdmin
    crew: Crew
    stage: Stage
    daemon: asyncio.subprocess.Process

    def client(self, token: str | None = None) -> ApiClient:
        return ApiClient(self.folder.server, token or self.crew.you)

    async def restart(self) -> None:
        self.daemon = await processes.start_daemon(self.folder)

    async def approve(self, stop: asyncio.Event, refusing: float = 0.03) -> None:
        """Let Ann and Ben decide until told to stop; `refusing` is the part refused."""
        approvers = Approvers(
            self.folder.server,
            self.crew,
            self.stage.settings.seed,
            self.stage.tally,
            refusing=refusing,
        )
        await approvers.run(stop, 0.2, 0, to_end=True)

    async def approve_all(self, refusing: float = 0.03) -> None:
        """Let Ann and Ben decide whatever waits now."""
        stop = asyncio.Event()
        stop.set()
        await self.approve(stop, refusing)


def settings(
    faults: str = "rough", seed: int = 7, scale: float = 0.05, rate: float = 20.0
) -> DemoSettings:
    return DemoSettings(
        headless=True,
        seconds=10.0,
        rate=rate,
        seed=seed,
        faults=faults,
        time_scale=scale,
        keep=None,
        accounts=THREE,
    )


@contextlib.asynccontextmanager
async def running(path: Path, wanted: DemoSettings) -> AsyncIterator[Running]:
    folder = prepare(path, wanted)
    async with (
        processes.sandbox(folder, wanted),
        SandboxAdmin(folder.admin_url) as sandbox,
    ):
        daemon = await processes.start_daemon(folder)
        crew = await hire(folder)
        stage = Stage(folder, crew, sandbox, wanted, Tally())
        system = Running(folder, sandbox, crew, stage, daemon)
        try:
            yield system
        finally:
            await processes.end(system.daemon)


def free_of_errors(folder: Folder) -> list[str]:
    """Return the daemon's own crashes, which no fault outside may cause."""
    text = (folder.path / "daemon.log").read_text("utf-8")
    words = ("api:crash", "loop:crashed", "webhook:crash", "Traceback", "job_failed")
    return [line for line in text.splitlines() if any(word in line for word in words)]
