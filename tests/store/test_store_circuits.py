"""Circuits in the store: what a call moves, what a hand moves, and what is written."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from refundwatch.domain.circuit import Part, Standing
from refundwatch.domain.policy import Principal, Role
from refundwatch.errors import DecisionDenied, TextInvalid
from refundwatch.store.contract import (
    ClaimLost,
    ListConnections,
    RecordCall,
    SetCircuit,
)
from tests.making import INSTANCE, START, make_refund
from tests.signing import ordered
from tests.store.looking import entries, rows, value
from tests.store.sending import call, claim

if TYPE_CHECKING:
    from refundwatch.domain.circuit import Circuit
    from refundwatch.store.sqlite.store import InlineStore

OLA = Principal("person:ola", frozenset({Role.OPERATOR}))
VIEWER = Principal("person:vic", frozenset({Role.VIEWER}))
NAME = "stripe-uk/main"


def by_hand(*, opens: bool = True, who: Principal = OLA, **more: object) -> SetCircuit:
    said: dict[str, object] = {
        "at": START,
        "principal": who,
        "connection": NAME,
        "part": Part.ORDERS,
        "opens": opens,
        "lasts": None,
        "reason_code": "maintenance",
    }
    command = SetCircuit(**{**said, **more})  # type: ignore[arg-type]
    return ordered(command, instance=INSTANCE)


async def circuit(store: InlineStore, part: Part = Part.ORDERS) -> Circuit | None:
    found = await store.read(ListConnections())
    (row,) = [row for row in found if row.id == NAME]
    return row.circuits.get(part)


async def failing(store: InlineStore, operation: str, times: int) -> None:
    for _ in range(times):
        bad = call(operation=operation, outcome="timeout", connection=NAME)
        await store.execute(RecordCall(START, bad))


async def test_orders_and_reads_have_a_circuit_each(store: InlineStore) -> None:
    await failing(store, "refund", 5)
    orders, reads = await circuit(store), await circuit(store, Part.READS)
    assert orders is not None
    assert orders.standing(START) is Standing.OPEN
    assert reads is not None
    assert reads.standing(START) is Standing.CLOSED


async def test_an_opening_is_told_once_with_its_reason(store: InlineStore) -> None:
    await failing(store, "look_up", 9)
    told = [one for one in entries(store) if one.kind == "circuit:opened"]
    assert [one.data["part"] for one in told] == ["reads"]
    assert told[0].data["because"] == "timeout"
    assert told[0].actor == "system"


async def test_refused_credentials_open_no_circuit(store: InlineStore) -> None:
    for _ in range(9):
        denied = call(operation="refund", outcome="unauthorized", connection=NAME)
        await store.execute(RecordCall(START, denied))
    assert rows(store, "SELECT * FROM circuit WHERE opened_at IS NOT NULL") == []


async def test_a_hand_opens_and_closes_with_author_and_reason(
    store: InlineStore,
) -> None:
    await store.execute(by_hand(reason_text="they called"))
    found = await circuit(store)
    assert found is not None
    assert (found.reason, found.actor, found.until) == (
        "maintenance",
        "person:ola",
        None,
    )
    await store.execute(by_hand(opens=False, reason_code="over"))
    found = await circuit(store)
    assert found is None or found.opened_at is None

    told = [one for one in entries(store) if one.kind.startswith("circuit:")]
    assert [one.kind for one in told] == ["circuit:opened", "circuit:closed"]
    assert [one.actor for one in told] == ["person:ola", "person:ola"]
    assert told[0].data["reason"] == "maintenance"
    assert told[0].data["reason_commitment"] is not None
    assert b"they called" not in b"".join(
        row["entry"] for row in rows(store, "SELECT entry FROM audit_entry")
    )
    assert value(store, "SELECT count(*) FROM note WHERE subject = ?", NAME) == 1


async def test_nothing_is_claimed_over_an_open_circuit(store: InlineStore) -> None:
    refund = await make_refund(store)
    await store.execute(by_hand())
    assert await claim(store, refund) == ClaimLost("circuit_open")
    assert value(store, "SELECT count(*) FROM attempt") == 0


async def test_whoever_may_not_is_refused_and_written_down(store: InlineStore) -> None:
    with pytest.raises(DecisionDenied):
        await store.execute(by_hand(who=VIEWER))
    assert rows(store, "SELECT * FROM circuit") == []
    assert "person:vic" in {one.actor for one in entries(store)}


@pytest.mark.parametrize("lasts", [timedelta(), timedelta(days=8), -timedelta(1)])
async def test_a_trip_lasts_some_time_and_a_week_at_most(
    store: InlineStore, lasts: timedelta
) -> None:
    with pytest.raises(TextInvalid):
        await store.execute(by_hand(lasts=lasts))
    assert rows(store, "SELECT * FROM circuit") == []
