"""What must hold, whatever happened: our books against what the bank really did."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import TRANSITIONS, RefundState
from refundwatch.store.contract import ReadAudit

if TYPE_CHECKING:
    from tests.flow.toy import Sent
    from tests.flow.world import World

S = RefundState

_NET = {"pending", "succeeded", "settled"}
_MAY_HAVE_RUN = {S.SENDING, S.UNKNOWN, S.PENDING, S.SUCCEEDED, S.SETTLED, S.REVIEW}


def watch_orders(world: World) -> None:
    """Let each order prove that its intent was durable before it left."""

    def look(sent: Sent) -> None:
        row = world.store._connection.execute(
            "SELECT state FROM refund WHERE idempotency_key = ?", (sent.key,)
        ).fetchone()
        assert row is not None, "an order without an intent"
        assert row["state"] in {S.SENDING, S.UNKNOWN, S.SUCCEEDED, S.PENDING}, (
            "an order of a refund that was not claimed"
        )

    world.bank.on_order = look


async def check_truth(world: World, *, at_rest: bool) -> None:
    """Compare; `at_rest` says that no question may be open any more."""
    world.bank.check_once()
    await _check_paths(world)
    executed: dict[str, Any] = {one.reference: one for one in world.bank.executed}
    sums: dict[str, int] = defaultdict(int)
    for one in world.bank.executed:
        if one.status in _NET:
            sums[one.payment] += one.amount
    connection = world.store._connection
    for row in connection.execute("SELECT * FROM refund").fetchall():
        made = executed.get(row["merchant_reference"])
        if made is not None:
            assert S(row["state"]) in _MAY_HAVE_RUN | {S.DECLINED, S.REVERSED}
            if row["state"] == S.DECLINED:
                assert made.status not in _NET or row["booking"] == "refunded"
        if row["state"] == S.SUCCEEDED:
            assert made is not None
        if at_rest:
            assert row["state"] not in {S.SENDING, S.QUEUED, S.UNKNOWN}, dict(row)
    for row in connection.execute("SELECT * FROM payment").fetchall():
        standing = row["reserved_minor"] + row["refunded_minor"]
        done = sums[row["gateway_reference"]]
        assert done <= row["captured_minor"]
        assert done <= standing, "executed, but neither reserved nor refunded"
        assert standing <= row["captured_minor"] or row["frozen"]


async def _check_paths(world: World) -> None:
    """Follow each refund through its entries: only moves of the table."""
    at: dict[str, RefundState] = {}
    for entry in await world.store.read(ReadAudit(0, 100_000)):
        told = json.loads(entry.entry)
        data = told.get("data", {})
        refund = told.get("refund_id") or told.get("refund")
        if refund is None or "after" not in data or "before" not in data:
            continue
        if data["before"] is None:
            at[refund] = S(data["after"])
            continue
        before = S(data["before"])
        assert at.get(refund, before) is before
        for step in data.get("path") or [data["after"]]:
            after = S(step)
            if after is not before:
                assert after in TRANSITIONS[before], (before, after)
            before = after
        at[refund] = before
