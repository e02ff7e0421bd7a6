"""Orders about no refund: what is signed is what happens, and it is kept as signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.domain.circuit import Part
from refundwatch.domain.order import OrderAct, parse_order
from refundwatch.domain.policy import Principal, Role
from refundwatch.errors import DecisionDenied, StatementInvalid
from refundwatch.store.contract import SetCircuit, Signing, UnfreezePayment
from refundwatch.store.rows import micros
from tests.making import INSTANCE, OLA, START, make_payment
from tests.signing import introduce, order_of, ordered, signing
from tests.store.looking import dump, entries, rows, value

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from refundwatch.domain.order import Order
    from refundwatch.store.sqlite.store import InlineStore

TRIP = SetCircuit(
    at=START,
    principal=OLA,
    connection="stripe-uk/main",
    part=Part.ORDERS,
    opens=True,
    lasts=timedelta(minutes=30),
    reason_code="maintenance",
    reason_text="they called",
)


async def refused(store: InlineStore, command: Any, code: str) -> None:
    before = dump(store)
    with pytest.raises(DecisionDenied):
        await store.execute(command)
    assert dump(store) == before
    last = entries(store)[-1]
    assert last.kind == "request:denied"
    assert str(last.data["reason"]).partition(":")[0] == code


async def test_order_is_kept_as_it_was_signed_beside_its_effect(
    store: InlineStore,
) -> None:
    command = ordered(TRIP, instance=INSTANCE)
    await store.execute(command)
    assert command.signing is not None
    assert command.signing.signed is not None
    (row,) = rows(store, "SELECT * FROM signed_order")
    assert row["statement"] == command.signing.signed.statement
    assert row["signature"] == command.signing.signed.signature
    said = parse_order(row["statement"])
    assert said.detail == {"part": "orders", "lasts": "1800 seconds"}
    assert (row["act"], row["subject"], row["actor"]) == (
        OrderAct.TRIP,
        "stripe-uk/main",
        "person:ola",
    )
    told = next(it for it in entries(store) if it.kind == "circuit:opened")
    assert told.data["statement_sha256"] == row["statement_sha256"]
    assert told.data["signature_sha256"] == row["signature_sha256"]
    assert told.data["reason_commitment"] == said.reason_commitment


LIES: dict[str, Callable[[Order], Order]] = {
    "subject": lambda it: replace(it, subject="stripe-uk/backup"),
    "act": lambda it: replace(it, act=OrderAct.CLOSE),
    "longer": lambda it: replace(it, detail={**it.detail, "lasts": "until closed"}),
    "part": lambda it: replace(it, detail={**it.detail, "part": "reads"}),
    "reason": lambda it: replace(it, reason="other"),
    "words": lambda it: replace(it, reason_commitment=None),
    "instance": lambda it: replace(it, instance="elsewhere.test"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_order_that_says_something_else(store: InlineStore, lie: str) -> None:
    said = LIES[lie](order_of(TRIP, INSTANCE, ""))
    made = replace(signing(said), reason_salt=bytes(16))
    await refused(store, replace(TRIP, signing=made), "statement_differs")


async def test_unsigned_order(store: InlineStore) -> None:
    await refused(store, TRIP, "signature_missing")
    await refused(
        store, replace(TRIP, signing=Signing("policy-1")), "signature_missing"
    )


async def test_replayed_order(store: InlineStore) -> None:
    command = ordered(TRIP, instance=INSTANCE)
    await store.execute(command)
    await refused(store, command, "statement_replayed")


@pytest.mark.parametrize("purpose", ["login", "enrol"])
async def test_order_signed_in_another_namespace(
    store: InlineStore, purpose: str
) -> None:
    made = signing(order_of(TRIP, INSTANCE, ""), purpose=purpose)
    await refused(store, replace(TRIP, signing=made), "signature_refused")


@pytest.mark.parametrize("late", [-400, 400])
async def test_expired_order(store: InlineStore, late: int) -> None:
    command = ordered(TRIP, instance=INSTANCE)
    command = replace(command, at=START + timedelta(seconds=late))
    await refused(store, command, "statement_expired")


async def test_order_under_another_policy(store: InlineStore) -> None:
    made = replace(signing(order_of(TRIP, INSTANCE, "")), policy_version="policy-2")
    await refused(store, replace(TRIP, signing=made), "policy_stale")


async def test_order_of_a_machine(store: InlineStore) -> None:
    bot = Principal("machine:bot", frozenset({Role.OPERATOR}))
    await refused(store, replace(TRIP, principal=bot), "people_only")


async def test_order_after_the_role_was_removed(store: InlineStore) -> None:
    command = ordered(TRIP, instance=INSTANCE)
    introduce(store, (replace(OLA, roles=frozenset({Role.VIEWER})),), INSTANCE)
    await refused(store, command, "role_missing")


async def test_another_freeze_than_the_one_shown_is_not_lifted(
    store: InlineStore,
) -> None:
    payment = await make_payment(store)
    freeze(store, START)
    command = UnfreezePayment(START, OLA, payment, "checked", None)
    other = ordered(command, instance=INSTANCE, was="amount_mismatch", since=START)
    await refused(store, other, "statement_differs")
    await store.execute(ordered(command, instance=INSTANCE, since=START))
    assert value(store, "SELECT frozen FROM payment") is None
    assert value(store, "SELECT subject FROM signed_order") == payment


async def test_later_freeze_for_the_same_reason_is_not_lifted_by_the_order_before(
    store: InlineStore,
) -> None:
    payment = await make_payment(store)
    freeze(store, START)
    late = ordered(
        UnfreezePayment(START, OLA, payment, "checked", None),
        instance=INSTANCE,
        since=START,
    )
    freeze(store, START + timedelta(seconds=1))
    await refused(store, late, "statement_differs")
    assert value(store, "SELECT frozen FROM payment") == "dispute"


async def test_words_that_nobody_signed(store: InlineStore) -> None:
    signed = replace(TRIP, reason_text=None)
    command = replace(ordered(signed, instance=INSTANCE), reason_text="they called")
    await refused(store, command, "statement_differs")


def freeze(store: InlineStore, at: datetime) -> None:
    store._connection.execute(
        "UPDATE payment SET frozen = 'dispute', frozen_at = ?", (micros(at),)
    )


async def test_bytes_that_are_no_order_change_nothing(store: InlineStore) -> None:
    command = ordered(TRIP, instance=INSTANCE)
    assert command.signing is not None
    assert command.signing.signed is not None
    text = command.signing.signed.statement
    for broken in (text + b"\n", text.replace(b'"v":1', b'"v":true'), b"{}"):
        signed = replace(command.signing.signed, statement=broken)
        before = dump(store)
        with pytest.raises(StatementInvalid):
            await store.execute(
                replace(command, signing=replace(command.signing, signed=signed))
            )
        assert dump(store) == before


async def test_stored_order_is_never_changed(store: InlineStore) -> None:
    await store.execute(ordered(TRIP, instance=INSTANCE))
    for text in ("UPDATE signed_order SET act = 'x'", "DELETE FROM signed_order"):
        with pytest.raises(Exception, match="signed order is never"):
            store._connection.execute(text)
