"""What every part of the daemon shares: one place to find the parts.

Invariant: nothing here makes a decision; `wiring` puts it together, routes and loops
use it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from daemon.keys import KeyKeeper
    from daemon.live import Live
    from daemon.notary import Notary
    from daemon.reload import Reloader
    from refundwatch.domain.roster import Roster
    from refundwatch.flow.backfill import Backfiller
    from refundwatch.flow.cancel import Canceller
    from refundwatch.flow.intake import Intake
    from refundwatch.flow.lanes import Lanes
    from refundwatch.flow.ports import Clock, Log
    from refundwatch.store.contract import Policy, Signatures, Store


COUNTERS: Final = (
    "alarm_outlet_failures",
    "api_crashes",
    "auth_denials",
    "auth_failures",
    "calendar_troubles",
    "feed_crashes",
    "feed_slow_readers",
    "loop_crashes",
    "requests_throttled",
    "store_refusals",
    "webhook_crashes",
)
"""What a process counts; each stands from the start, or its first event is missed."""


class Staff(Protocol):
    """Who the operators are now, and what checks their signatures."""

    @property
    def roster(self) -> Roster | None:
        """Give the roster that is in force; None where nobody signs."""
        ...

    @property
    def signatures(self) -> Signatures:
        """Give what checks signatures."""
        ...


@dataclass(slots=True)
class Hub:
    """The running daemon; `draining` turns True once, when it was told to stop.

    `failed` is set when the store could not be made durable: the process must end.
    `refusing` is the code of why the store takes no work now, `recovery` the sentence
    of why nothing may be changed or sent until two people have spoken; `resumed` is set
    when they have.
    """

    instance: str
    mode: str
    version: str
    live: Live
    store: Store
    reloader: Reloader
    people: Staff
    intake: Intake
    canceller: Canceller
    backfiller: Backfiller
    lanes: Lanes
    keys: KeyKeeper
    clock: Clock
    log: Log
    started_at: datetime
    draining: bool = False
    ready: bool = False
    refusing: str | None = None
    recovery: str | None = None
    notary: Notary | None = None
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))

    @property
    def policy(self) -> Policy:
        """Give the rules that decide now."""
        return self.live.prepared.policy

    def count(self, name: str, by: int = 1) -> None:
        """Raise one of the process's own counters."""
        self.counters[name] += by
