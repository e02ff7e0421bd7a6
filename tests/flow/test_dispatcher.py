"""What goes out, when, over which connection, and what stops it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.decision import Verdict
from refundwatch.domain.policy import Principal, Role
from refundwatch.domain.refund import Evidence, RefundState, Word
from refundwatch.gateways.contract import (
    Heard,
    NotProcessed,
    RefusedByGateway,
    Unauthorized,
    Unsure,
)
from refundwatch.store.contract import ClaimRefund, DecideRefund, ListConnections
from tests.flow.fakes import a_path, settings
from tests.flow.toy import TOY, Act, Bank, Sent, Toy
from tests.flow.world import HOUR, World, in_world

if TYPE_CHECKING:
    from refundwatch.gateways.contract import (
        HttpRequest,
        HttpResponse,
        Operation,
        Outcome,
        RefundInstruction,
    )

S = RefundState

UNREADABLE = Toy(replace(TOY, reads_payment=False))


# --- the original payment -----------------------------------------------------------


def test_payment_is_read_and_booked_before_its_first_send() -> None:
    async def main(world: World) -> None:
        await world.send()
        await world.send("r-2")

        assert world.bank.asked == ["read_payment", "refund", "refund"]
        assert (await world.payment()).knowledge == "read"

    in_world(main)


def test_payment_that_holds_less_than_declared_is_frozen_not_refunded() -> None:
    async def main(world: World) -> None:
        refund = await world.send(amount=9_000)

        assert refund.state is not S.SUCCEEDED
        assert world.bank.orders == []
        payment = await world.payment()
        assert payment.captured_minor == 4_000
        assert payment.frozen is not None

    in_world(main, bank=Bank(captured={"pi_1": 4_000}))


def test_disputed_payment_is_frozen_not_refunded() -> None:
    async def main(world: World) -> None:
        await world.send()

        assert world.bank.orders == []
        assert (await world.payment()).frozen is not None

    in_world(main, bank=Bank(disputed=True))


def test_payment_that_the_gateway_does_not_know_holds_the_refund() -> None:
    async def main(world: World) -> None:
        refund = await world.send()

        assert refund.state is S.HELD
        assert refund.hold_reason == "payment_missing"
        assert "payment_missing" in await world.alarms()
        assert world.bank.orders == []

    in_world(main, bank=Bank(missing_payments={"pi_1"}))


@pytest.mark.parametrize("fault", ["lost", "never", "500"])
def test_payment_that_cannot_be_read_now_is_read_later(fault: str) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.attempts == 0
        assert refund.due_at is not None
        assert refund.due_at > world.clock.now()
        after = await world.walk(refund, HOUR)

        assert after.state is S.SUCCEEDED

    in_world(main, bank=Bank(reads=[fault] * 3))


def test_payment_that_cannot_be_told_is_declared_and_goes_out() -> None:
    async def main(world: World) -> None:
        refund = await world.send()

        assert refund.state is S.SUCCEEDED
        assert (await world.payment()).knowledge == "declared"

    in_world(main, paths=(a_path(gateway=UNREADABLE),))


def test_declared_payment_is_held_where_policy_says_so_until_a_person_lets_it_go() -> (
    None
):
    operator = Principal("person:olga", frozenset({Role.OPERATOR}))

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.HELD
        assert refund.hold_reason == "declared_payment"
        assert world.bank.orders == []

        summary = (await world.show(refund.id)).summary
        await world.store.execute(
            DecideRefund(
                at=world.clock.now(),
                principal=operator,
                refund_id=refund.id,
                decision=Verdict.RELEASE,
                revision=summary.refund.revision,
                request_sha256=None,
                reason_code="checked",
                policy=world.policy,
            )
        )
        await world.settle()
        assert (await world.row(refund)).state is S.SUCCEEDED

        second = await world.send("r-2")
        assert second.state is S.HELD

    in_world(
        main,
        paths=(a_path(gateway=UNREADABLE),),
        flow=settings(hold_declared={"toy-eu": True}),
    )


# --- what cannot be said ------------------------------------------------------------


def test_refund_that_the_gateway_cannot_be_told_is_held_with_an_alarm() -> None:
    async def main(world: World) -> None:
        refund = await world.send(amount=666)

        assert refund.state is S.HELD
        assert refund.hold_reason == "not_expressible"
        assert "not_expressible" in await world.alarms()

    in_world(main)


def test_adapter_that_reads_before_it_orders_is_let() -> None:
    class Careful(Toy):
        def refund(
            self, instruction: RefundInstruction, stored: HttpRequest | None = None
        ) -> Operation[Outcome]:
            if stored is None:
                yield from self.read_payment(instruction.account, "pi_1", "EUR")
            return (yield from super().refund(instruction, stored))

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.SUCCEEDED
        assert world.bank.asked == ["read_payment", "read_payment", "refund"]

    in_world(main, paths=(a_path(gateway=Careful()),))


def test_second_order_of_one_attempt_never_leaves() -> None:
    class Greedy(Toy):
        def refund(
            self, instruction: RefundInstruction, stored: HttpRequest | None = None
        ) -> Operation[Outcome]:
            operation = super().refund(instruction, stored)
            request = next(operation)
            yield request
            response: HttpResponse = yield request
            raise AssertionError(response)

    async def main(world: World) -> None:
        refund = await world.send()
        assert len(world.bank.orders) == 1
        assert refund.state is S.UNKNOWN

    in_world(main, paths=(a_path(gateway=Greedy()),), quiet=False)


def test_order_other_than_the_claimed_one_never_leaves() -> None:
    class Sly(Toy):
        def refund(
            self, instruction: RefundInstruction, stored: HttpRequest | None = None
        ) -> Operation[Outcome]:
            if stored is not None:
                stored = replace(stored, body=stored.body.replace(b"500", b"900"))
            return super().refund(instruction, stored)

    async def main(world: World) -> None:
        refund = await world.send()
        assert world.bank.orders == []
        assert refund.state is S.QUEUED
        assert refund.first_sent_at is None

    in_world(main, paths=(a_path(gateway=Sly()),), quiet=False)


# --- the claim ----------------------------------------------------------------------


def test_intent_is_durable_before_the_first_byte_leaves() -> None:
    async def main(world: World) -> None:
        seen: list[str] = []

        def look(sent: Sent) -> None:
            row = world.store._connection.execute(
                "SELECT state FROM refund WHERE idempotency_key = ?", (sent.key,)
            ).fetchone()
            seen.append(row["state"])

        world.bank.on_order = look
        await world.send()
        assert seen == ["sending"]

    in_world(main)


def test_of_one_payment_one_refund_is_on_its_way_at_a_time() -> None:
    async def main(world: World) -> None:
        refunds = [await world.a_refund(f"r-{n}", amount=100) for n in range(5)]
        await world.house.dispatcher.drain()

        assert world.bank.most_open["toy-eu/main"] == 1
        states = {(await world.row(refund)).state for refund in refunds}
        assert states == {S.SUCCEEDED}
        times = [sent.at for sent in world.bank.orders]
        assert all(b - a >= 1 for a, b in pairwise(times))

    in_world(main, bank=Bank(latency=1.0))


def test_unknown_refund_blocks_the_next_one_of_its_payment() -> None:
    async def main(world: World) -> None:
        await world.send("r-1")
        second = await world.send("r-2")
        assert second.state is S.QUEUED
        assert len(world.bank.orders) == 1

        await world.walk(second, 60)
        assert (await world.row(second)).state is S.SUCCEEDED

    in_world(main, bank=Bank(acts=[Act.LOST_AFTER]))


def test_short_lease_sends_nothing() -> None:
    class SlowCommit:
        def __init__(self, world: World) -> None:
            self._execute: Any = world.store.execute

        async def __call__(self, command: Any) -> Any:
            result = await self._execute(command)
            if isinstance(command, ClaimRefund):
                await asyncio.sleep(45)
            return result

    async def main(world: World) -> None:
        world.store.execute = SlowCommit(world)  # type: ignore[method-assign]
        refund = await world.a_refund()
        await world.house.dispatcher.drain()
        after = await world.row(refund)

        assert world.bank.orders == []
        assert after.state is S.QUEUED
        assert after.attempts == 1

    in_world(main)


def test_timeout_is_at_most_half_the_lease() -> None:
    async def main(world: World) -> None:
        await world.send()
        assert world.loop.time() == 30

    slow = a_path(timeout_seconds=50.0, gateway=UNREADABLE)
    in_world(main, bank=Bank(default=Act.LOST_BEFORE), paths=(slow,))


# --- bulkheads ----------------------------------------------------------------------


def test_connection_never_has_more_calls_than_it_bears() -> None:
    async def main(world: World) -> None:
        for number in range(20):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        await world.house.dispatcher.drain()

        assert world.bank.most_open == {"toy-eu/main": 3}
        assert len(world.bank.executed) == 20

    in_world(main, bank=Bank(latency=0.5), paths=(a_path(concurrency=3),))


def test_slow_gateway_starves_nobody_else() -> None:
    paths = (a_path(account="toy-us", concurrency=8), a_path(account="toy-eu"))

    async def main(world: World) -> None:
        for number in range(60):
            await world.a_refund(
                f"s-{number}", payment=f"ps_{number}", account="toy-us"
            )
        world.bank.slow = {"toy-us/main": 15}
        quick = [
            await world.a_refund(f"q-{number}", payment=f"pq_{number}")
            for number in range(8)
        ]
        await world.walk(quick[0], 3)

        states = {(await world.row(refund)).state for refund in quick}
        assert states == {S.SUCCEEDED}

    in_world(main, paths=paths, flow=settings(dispatch_concurrency=10))


def test_full_connection_lets_the_next_one_of_its_account_help() -> None:
    paths = (a_path(name="main", concurrency=1), a_path(name="spare", concurrency=1))

    async def main(world: World) -> None:
        for number in range(4):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        await world.house.dispatcher.drain()

        used = {sent.connection for sent in world.bank.orders}
        assert used == {"toy-eu/main", "toy-eu/spare"}

    in_world(main, bank=Bank(latency=1.0), paths=paths)


def test_account_that_left_the_configuration_hides_nobody() -> None:
    paths = (a_path(account="toy-us"), a_path(account="toy-eu"))

    async def main(world: World) -> None:
        for number in range(30):
            await world.a_refund(
                f"s-{number}", payment=f"ps_{number}", account="toy-us"
            )
        refund = await world.a_refund("q-1")
        world.paths.paths = paths[1:]
        await world.house.dispatcher.drain()

        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, paths=paths)


def test_never_sent_tries_the_other_connection_when_the_first_is_down() -> None:
    paths = (a_path(name="main"), a_path(name="spare"))

    async def main(world: World) -> None:
        world.bank.reads = ["never"] * 3
        for _ in range(3):
            await world.house.prober.probe(paths[0])
        refund = await world.send()

        assert refund.connection == "toy-eu/spare"
        assert refund.state is S.SUCCEEDED

    in_world(main, paths=paths)


# --- stopping -----------------------------------------------------------------------


def test_stop_makes_no_new_claim_and_lets_open_attempts_end() -> None:
    async def main(world: World) -> None:
        for number in range(10):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.dispatcher.run(stop))
        await asyncio.sleep(3)
        stop.set()
        await room

        assert world.loop.time() == 4
        assert len(world.bank.executed) == 2
        rows = world.store._connection.execute(
            "SELECT state, count(*) FROM refund GROUP BY state ORDER BY state"
        ).fetchall()
        assert [tuple(row) for row in rows] == [("queued", 8), ("succeeded", 2)]

    in_world(main, bank=Bank(latency=2.0), paths=(a_path(concurrency=2),))


def test_stop_leaves_what_takes_too_long_as_it_is() -> None:
    class Forever(Bank):
        async def exchange(self, *args: Any) -> HttpResponse:
            if args[1].operation == "refund":
                await asyncio.sleep(1000)
            return await super().exchange(*args)

    async def main(world: World) -> None:
        refund = await world.a_refund()
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.dispatcher.run(stop))
        await asyncio.sleep(1)
        stop.set()
        await room

        assert world.loop.time() == pytest.approx(1 + 22)
        assert (await world.row(refund)).state is S.SENDING

    in_world(main, bank=Forever())


def test_stop_before_the_claim_claims_nothing() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.dispatcher.run(stop))
        await asyncio.sleep(1)
        assert world.bank.asked == ["read_payment"]
        stop.set()
        await room

        assert world.bank.asked == ["read_payment"]
        assert (await world.row(refund)).state is S.QUEUED

    in_world(main, bank=Bank(latency=2.0))


# --- waking -------------------------------------------------------------------------


def test_connection_that_is_well_again_is_used_at_once() -> None:
    async def main(world: World) -> None:
        world.bank.reads = ["401"]
        await world.house.prober.probe_all()
        refund = await world.a_refund()
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.dispatcher.run(stop))
        await asyncio.sleep(100)
        assert world.bank.orders == []
        await world.house.prober.probe_all()
        await asyncio.sleep(1)
        assert (await world.row(refund)).state is S.SUCCEEDED
        stop.set()
        await room

    in_world(main)


def test_work_that_waits_for_its_time_is_not_polled() -> None:
    async def main(world: World) -> None:
        refund = await world.a_refund()
        asked = world.count_reads()
        after = await world.walk(refund, 600)

        assert after.state is S.QUEUED
        assert after.due_at is not None
        assert after.due_at - world.clock.now() > timedelta(0)
        assert len(asked) < 250

    in_world(main, bank=Bank(reads=["never"] * 1000))


def test_what_a_full_connection_has_waiting_is_not_read_again_and_again() -> None:
    async def main(world: World) -> None:
        for number in range(60):
            await world.a_refund(f"r-{number}", payment=f"pi_{number}")
        asked = world.count_reads()
        stop = asyncio.Event()
        room = asyncio.ensure_future(world.house.dispatcher.run(stop))
        await asyncio.sleep(100)
        assert len(world.bank.orders) == 3
        assert asked.count("DueSends") < 20
        stop.set()
        await room

    in_world(
        main,
        bank=Bank(latency=15.0),
        paths=(a_path(concurrency=1),),
        flow=settings(dispatch_concurrency=4),
        quiet=False,
    )


class _Looking(Toy):
    """Looks before it orders, and orders once it likes what it sees."""

    def __init__(self, *judgements: Outcome) -> None:
        super().__init__()
        self.judgements = list(judgements)

    def refund(
        self, instruction: RefundInstruction, stored: HttpRequest | None = None
    ) -> Operation[Outcome]:
        if stored is None and self.judgements:
            yield from self.read_payment(instruction.account, "pi_1", "EUR")
            return self.judgements.pop(0)
        return (yield from super().refund(instruction, stored))


@pytest.mark.parametrize(
    "judgement",
    [NotProcessed("not_settled", 7200), Unsure("http_500", 7200)],
)
def test_refund_whose_sale_is_not_settled_waits_unsent(judgement: Outcome) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.attempts == 0
        assert refund.due_at is not None
        assert (refund.due_at - world.clock.now()).total_seconds() > 7000

        await asyncio.sleep(3 * HOUR)
        await world.settle()
        assert (await world.row(refund)).state is S.SUCCEEDED
        assert world.bank.asked.count("refund") == 1

    in_world(main, paths=(a_path(gateway=_Looking(judgement)),))


@pytest.mark.parametrize("alone", [False, True])
def test_wait_of_one_refund_alone_does_not_hold_up_the_others(*, alone: bool) -> None:
    async def main(world: World) -> None:
        waits = await world.send()
        assert waits.state is S.QUEUED
        other = await world.send("r-2", payment="pi_2")
        assert other.state is (S.SUCCEEDED if alone else S.QUEUED)

    judgement = NotProcessed("not_settled", 7200, alone=alone)
    in_world(main, paths=(a_path(gateway=_Looking(judgement)),))


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (RefusedByGateway("sale_voided"), "sale_voided"),
        (
            Heard(Word.SUCCEEDED, Evidence(source="lookup", raw_status="voided")),
            "executed_elsewhere",
        ),
    ],
)
def test_refund_that_its_adapter_would_not_order_is_held_for_people(
    judgement: Outcome, reason: str
) -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.HELD
        assert refund.hold_reason == reason
        assert "not_refundable" in await world.alarms()
        assert "refund" not in world.bank.asked

    in_world(main, paths=(a_path(gateway=_Looking(judgement)),))


def test_adapter_that_is_refused_access_while_it_looks_waits_and_pauses() -> None:
    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        assert refund.attempts == 0
        rows = await world.store.read(ListConnections())
        assert rows[0].paused == "unauthorized"

    in_world(main, paths=(a_path(gateway=_Looking(Unauthorized("http_403"))),))


def test_session_that_ends_while_its_adapter_looks_pauses_nothing() -> None:
    gateway = _Looking(Unauthorized("http_401", session_expired=True))
    gateway._capabilities = replace(gateway.capabilities, needs_session=True)

    async def main(world: World) -> None:
        refund = await world.send()
        assert refund.state is S.QUEUED
        rows = await world.store.read(ListConnections())
        assert rows[0].paused is None
        await asyncio.sleep(60)
        await world.settle()
        assert (await world.row(refund)).state is S.SUCCEEDED

    in_world(main, paths=(a_path(gateway=gateway),))
