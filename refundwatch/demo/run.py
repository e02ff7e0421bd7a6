"""One run from start to verdict.

Invariant: the verdict is drawn from the daemon's API and the sandbox's ledger after
both have come to rest, or after the drain's time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from refundwatch.api.client import ApiClient
from refundwatch.demo import report
from refundwatch.demo.balance import OPEN, compare
from refundwatch.demo.outages import outages
from refundwatch.demo.reviews import Reviewers
from refundwatch.demo.settings import DRAIN_SECONDS
from refundwatch.demo.traffic import Approvers, Returns, Tally
from refundwatch.demo.ways import ways, went
from refundwatch.errors import ApiUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from refundwatch.demo.balance import Balance
    from refundwatch.demo.folder import Folder
    from refundwatch.demo.people import Crew
    from refundwatch.demo.sandbox_admin import Execution, SandboxAdmin
    from refundwatch.demo.settings import DemoSettings

PAGE: Final = 500
REST_SECONDS: Final = 0.5
AWAKE_SECONDS: Final = 300.0
_MOVING: Final = OPEN | {"queued"}


@dataclass(slots=True)
class Stage:
    """What a run plays on."""

    folder: Folder
    crew: Crew
    sandbox: SandboxAdmin
    settings: DemoSettings
    tally: Tally

    async def play(self, until: Callable[[], Awaitable[None]], keep: int) -> None:
        """Ask and approve until `until` returns; the oldest `keep` wait for others."""
        stop = asyncio.Event()
        approvers = Approvers(
            self.folder.server, self.crew, self.settings.seed, self.tally
        )
        async with ApiClient(self.folder.server, self.crew.returns) as client:
            returns = Returns(
                client,
                self.sandbox,
                self.settings.seed,
                self.tally,
                self.settings.accounts,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(returns.run(self.settings.rate, stop))
                group.create_task(
                    approvers.run(stop, 0.3, keep, to_end=self.settings.headless)
                )
                group.create_task(outages(self.sandbox, self.settings, stop))
                await until()
                stop.set()

    async def stay_awake(self) -> None:
        """Keep the session of whoever watches from ending by idleness."""
        async with ApiClient(self.folder.server, self.crew.you) as client:
            while True:
                with contextlib.suppress(ApiUnreachable):
                    await client.call("me", m.MeView)
                await asyncio.sleep(AWAKE_SECONDS)

    async def settle(
        self, seconds: float = DRAIN_SECONDS, *, undecided: bool = False
    ) -> Balance:
        """Wait until nothing moves any more, then hold the books together.

        With `undecided`, what waits for approval may go on waiting.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with self._reviews(), ApiClient(self.folder.server, self.crew.you) as you:
            while True:
                balance = await self._look(you, undecided=undecided)
                if balance is not None or loop.time() >= end:
                    break
                await asyncio.sleep(REST_SECONDS)
            if balance is None:
                refunds, executions = await self._both(you)
                balance = compare(refunds, executions)
        return balance

    @contextlib.asynccontextmanager
    async def _reviews(self) -> AsyncIterator[None]:
        """Let two people settle meanwhile what no look-up can."""
        people = Reviewers(self.folder.server, self.crew, self.sandbox, self.tally)
        work = asyncio.ensure_future(people.run())
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def print_report(self, balance: Balance) -> int:
        """Print everything; return 0 when balanced."""
        async with ApiClient(self.folder.server, self.crew.you) as client:
            refunds = await all_refunds(client)
            metrics = await client.call(
                "metrics", m.MetricsView, query={"window": 86_400}
            )
            gone = await went(client, refunds)
        fired = await self.sandbox.faults_fired()
        print(report.table(refunds, metrics))
        print()
        print(ways(gone))
        print()
        print("states:  " + report.states(refunds))
        print("traffic: " + report.traffic(self.tally))
        print("faults:  " + report.faults(fired))
        print(report.verdict(balance, self.tally))
        return 0 if balance.balanced and not self.tally.wrong_answers else 1

    async def _look(self, client: ApiClient, *, undecided: bool) -> Balance | None:
        """Return the balance if everything is at rest and nothing waits."""
        moving = _MOVING if undecided else _MOVING | {"awaiting_approval"}
        try:
            counts = await client.call("refunds.states", m.StatesView)
            waiting = sum(n for state, n in counts.counts.items() if state in moving)
            review = counts.counts.get("review", 0)
            if waiting > review or not await self.sandbox.is_quiet():
                return None
            refunds, executions = await self._both(client)
        except ApiUnreachable:
            return None
        balance = compare(refunds, executions)
        return balance if balance.balanced else None

    async def _both(
        self, client: ApiClient
    ) -> tuple[Sequence[m.RefundView], Sequence[Execution]]:
        executions = await self.sandbox.executions()
        return await all_refunds(client), executions


async def all_refunds(client: ApiClient) -> list[m.RefundView]:
    """Page through every refund."""
    found: list[m.RefundView] = []
    cursor: str | None = None
    while True:
        page = await client.call(
            "refunds.list",
            m.RefundPage,
            query={"limit": PAGE, "cursor": cursor, "oldest_first": True},
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
