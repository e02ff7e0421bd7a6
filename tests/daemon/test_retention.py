"""Old bodies are emptied; rows, digests and whatever is still needed stay."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from refundwatch.store.contract.expiry import EmptyOld, Expired
from tests.daemon.living import Living, living_with_gateways, until

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.store.contract import Command


def old(daemon: Living, days: float, at_most: int = 500) -> Command[Expired]:
    """Empty what is older than a moment `days` before that many days from now."""
    now = daemon.hub.clock.now() + timedelta(days=days)
    return EmptyOld(now, now, now, now, at_most)


def full(daemon: Living) -> tuple[int, int, int]:
    """How many webhooks, requests and notes still hold something."""
    return daemon.query(
        "SELECT (SELECT count(*) FROM delivery_body WHERE body IS NOT NULL),"
        " (SELECT count(*) FROM stored_request WHERE length(body) > 0),"
        " (SELECT count(*) FROM note WHERE length(text) > 0)"
    )[0]  # type: ignore[return-value]


async def test_old_bodies_are_emptied_once_and_rows_and_digests_stay(
    tmp_path: Path,
) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 100_000, "GBP")
        payment = await daemon.payment(gateway_reference="pi_1")
        refund = await daemon.refund(1000, payment=payment)
        await daemon.becomes(refund, "succeeded")
        await until(lambda: full(daemon)[0] > 0)
        await daemon.call(
            "POST",
            "/v1/connections/stripe-uk/main/circuit",
            {"standing": "open", "reason_code": "x", "reason_text": "zebra"},
        )
        await until(
            lambda: not daemon.query("SELECT 1 FROM delivery WHERE state = 'waiting'")
        )
        before = full(daemon)
        digests = daemon.query("SELECT body_sha256 FROM delivery_body")
        untouched = await daemon.hub.store.execute(old(daemon, -1))
        assert (untouched.total, full(daemon)) == (0, before)
        emptied = await daemon.hub.store.execute(old(daemon, 1))
        assert emptied == Expired(*before)
        assert full(daemon) == (0, 0, 0)
        assert before[0] > 0
        assert before[1] == 1
        assert daemon.query("SELECT body_sha256 FROM delivery_body") == digests
        entries = [it for it in await daemon.audit() if it["kind"].startswith("retent")]
        assert [it["data"]["requests"] for it in entries] == [1]
        again = await daemon.hub.store.execute(old(daemon, 1))
        assert again.total == 0
        shown = await daemon.call("GET", f"/v1/refunds/{refund['id']}")
        assert shown.status == 200


async def test_request_of_a_refund_that_is_not_final_is_kept(tmp_path: Path) -> None:
    async with living_with_gateways(tmp_path) as daemon:
        box = daemon.sandbox
        assert box is not None
        box.add_payment("stripe-uk", "pi_1", 100_000, "GBP")
        payment = await daemon.payment(gateway_reference="pi_1")
        refund = await daemon.refund(1000, payment=payment)
        await daemon.becomes(refund, "succeeded")
        await daemon.tamper("UPDATE refund SET state = 'unknown'")
        await daemon.hub.store.execute(old(daemon, 1))
        assert full(daemon)[1] == 1
