"""A gateway whose answers are no answers: the truth is found, and money moves once."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from refundwatch.api import models as m
from refundwatch.api.models_orders import CircuitBody
from tests.alone import Alone, alone
from tests.authority import Authority
from tests.lies import CONTRADICTS, PROVES_NOTHING, trailing
from tests.lying import CAPTURED_MINOR, Gateway, Truth
from tests.staging import free_of_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults import FaultTable
    from tests.lying import Lie

pytestmark = pytest.mark.xdist_group("heavy")

AMOUNT_MINOR = 1_234
EACH = 2
"""Refunds of each lie whose orders were executed, and as many that were not."""


@dataclass(frozen=True, slots=True)
class Told:
    """A lie, the payments it is told about, and how their refunds end."""

    what: str
    payments: tuple[str, ...]
    ends: str


def tell(gateway: Gateway) -> list[Told]:
    """Prepare every lie; of each also say whether the order is executed."""
    told = []

    def prepare(what: str, lie: Lie, ends: str, *executes: bool) -> None:
        names = []
        for executed in executes:
            for _ in range(EACH):
                name = f"pi_{len(gateway.lies)}"
                gateway.lies[name] = lie
                names.append(name)
                if executed:
                    gateway.executes.add(name)
        told.append(Told(what, tuple(names), ends))

    for what, lie in PROVES_NOTHING.items():
        prepare(what, lie, "succeeded", True, False)
    for what, lie in CONTRADICTS.items():
        prepare(what, lie, "review", True)
    prepare("trailing bytes", trailing, "succeeded", True)
    return told


async def test_lies_about_orders_end_in_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: FaultTable
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    gateway = Gateway()
    told = tell(gateway)
    await gateway.listen(authority.server())
    try:
        endpoint = {"stripe-uk": f"https://127.0.0.1:{gateway.port}"}
        async with alone(tmp_path, endpoint) as system:
            await _end_in_the_truth(system, gateway, told, faults)
    finally:
        await gateway.close()


@contextlib.asynccontextmanager
async def circuits_held_closed(system: Alone) -> AsyncIterator[None]:
    """Let a person keep the connection going, or nobody would be lied to any more."""

    async def hold() -> None:
        async with system.client() as client:
            while True:
                for part in ("orders", "reads"):
                    body = CircuitBody.model_validate(
                        {"part": part, "standing": "closed", "reason_code": "drill"}
                    )
                    parts = {"account": "stripe-uk", "connection": "main"}
                    await client.call(
                        "connections.circuit", m.ConnectionView, parts=parts, body=body
                    )
                await asyncio.sleep(0.3)

    holding = asyncio.ensure_future(hold())
    try:
        yield
    finally:
        holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await holding


async def _end_in_the_truth(
    system: Alone, gateway: Gateway, told: list[Told], faults: FaultTable
) -> None:
    payments = dict.fromkeys(gateway.lies, "stripe-uk")
    contradicted = {name for it in told if it.ends == "review" for name in it.payments}
    await system.take(payments, CAPTURED_MINOR)
    before = system.memory_mib()
    refunds = await system.ask(payments, AMOUNT_MINOR)

    def lied() -> bool:
        """Every order was lied about, and a look-up or a resend after it."""
        twice = all(gateway.told[name] >= 2 for name in payments if _doubts(name))
        seen = system.states(refunds[name] for name in contradicted)
        return twice and set(seen.values()) == {"review"}

    def _doubts(name: str) -> bool:
        return name not in contradicted and name not in told[-1].payments

    async with circuits_held_closed(system):
        await system.until(lied, 60, "lied to")
    peak = system.memory_mib()
    in_doubt = system.states(refunds[name] for name in payments if _doubts(name))
    assert set(in_doubt.values()) <= {"unknown", "sending"}, in_doubt

    gateway.lies.clear()

    wanted = {refunds[name]: it.ends for it in told for name in it.payments}
    await system.until(
        lambda: system.states(wanted) == wanted,
        30,
        "ended as they should",
    )
    assert gateway.truth.altered == 0
    for it in told:
        faults.add(
            "F10",
            it.what,
            sum(gateway.told[name] for name in it.payments),
            lost=gateway.truth.lost(it.payments),
            paid_twice=gateway.truth.paid_twice(it.payments),
        )
    assert {it.amount_minor for it in gateway.truth.executed} == {AMOUNT_MINOR}
    assert peak - before < 150, f"{before:.0f} MiB became {peak:.0f} MiB"
    assert free_of_errors(system.folder) == []


def test_ledger_sees_what_is_lost_and_what_is_paid_twice() -> None:
    truth, payment = Truth(), "pi_1"
    body = b"payment_intent=pi_1&amount=5&metadata%5Brw_id%5D=r-1"

    assert truth.lost([payment]) == 1
    truth.order("key", body)
    truth.order("key", body)
    assert (truth.lost([payment]), truth.paid_twice([payment])) == (0, 0)
    truth.order("another", body)
    assert truth.paid_twice([payment]) == 1
    truth.order("key", body + b"0")
    assert truth.altered == 1
