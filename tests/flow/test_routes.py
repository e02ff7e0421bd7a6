"""Several ways to one account: which is taken, what stops, and what never moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.circuit import FAILURES_TO_OPEN, Part
from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import RefundState
from refundwatch.errors import ConnectionUnknown, DecisionDenied
from refundwatch.store.contract import ListConnections, SetCircuit
from refundwatch.store.rows import micros
from tests.flow.fakes import a_path, settings
from tests.flow.toy import Act, Bank
from tests.flow.world import HOUR, World, in_world
from tests.store.looking import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from refundwatch.domain.circuit import Circuit
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import HttpRequest, HttpResponse

S = RefundState
MAIN, SPARE = a_path(name="main"), a_path(name="spare")
OLA = Principal("person:ola", frozenset({Role.OPERATOR}))
ANN = Principal("person:ann", frozenset({Role.APPROVER}))


@dataclass
class Ways(Bank):
    """A bank that some connections reach badly."""

    bad: dict[str, Act] = field(default_factory=dict)
    left: list[tuple[str, str, float]] = field(default_factory=list)
    watch: Callable[[str], None] | None = None

    async def exchange(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        now = asyncio.get_running_loop().time()
        self.left.append((path.id, request.operation, now))
        if self.watch is not None:
            self.watch(request.operation)
        return await super().exchange(path, request, timeout_seconds)

    async def _order(
        self, path: ConnectionPath, request: HttpRequest, timeout_seconds: float
    ) -> HttpResponse:
        if path.id in self.bad:
            self.acts.insert(0, self.bad[path.id])
        return await super()._order(path, request, timeout_seconds)

    def by(self, connection: str) -> int:
        return sum(
            operation == "refund" and name == connection
            for name, operation, _ in self.left
        )


async def circuits(world: World, connection: str) -> dict[Part, Circuit]:
    found = await world.store.read(ListConnections())
    (row,) = [row for row in found if row.id == connection]
    return dict(row.circuits)


async def set_circuit(
    world: World,
    *,
    opens: bool,
    who: Principal = OLA,
    connection: str = "toy-eu/main",
    lasts: timedelta | None = None,
) -> None:
    command = SetCircuit(
        at=world.clock.now(),
        principal=who,
        connection=connection,
        part=Part.ORDERS,
        opens=opens,
        lasts=lasts,
        reason_code="maintenance",
        reason_text="call +44 20 before",
    )
    await world.store.execute(command)


@pytest.mark.parametrize("act", [Act.ERROR_AFTER, Act.LOST_AFTER])
def test_where_one_way_fails_the_refunds_finish_on_the_other(act: Act) -> None:
    count = 1000

    async def main(world: World) -> None:
        refunds = [
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
            for number in range(count)
        ]
        world.start()
        for _ in range(20):
            await asyncio.sleep(60)
            await world.house.prober.probe_all()

        bank: Ways = world.bank
        keys = [one.key for one in bank.executed]
        assert len(keys) == len(set(keys)), "paid twice"
        made = [await world.row(refund) for refund in refunds]
        on_spare = sum(one.connection == "toy-eu/spare" for one in made)
        assert on_spare >= count * 0.99
        assert sum(one.state is S.SUCCEEDED for one in made) >= count * 0.99
        world.kill()

    in_world(main, bank=Ways(bad={"toy-eu/main": act}), paths=(MAIN, SPARE))


def test_while_it_is_half_open_nothing_but_reads_goes_out() -> None:
    async def main(world: World) -> None:
        bank: Ways = world.bank
        seen: list[tuple[str, str]] = []

        def watch(operation: str) -> None:
            row = rows(world.store, "SELECT * FROM circuit WHERE part = 'orders'")
            if row and row[0]["opened_at"] is not None:
                half = micros(world.clock.now()) >= row[0]["until"]
                seen.append(("half_open" if half else "open", operation))

        bank.watch = watch
        world.start()
        for number in range(40):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        for _ in range(60):
            await asyncio.sleep(20)
            await world.house.prober.probe_all()
        half_open = [operation for standing, operation in seen if standing != "open"]
        assert "probe" in half_open
        assert "refund" not in half_open
        # What was claimed already may leave while it opens; nothing is claimed after.
        begun = [operation for standing, operation in seen if standing == "open"]
        assert begun.count("refund") <= bank.by("toy-eu/main") // 4
        assert bank.by("toy-eu/main") > 2 * FAILURES_TO_OPEN, "it never closed again"
        world.kill()

    in_world(main, bank=Ways(bad={"toy-eu/main": Act.ERROR_BEFORE}), paths=(MAIN,))


def test_the_circuit_opens_at_the_fifth_failure_says_so_and_closes_by_reads() -> None:
    async def main(world: World) -> None:
        bank: Ways = world.bank
        for number in range(8):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        await world.house.dispatcher.drain()

        opened = (await circuits(world, "toy-eu/main"))[Part.ORDERS]
        assert opened.reason == "server_error"
        assert opened.actor is None
        assert "circuit_open" in await world.alarms()
        assert FAILURES_TO_OPEN <= bank.by("toy-eu/main") < 8

        bank.bad.clear()
        await asyncio.sleep(31)
        await world.house.prober.probe_all()
        await world.house.prober.probe_all()
        assert (await circuits(world, "toy-eu/main"))[Part.ORDERS].opened_at is None
        assert "circuit_open" not in await world.alarms()

    in_world(main, bank=Ways(bad={"toy-eu/main": Act.ERROR_BEFORE}), paths=(MAIN,))


@pytest.mark.parametrize("reachable", [True, False])
def test_an_unknown_outcome_never_moves_to_another_way(*, reachable: bool) -> None:
    async def main(world: World) -> None:
        bank: Ways = world.bank
        refund = await world.send()
        assert refund.state is S.UNKNOWN
        assert refund.connection == "toy-eu/main"
        if not reachable:
            await set_circuit(world, opens=True)
        world.start()
        await asyncio.sleep(6 * HOUR)

        assert bank.by("toy-eu/spare") == 0
        assert bank.by("toy-eu/main") > 1 if reachable else bank.by("toy-eu/main") == 1
        world.kill()

    in_world(main, bank=Ways(bad={"toy-eu/main": Act.LOST_BEFORE}), paths=(MAIN, SPARE))


def test_a_refund_waits_for_a_healthy_way_and_says_which_it_waits_for() -> None:
    async def main(world: World) -> None:
        await set_circuit(world, opens=True)
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert world.bank.asked == []
        (note,) = world.house.equipment.lanes.explain("toy-eu").notes
        assert note.reason == "circuit_open"
        assert note.detail == "maintenance by person:ola"

        await set_circuit(world, opens=False)
        await world.settle()
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, bank=Ways(), paths=(MAIN,))


def test_the_way_and_its_reasons_are_kept_with_the_attempt() -> None:
    async def main(world: World) -> None:
        await set_circuit(world, opens=True)
        refund = await world.send()
        assert refund.connection == "toy-eu/spare"
        (attempt,) = (await world.show(refund.id)).attempts
        told = {note.connection: note.reason for note in attempt.route}
        assert told == {"toy-eu/main": "circuit_open", "toy-eu/spare": "chosen"}

    in_world(main, bank=Ways(), paths=(MAIN, SPARE))


def test_only_whoever_may_stops_a_connection_that_is_there() -> None:
    async def main(world: World) -> None:
        with pytest.raises(DecisionDenied):
            await set_circuit(world, opens=True, who=ANN)
        with pytest.raises(ConnectionUnknown):
            await set_circuit(world, opens=True, connection="toy-eu/none")
        assert await circuits(world, "toy-eu/main") == {}

    in_world(main, bank=Ways(), paths=(MAIN,))


def test_the_rate_of_a_connection_is_kept_and_nothing_is_lost() -> None:
    path = a_path(rate_per_second=2.0, burst=4)

    async def main(world: World) -> None:
        bank: Ways = world.bank
        for number in range(60):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        world.start()
        await asyncio.sleep(120)

        assert len(bank.executed) == 60
        times = [at for _, _, at in bank.left]
        first = times[0]
        for count, at in enumerate(times, start=1):
            # What a refund has begun goes on: its calls are owed, two at most.
            assert count <= 4 + 2.0 * (at - first) + 2 * path.concurrency
        world.kill()

    in_world(main, bank=Ways(), paths=(path,))


def test_a_storm_of_429_at_one_account_delays_no_other() -> None:
    def run(stormy: Act) -> float:
        took: list[float] = []

        async def main(world: World) -> None:
            for number in range(50):
                for account in ("toy-eu", "toy-us"):
                    await world.a_refund(
                        f"{account}-{number}",
                        payment=f"{account}_{number}",
                        account=account,
                    )
            world.start()
            start = asyncio.get_running_loop().time()
            bank: Ways = world.bank
            while sum(it.payment.startswith("toy-us") for it in bank.executed) < 50:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            took.append(asyncio.get_running_loop().time() - start)
            world.kill()

        paths = (a_path("toy-eu"), a_path("toy-us"))
        bank = Ways(bad={"toy-eu/main": stormy}, latency=0.4)
        in_world(main, bank=bank, paths=paths)
        return took[0]

    calm, stormy = run(Act.OK), run(Act.BUSY)
    assert stormy <= calm * 1.05


@pytest.mark.parametrize("places", [12 * 4, 24, 3])
def test_eleven_of_twelve_gateways_that_hang_delay_the_twelfth_by_nothing(
    places: int,
) -> None:
    """`places` are enough for every connection, for two of each account, for a few."""
    others = tuple(
        a_path(f"toy-{number:02}", timeout_seconds=30) for number in range(11)
    )
    twelfth = a_path("toy-us")

    def run(*, hangs: bool) -> tuple[float, int]:
        took: list[tuple[float, int]] = []

        async def main(world: World) -> None:
            bank: Ways = world.bank
            if hangs:
                bank.slow = {path.id: 3600 for path in others}
            for number in range(6):
                for path in others:
                    account = path.account.name
                    payment = f"{account}_{number}"
                    await world.a_refund(payment, 500, payment, account)
            world.start()
            # Every place that they can have is theirs before the twelfth comes.
            await asyncio.sleep(1)
            start = asyncio.get_running_loop().time()
            for number in range(30):
                payment = f"toy-us_{number}"
                await world.a_refund(payment, 500, payment, "toy-us")
                await asyncio.sleep(0.5)
            while sum(it.payment.startswith("toy-us") for it in bank.executed) < 30:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            waited = asyncio.get_running_loop().time() - start
            took.append((waited, world.house.dispatcher.jobs.peak))
            world.kill()

        bank, flow = Ways(latency=0.2), settings(dispatch_concurrency=places)
        in_world(main, bank=bank, paths=(*others, twelfth), flow=flow)
        return took[0]

    (calm, _), (stormy, peak) = run(hangs=False), run(hangs=True)
    assert stormy <= calm * 1.05
    assert peak <= max(places, 12)
