"""What webhooks should have told: the rhythm, backfill and replay over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from refundwatch.store.contract import ListenForWebhooks
from tests.daemon.living import Living, gateways, living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

import pytest

REFERENCE = "pi_3RwBackfilled"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Living]:
    """A daemon beside gateways that keep their webhooks to themselves."""
    async with (
        gateways() as (box, text),
        living(tmp_path, text=text, sandbox=box) as found,
    ):
        box.pause_webhooks()
        box.add_payment("stripe-uk", REFERENCE, 10_000, "GBP")
        yield found


async def paid_out(daemon: Living) -> dict[str, Any]:
    payment = await daemon.payment(10_000, gateway_reference=REFERENCE)
    refund = await daemon.refund(500, payment=payment)
    return await daemon.becomes(refund, "succeeded")


def settled(daemon: Living) -> dict[str, object]:
    """Every row, but what each call over the API leaves of itself in the log."""
    rows = daemon.state()
    kinds = rows.pop("audit_entry")
    # That the gateway was asked, and which version of it answered, is counted.
    rows.pop("version_run")
    assert isinstance(kinds, list)
    said = {"backfill:asked", "delivery:replayed"}
    return {**rows, "audited": [kind for kind in kinds if kind not in said]}


async def backfill(daemon: Living) -> Any:
    since = daemon.hub.clock.now() - timedelta(hours=1)
    answer = await daemon.call(
        "POST", "/v1/accounts/stripe-uk/backfill", {"since": since.isoformat()}
    )
    assert answer.status == 200, answer
    return answer.body


async def test_backfill_finds_the_bounce_nobody_told_of_and_a_second_one_nothing(
    daemon: Living,
) -> None:
    refund = await paid_out(daemon)
    box = daemon.sandbox
    assert box is not None
    box.bounce("stripe-uk", refund["gateway_reference"])
    assert box.drop_webhooks("stripe-uk")

    first = await backfill(daemon)
    assert (first["read"], first["changed"], first["failed"]) == (1, 1, 0)
    assert first["changed_ids"] == [refund["id"]]
    assert first["after"] is None
    assert (await daemon.shown(refund))["state"] == "reversed"

    before = settled(daemon)
    second = await backfill(daemon)
    assert (second["read"], second["changed"]) == (1, 0)
    assert settled(daemon) == before


async def test_replayed_delivery_is_applied_again_and_moves_nothing(
    daemon: Living,
) -> None:
    refund = await paid_out(daemon)
    box = daemon.sandbox
    assert box is not None
    box.bounce("stripe-uk", refund["gateway_reference"])
    box.resume_webhooks("stripe-uk")
    box.flush_webhooks("stripe-uk", hurry=True)
    await daemon.becomes(refund, "reversed")

    async def applied() -> list[dict[str, Any]]:
        listed = await daemon.call("GET", "/v1/deliveries?account=stripe-uk")
        items: list[dict[str, Any]] = listed.body["items"]
        return items if all(it["state"] != "waiting" for it in items) else []

    (delivery, *_) = await until(applied)
    before = settled(daemon)
    path = f"/v1/deliveries/{delivery['id']}/replay"
    answer = await daemon.call("POST", path)
    assert answer.status == 200, answer
    await until(applied)
    await until(lambda: "delivery:replayed" in daemon.kinds())
    now = settled(daemon)
    for table in ("refund", "payment", "attempt", "external_refund"):
        assert now[table] == before[table]
    assert (await daemon.shown(refund))["state"] == "reversed"


async def test_account_shows_the_gap_that_is_expected_and_the_silence(
    daemon: Living,
) -> None:
    async def rhythm() -> Any:
        answer = await daemon.call("GET", "/v1/accounts/stripe-uk", by="viewer")
        return answer.body["rhythm"]

    await daemon.payment(10_000, gateway_reference=REFERENCE)
    now = daemon.hub.clock.now()
    for minutes in (0, 2):
        at = now + timedelta(minutes=minutes)
        await daemon.hub.store.execute(ListenForWebhooks(at, frozenset()))
    found = await rhythm()
    assert (found["learned"], found["expected_gap_seconds"]) == (False, 57_600)
    assert found["alarm_after_seconds"] == 86_400
    # Nothing waits for a word, so nothing is missed.
    assert (found["silent_since"], found["too_long"]) == (None, False)
