"""The rooms, built from their ports: the one place where they get their equipment.

Invariant: every room shares one set of lanes, sessions and ages, so that limits and
clocks hold for the whole process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from refundwatch.flow.attempt import Attempts
from refundwatch.flow.backfill import Backfiller
from refundwatch.flow.calendar import Calendar, standard_jobs
from refundwatch.flow.cancel import Canceller
from refundwatch.flow.confirm import Receptionist
from refundwatch.flow.dispatch import Dispatcher
from refundwatch.flow.equipment import Equipment
from refundwatch.flow.exchange import Exchanges
from refundwatch.flow.inbox import Inbox
from refundwatch.flow.intake import Intake
from refundwatch.flow.lanes import Lanes
from refundwatch.flow.pace import Ages, Pace
from refundwatch.flow.poll import Poller
from refundwatch.flow.probe import Prober
from refundwatch.flow.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from refundwatch.flow.calendar import Job
    from refundwatch.flow.ports import Clock, FlowSettings, Log, Paths, Transport
    from refundwatch.store.contract import Committed, Policy, Store


@dataclass(frozen=True, slots=True)
class House:
    """Every room, and what they hold."""

    equipment: Equipment
    intake: Intake
    dispatcher: Dispatcher
    resolver: Resolver
    poller: Poller
    receptionist: Receptionist
    inbox: Inbox
    canceller: Canceller
    backfiller: Backfiller
    prober: Prober
    calendar: Calendar

    @property
    def rooms(self) -> tuple[Resolver, Inbox, Poller, Dispatcher]:
        """Give the supervised rooms in the order in which they are opened."""
        return (self.resolver, self.inbox, self.poller, self.dispatcher)

    def wake(self, committed: Committed) -> None:
        """Wake whoever a commit concerns; give it to `Store.subscribe`."""
        self.equipment.lanes.wake(committed)
        for room in self.rooms:
            room.wake(committed)

    def look_again(self, renewed: Iterable[str]) -> None:
        """Look at everything anew: the configuration has changed.

        `renewed` are connections whose credentials are others now, or that are gone.
        """
        for connection in renewed:
            self.equipment.exchanges.sessions.forget(connection)
        self.equipment.lanes.forget_health()
        for room in self.rooms:
            room.bell.ring()

    async def drain(self) -> None:
        """Work until nothing is due now in any room."""
        working = True
        while working:
            working = False
            for room in self.rooms:
                working = bool(await room.drain()) or working


def build_house(
    *,
    store: Store,
    transport: Transport,
    clock: Clock,
    paths: Paths,
    rules: Callable[[], FlowSettings],
    policy: Callable[[], Policy],
    log: Log,
    probe_every_seconds: int,
    more_jobs: Mapping[str, Job] | None = None,
) -> House:
    """Build the rooms; `more_jobs` are entered in the calendar beside our own.

    `rules` and `policy` are asked whenever they matter, so that they may change.
    """
    lanes = Lanes(paths, clock, lambda seconds: rules().scaled(seconds))
    equipment = Equipment(
        store=store,
        exchanges=Exchanges(transport, paths, clock, store, lanes),
        paths=paths,
        clock=clock,
        log=log,
        rules=rules,
        policy=policy,
        lanes=lanes,
        pace=Pace(rules, clock),
        ages=Ages(clock),
    )
    attempts = Attempts(equipment)
    prober = Prober(equipment)
    dispatcher = Dispatcher(equipment, attempts)
    lanes.on_free(dispatcher.bell.ring)
    jobs = standard_jobs(equipment, prober, probe_every_seconds)
    return House(
        equipment=equipment,
        intake=Intake(equipment),
        dispatcher=dispatcher,
        resolver=Resolver(equipment, attempts),
        poller=Poller(equipment),
        receptionist=Receptionist(equipment),
        inbox=Inbox(equipment),
        canceller=Canceller(equipment),
        backfiller=Backfiller(equipment),
        prober=prober,
        calendar=Calendar(equipment, {**jobs, **(more_jobs or {})}),
    )
