from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from refundwatch.flow.exchange import Exchanges
from refundwatch.flow.probe import Prober
from refundwatch.store.contract import RecordCall
from tests.flow.fakes import FakePaths, FakeStore, LogBook, a_path, settings
from tests.flow.simloop import SimClock, SimLoop, simulate
from tests.flow.toy import Bank, Toy

QUICK = a_path(name="quick")
SLOW = a_path(name="slow")


class Broken(Toy):
    def probe(self, account: Any) -> Any:
        raise ValueError("a bug")


def bench(loop: SimLoop, bank: Bank, *paths: Any) -> Any:
    clock, store, known = SimClock(loop), FakeStore(), FakePaths(paths)
    return SimpleNamespace(
        store=store,
        clock=clock,
        log=LogBook(),
        paths=known,
        settings=settings(),
        exchanges=Exchanges(bank, known, clock, store),
    )


def test_connections_are_probed_side_by_side() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(latency=3), QUICK, SLOW)
        await Prober(equipment).probe_all()

        assert loop.time() == 3
        calls = [one.call for one in equipment.store.of(RecordCall)]
        assert {call.connection for call in calls} == {QUICK.id, SLOW.id}
        assert {(call.operation, call.outcome) for call in calls} == {("probe", "ok")}

    simulate(main)


def test_probe_that_gets_no_answer_is_recorded_as_a_timeout() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(slow={SLOW.id: 100}), QUICK, SLOW)
        await Prober(equipment).probe_all()

        assert loop.time() == 5
        calls = [one.call for one in equipment.store.of(RecordCall)]
        outcomes = {call.connection: call.outcome for call in calls}
        assert outcomes == {QUICK.id: "ok", SLOW.id: "timeout"}

    simulate(main)


def test_probe_that_is_denied_is_recorded_as_unauthorized() -> None:
    async def main(loop: SimLoop) -> None:
        equipment = bench(loop, Bank(reads=["401"]), QUICK)
        await Prober(equipment).probe_all()

        assert equipment.store.of(RecordCall)[0].call.outcome == "unauthorized"

    simulate(main)


def test_connection_is_not_probed_twice_at_once() -> None:
    async def main(loop: SimLoop) -> None:
        bank = Bank(latency=3)
        prober = Prober(bench(loop, bank, QUICK))
        await asyncio.gather(prober.probe_all(), prober.probe_all())
        assert bank.asked == ["probe"]
        await prober.probe_all()
        assert bank.asked == ["probe", "probe"]

    simulate(main)


def test_broken_adapter_does_not_stop_the_other_probes() -> None:
    async def main(loop: SimLoop) -> None:
        broken = a_path(name="broken", gateway=Broken())
        equipment = bench(loop, Bank(), broken, QUICK)
        await Prober(equipment).probe_all()

        assert equipment.store.of(RecordCall)[0].call.connection == QUICK.id
        assert equipment.log.problems[0][1]["connection"] == broken.id

    simulate(main)
